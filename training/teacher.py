"""Train the teacher: a head and a text tower on a frozen ImageNet network's maps of clean scenes.

    python -m training.teacher --work DIR

Writes `teacher/head.safetensors` (the head) and `teacher/text.safetensors` (the text tower, from which
the student starts). The backbone is EfficientNet-Lite0 as packaged on PyPI, at 128 px.
"""

from __future__ import annotations

import json
import math
from typing import Any

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from training import captions, common, losses, model


def load_in_order(net: nn.Module, source: dict[str, Tensor]) -> None:
    """Load a package's tensors: they are timm's, in the same order under other names."""
    given = [value for key, value in source.items() if "num_batches" not in key]
    wanted = [key for key in net.state_dict() if "num_batches" not in key]
    net.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)


class Backbone(nn.Module):
    """EfficientNet-Lite0 without its classifier, in bfloat16."""

    def __init__(self, weights):
        super().__init__()
        self.net = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
        if weights is not None:
            load_in_order(self.net, torch.load(weights, weights_only=True))
        self.net.to(memory_format=torch.channels_last).requires_grad_(False)
        self.features: Any = self.net.forward_features

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, 128, 128] in 0..1 to fp16 features [N, 1280]."""
        images = model.normalised(images).contiguous(memory_format=torch.channels_last)
        with common.autocast(images.device.type):
            maps: Tensor = self.features(images)
            return maps.float().mean((2, 3)).half()


class Head(nn.Module):
    """From the network's mean features to the guide's space, where names are directions.

    The colour of the object is kept readable in the same 256 numbers.
    """

    def __init__(self, names: int, out: int = 256):
        super().__init__()
        generator = common.generator("head")
        self.norm, self.linear = nn.LayerNorm(1280), nn.Linear(1280, out)
        nn.init.trunc_normal_(self.linear.weight, std=1280**-0.5, generator=generator)
        self.prototypes = nn.Parameter(torch.randn(names, out, generator=generator) / out**0.5)
        self.colours = nn.Linear(out, 12)

    def forward(self, features: Tensor) -> Tensor:
        """Map [N, 1280] to unit embeddings [N, 256]."""
        return F.normalize(self.linear(F.dropout(self.norm(features), 0.3, self.training)), dim=1)

    def loss(self, features: Tensor, name: Tensor, colour: Tensor) -> tuple[Tensor, float]:
        """Return the cross-entropy of names and colours, and the share of names that are right."""
        embedding = self(features)
        logits = 16 * embedding @ F.normalize(self.prototypes, dim=1).T
        told = F.cross_entropy(logits, name, label_smoothing=0.1) + 0.3 * F.cross_entropy(
            10 * self.colours(embedding), colour + 1
        )
        return told, (logits.argmax(1) == name).float().mean().item()


def backbone_of(work: common.Work, smoke: bool = False) -> Backbone:
    """Return the backbone with its weights (random ones in a smoke run)."""
    weights = work.folder("sources") / "efficientnet" / "efficientnet-lite0-57934424.pth"
    return Backbone(None if smoke else weights)


def start_text(clip, work: common.Work) -> None:
    """Put the sentence encoder's words into the token table, and hold them."""
    path = work.folder("data") / "words.safetensors"
    if path.exists():
        clip.token_embedding.weight.data.copy_(load_file(path)["tokens"])
    clip.token_embedding.weight.requires_grad_(False)


def text_state(clip) -> dict[str, Tensor]:
    """Return the weights that are not the image tower's, nor the token table."""
    skip = ("visual.", "token_embedding.")
    return {
        key: value.clone()
        for key, value in clip.state_dict().items()
        if not key.startswith(skip) and key != "attn_mask"
    }


def rate(step: int, steps: int, peak: float) -> float:
    """Learning rate: a short rise, then a cosine to zero."""
    return peak * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))


def optimise(parameters, steps: int, peak: float, loss_of, what: str) -> None:
    """Run AdamW on `loss_of(step) -> (loss, figure)`."""
    parameters = list(parameters)
    optimiser = torch.optim.AdamW(parameters, lr=peak, weight_decay=0.05, fused=True)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate(step, steps, peak)
        loss, figure = loss_of(step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            common.log(f"{what} {step} loss {loss.item():.3f} right {figure:.3f}")


def train_head(head: Head, data: dict[str, Tensor], steps: int) -> None:
    """Fit the head to names and colours of scenes with one kind of object."""
    rows = (data["kind"] != 1).nonzero()[:, 0]

    def loss_of(step: int):
        picked = rows[torch.randint(len(rows), (512,), generator=common.generator("head", step))]
        return head.loss(
            data["features"][picked].float(), data["name"][picked].long(), data["colour"][picked].long()
        )

    optimise(head.train().parameters(), steps, 1e-3, loss_of, "head")
    head.eval()


def train_text(clip, head: Head, data: dict[str, Tensor], steps: int) -> None:
    """Bring the text tower to the head's embeddings: captions towards their scenes, false ones away."""
    rows = (data["kind"] != 1).nonzero()[:, 0]
    parameters = [p for k, p in clip.named_parameters() if not k.startswith("visual.") and p.requires_grad]

    def loss_of(step: int):
        picked = rows[torch.randint(len(rows), (256,), generator=common.generator("text", step))]
        with torch.no_grad():
            image = head(data["features"][picked].float())
        text = model.encode_tokens(
            clip, torch.cat([data["tokens"][picked], data["false_tokens"][picked]]).long()
        )
        loss, figure = losses.contrastive(image, text, clip.logit_scale.clamp(max=4), data["tokens"][picked])
        return loss + 4 * losses.distillation(text[: len(picked)], image).mean(), figure

    optimise(parameters, steps, 1e-3, loss_of, "text")


def principal(features: Tensor, width: int = 256) -> dict[str, Tensor]:
    """Return `mean` [1280] and `axes` [1280, width] that reduce features to half-whitened components."""
    some = features[::2].float()
    mean = some.mean(0)
    covariance = (some - mean).T @ (some - mean) / len(some)
    values, vectors = torch.linalg.eigh(covariance.double())
    axes = vectors[:, -width:] * values[-width:].clamp_min(1e-6) ** -0.25
    return {"mean": mean, "axes": axes.float().contiguous()}


def load_head(work: common.Work, names: int) -> Head:
    """Return the trained head."""
    head = Head(names).eval()
    head.load_state_dict(load_file(work.folder("teacher") / "head.safetensors"))
    return head


def main() -> None:
    """Fit the head and the text tower to the first shards, and store both."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--head-steps", type=int, default=2500)
    arguments.add_argument("--text-steps", type=int, default=800)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    parts = [load_file(path) for path in sorted(work.folder("shards/train").glob("*.safetensors"))]
    data = {key: torch.cat([part[key] for part in parts]) for key in parts[0] if key != "images"}
    names = len(captions.Vocabulary(json.loads(work.catalogue.read_text())).names)
    clip, head = model.build(common.generator("teacher")), Head(names)
    start_text(clip, work)
    folder = work.folder("teacher")
    common.save_tensors(principal(data["features"]), folder / "principal.safetensors")
    if (folder / "head.safetensors").exists():
        head = load_head(work, names)
    else:
        train_head(head, data, options.head_steps)
        common.save_tensors(head.state_dict(), folder / "head.safetensors")
    train_text(clip, head, data, options.text_steps)
    common.save_tensors(text_state(clip), folder / "text.safetensors")


if __name__ == "__main__":
    main()
