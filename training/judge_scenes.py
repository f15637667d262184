"""Scenes for the judge, independent of the guide's: other layouts, other seeds, and the looks of paintings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import kornia
import torch
import torch.nn.functional as F
from torch import Tensor

from training import captions
from training.captions import Plan, Thing, Vocabulary
from training.names import COLOURS

KINDS = ("one", "two", "three", "four", "pair")
SHARES = (0.64, 0.07, 0.05, 0.04, 0.2)
CALM = 0.55
"""Fraction of the scenes with a light background, unless it has a colour, and with large single things."""
DRAWS = 64


class Planner:
    """Plans one to four equal things, or two different ones, in places that keep them apart.

    Args:
        vocabulary: the names.
    """

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary

    def plans(self, count: int, generator: torch.Generator) -> list[Plan]:
        """Return `count` plans drawn with `generator`."""
        table = torch.rand(count, DRAWS, generator=generator, dtype=torch.float64).tolist()
        return [self._plan(iter(row[:-16]), row[-16:]) for row in table]

    def _plan(self, draw: Iterator[float], numbers: list[float]) -> Plan:
        kind = KINDS[chosen(SHARES, next(draw))]
        calm = next(draw) < CALM
        if calm:
            numbers[0] = captions.CALM
        things = self._pair(draw) if kind == "pair" else self._equal(KINDS.index(kind) + 1, draw, calm)
        taken = {thing.colour for thing in things}
        free = [colour for colour in range(len(COLOURS)) if colour not in taken]
        coloured = next(draw) < 0.25
        background = free[int(next(draw) * len(free))] if coloured else -1
        return Plan(things, background, "", "", -1, kind, numbers=numbers)

    def _thing(self, tinted: float, draw: Iterator[float], place: tuple[float, float, float]) -> Thing:
        icons = self.vocabulary.icons[self.vocabulary.pick(next(draw))]
        icon = icons[int(next(draw) * len(icons))]
        u, v = next(draw), next(draw)
        coloured = u < tinted or not self.vocabulary.own_colour[icon]
        colour = int(v * len(COLOURS)) if coloured else -1
        angle = (next(draw) - 0.5) * 0.16
        return Thing(icon, colour, *place, angle, next(draw) < 0.5)

    def _equal(self, count: int, draw: Iterator[float], calm: bool) -> list[Thing]:
        """Return one thing anywhere, or equal things in a row at any angle or in a circle."""
        if count == 1:
            size = 0.65 + 0.35 * next(draw) if calm else 0.4 + 0.62 * next(draw)
            room = 0.08 if calm else max(0.08, 0.95 - size)
            place = (0.5 + (next(draw) - 0.5) * room, 0.5 + (next(draw) - 0.5) * room, size)
            return [self._thing(0.45 if calm else 0.6, draw, place)]
        in_row = count < 4 and next(draw) < 0.5
        turn, spread = next(draw) * 2 * math.pi, 0.8 + 0.2 * next(draw)
        first = self._thing(0.6, draw, (0.5, 0.5, 0.0))
        things = []
        for i in range(count):
            if in_row:
                along = (i / (count - 1) - 0.5) * (0.5 if count == 2 else 0.64) * spread
                x, y = along * math.cos(turn), along * math.sin(turn)
            else:
                angle = turn + 2 * math.pi * i / count
                x, y = 0.29 * spread * math.cos(angle), 0.29 * spread * math.sin(angle)
            shift = (next(draw) - 0.5) * 0.06, (next(draw) - 0.5) * 0.06
            size = (0.3 if in_row and count == 3 else 0.38) * (0.8 + 0.3 * next(draw))
            things.append(
                Thing(
                    first.icon, first.colour, 0.5 + x + shift[0], 0.5 + y + shift[1],
                    size, first.angle, first.flip,
                )
            )  # fmt: skip
        return things

    def _pair(self, draw: Iterator[float]) -> list[Thing]:
        """Return two things beside or above each other, the left or upper one first."""
        upright = next(draw) < 0.5
        things = []
        for along in (0.27, 0.73):
            across = 0.5 + (next(draw) - 0.5) * 0.3
            along += (next(draw) - 0.5) * 0.08
            size = 0.34 + 0.22 * next(draw)
            place = (across, along, size) if upright else (along, across, size)
            things.append(self._thing(0.75, draw, place))
        return things


def chosen(shares: tuple[float, ...], u: float) -> int:
    """Return the number of the share that a uniform number in [0, 1) falls into.

    >>> chosen((0.5, 0.5), 0.7)
    1
    """
    for i, share in enumerate(shares):
        u -= share
        if u < 0:
            return i
    return len(shares) - 1


def blurred(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images blurred by 1 to 4 pixels."""
    sigma = 1 + 3 * torch.rand(len(images), 1, generator=generator).expand(-1, 2)
    return kornia.filters.gaussian_blur2d(images, (13, 13), sigma)


