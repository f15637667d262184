"""The judge's network: a frozen backbone that sees the quarters of a picture, and heads on its features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import common, teacher
from training.judge_scenes import KINDS
from training.names import COLOURS
from training.teacher import SCALE

SIZE = 192
"""Side in pixels of the pictures that the judge sees."""
WEIGHTS = "efficientnet-lite2-9656183e.pth"
SPACE = 128
"""Width of the space in which every name is a direction."""


class Quarters(nn.Module):
    """EfficientNet-Lite2, as trained on ImageNet and without its classifier, on the quarters of pictures.

    Args:
        work: folder of the sources.
        smoke: random weights instead.
    """

    def __init__(self, work: common.Work, smoke: bool = False):
        super().__init__()
        weights = work.folder("sources") / "judge" / WEIGHTS
        self.backbone = teacher.Backbone("lite2", None if smoke else weights)

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, 192, 192] in 0..1 to features [N, 4, 1280].

        The quarters are upper left, upper right, lower left, lower right.
        """
        parts = [F.avg_pool2d(self.backbone(part), SIZE // 64) for part in images.split(64)]
        return torch.cat(parts).flatten(2).mT.contiguous()


def views(quarters: Tensor) -> Tensor:
    """Return features [N, 5, 1280] of the whole, left, right, upper and lower half from [N, 4, 1280]."""
    pairs = [[0, 1, 2, 3], [0, 2], [1, 3], [0, 1], [2, 3]]
    return torch.stack([quarters[:, rows].mean(1) for rows in pairs], 1)


class Heads(nn.Module):
    """Predict the name of a thing, its colour, and how many things there are.

    Args:
        names: how many names.
        features: [N, 1280] in training, whose mean and standard deviation normalise the input; None if
            these will be loaded from a file.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, names: int, features: Tensor | None = None):
        super().__init__()
        generator = common.generator("judge heads")
        self.register_buffer("mean", torch.zeros(1280) if features is None else features.mean(0))
        self.register_buffer("spread", torch.ones(1280) if features is None else features.std(0) + 1e-3)
        self.space, self.prototypes = nn.Linear(1280, SPACE), nn.Linear(SPACE, names, bias=False)
        self.colours = nn.Linear(1280, len(COLOURS))
        self.quarter, self.kinds = nn.Linear(1280, 64), nn.Linear(256, len(KINDS))
        for layer in (self.space, self.prototypes, self.colours, self.quarter, self.kinds):
            nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def _even(self, seen: Tensor, dropped: float) -> Tensor:
        return F.dropout((seen - self.mean) / self.spread, dropped, self.training)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Map features [..., 1280] to logits of names and of colours."""
        placed = F.normalize(self.space(self._even(seen, 0.6)), dim=-1)
        names = SCALE * placed @ F.normalize(self.prototypes.weight, dim=1).T
        return names, self.colours(self._even(seen, 0.3))

    def kinds_of(self, quarters: Tensor) -> Tensor:
        """Map features [N, 4, 1280] to logits of `KINDS`."""
        hidden = F.gelu(self.quarter(self._even(quarters, 0.2)))
        return self.kinds(hidden.flatten(1))

    def loss(self, data: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, float]:
        """Return the loss of the scenes `rows` of `judge.make_shard`, and the fraction of right names."""
        quarters = data["features"][rows].float()
        seen, kind = views(quarters), data["kind"][rows].long()
        pair = (kind == KINDS.index("pair")).nonzero()[:, 0]
        alone = (kind != KINDS.index("pair")).nonzero()[:, 0]

        side = 1 + 2 * data["upright"][rows][pair].long()
        asked = torch.cat([seen[alone, 0], seen[pair, side], seen[pair, side + 1]])
        name, colour = (
            self._things(data["name"][rows], alone, pair),
            self._things(data["colour"][rows], alone, pair),
        )

        names, colours = self(asked)
        loss = F.cross_entropy(names, name, label_smoothing=0.1)
        loss = loss + 0.5 * F.cross_entropy(colours[colour >= 0], colour[colour >= 0])
        loss = loss + 0.5 * F.cross_entropy(self.kinds_of(quarters), kind)
        return loss, (names.argmax(1) == name).float().mean().item()

    @staticmethod
    def _things(values: Tensor, alone: Tensor, pair: Tensor) -> Tensor:
        """Return values [S, 2] of the first and last thing as those of single things, then of pairs."""
        return torch.cat([values[alone, 0], values[pair, 0], values[pair, 1]]).long()