def celled(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images as grids of 24 to 64 cells per side, sharp or smooth."""
    cells = int(torch.randint(24, 65, (1,), generator=generator))
    small = F.interpolate(images, size=(cells, cells), mode="area")
    if torch.rand((), generator=generator) < 0.6:
        return F.interpolate(small, size=images.shape[-2:], mode="nearest")
    return F.interpolate(small, size=images.shape[-2:], mode="bilinear", align_corners=False)


def flattened(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images slightly blurred and reduced to 3 to 6 levels per channel: areas of flat colour."""
    levels = torch.randint(2, 6, (len(images), 1, 1, 1), generator=generator)
    return (kornia.filters.gaussian_blur2d(images, (5, 5), (1.2, 1.2)) * levels).round() / levels


def textured(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images with grain of a random scale, grey or coloured, like brush strokes, canvas or noise."""
    side = images.shape[-1] // int(torch.randint(1, 9, (1,), generator=generator))
    grain = torch.randn(len(images), 3, side, side, generator=generator)
    grey = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    grain = torch.where(grey, grain[:, :1].expand_as(grain), grain)
    grain = F.interpolate(grain, size=images.shape[-2:], mode="bilinear", align_corners=False)
    return images + grain * 0.03 + grain * 0.15 * torch.rand(len(images), 1, 1, 1, generator=generator)


def wobbled(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images whose outlines are bent by up to about 4% of the width, as by an unsteady hand."""
    count, waves = len(images), int(torch.randint(4, 17, (1,), generator=generator))
    field = torch.randn(count, 2, waves, waves, generator=generator)
    field = F.interpolate(field, size=images.shape[-2:], mode="bicubic", align_corners=False)
    strength = (0.01 + 0.04 * torch.rand(count, 1, 1, 1, generator=generator)) * 4 / waves**0.5
    still = F.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(images.shape), align_corners=False)
    grid = still + (field * strength).permute(0, 2, 3, 1)
    bent = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return blurred(bent, generator)


Look = Callable[[Tensor, torch.Generator], Tensor]
LOOKS: tuple[tuple[float, tuple[Look, ...]], ...] = (
    (0.34, ()),
    (0.1, (blurred,)),
    (0.2, (celled,)),
    (0.08, (flattened,)),
    (0.1, (textured,)),
    (0.08, (wobbled,)),
    (0.1, (wobbled, celled)),
)


def disguised(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images [N, 3, H, W] in 0..1, each with one of the looks, and with other light and saturation."""
    draws = torch.rand(len(images), generator=generator)
    shares = tuple(share for share, _ in LOOKS)
    picked = torch.tensor([chosen(shares, u) for u in draws.tolist()])

    out = images.clone()
    for i, (_, looks) in enumerate(LOOKS):
        rows = (picked == i).nonzero()[:, 0]
        if not len(rows):
            continue
        part = images[rows]
        for look in looks:
            part = look(part, generator)
        out[rows] = part

    gain, light, colourful = torch.rand(3, len(images), 1, 1, 1, generator=generator) - 0.5
    grey = out.mean(1, keepdim=True)
    out = grey + (out - grey) * (1 + 0.5 * colourful)
    return ((out - 0.5) * (1 + 0.4 * gain) + 0.5 + 0.15 * light).clamp(0, 1)
