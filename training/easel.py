"""What the gradient is taught to draw, and the canvases it starts from.

One picture a word: of several drawings of a thing the gradient would learn the mean, which shows nothing.
So the scenes of the last round take one family of drawings, give every word to one name, and stand where a
person would put them. The canvases are what painting really meets: light paper with soft noise, coarse
cells of colour, scribbled strokes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training import captions, names
from training.captions import Plan
from training.prompts import LAYOUTS

FAMILY = ("fluent-emoji-flat", "fluent-emoji")
"""Two sets with the same shapes, flat and shaded (Microsoft, MIT licence)."""
MEANT = {
    "tree": "deciduous tree",
    "flower": "blossom",
    "moon": "crescent moon",
    "train": "locomotive",
    "apple": "red apple",
    "boat": "sailboat",
    "camel": "two hump camel",
}
"""The name that a word stands for, where the rule of `owner` would choose a less plain drawing."""
STROKES = 12


class Words(captions.Vocabulary):
    """A vocabulary in which every word means one name, and every name one family's drawing.

    The names keep their numbers; those that own no word or have no drawing are never picked.
    """

    def __init__(self, rows: list[dict]):
        super().__init__(rows)
        owners: dict[str, list[int]] = {}
        for i, forms in enumerate(self.spoken):
            for word, _ in forms:
                owners.setdefault(word, []).append(i)
        owned: dict[int, list[str]] = {}
        for word, candidates in owners.items():
            owned.setdefault(self._owner(word, candidates), []).append(word)
        self.spoken = [
            [(word, 1 / len(owned[i])) for word in owned[i]] if i in owned else forms
            for i, forms in enumerate(self.spoken)
        ]
        self.icons = [self._family(icons, rows) for icons in self.icons]
        total, self.cumulative = 0.0, []
        for i in range(len(self.names)):
            total += self._weight(i) if i in owned and self.icons[i] else 0.0
            self.cumulative.append(total)

    def _owner(self, word: str, candidates: list[int]) -> int:
        """Return the name a word stands for: the chosen one, its face, itself, or the first that is said so."""
        by_name = {self.names[i]: i for i in candidates}
        wanted = (MEANT.get(word), f"{word} face", word, *names.EVERYDAY)
        return next((by_name[name] for name in wanted if name in by_name), candidates[0])

    @staticmethod
    def _family(icons: list[int], rows: list[dict]) -> list[int]:
        """Return the icons of the family, else of the first other set in colour."""
        own = [i for i in icons if rows[i]["style"] in FAMILY]
        coloured = [i for i in icons if rows[i]["style"] not in names.GLYPHS]
        return own or coloured[:1]


class Planner(captions.Planner):
    """Scenes of one, two or more things, upright and in their places on calm grounds."""

    SHARES = (("portrait", 0.8), ("pair", 0.12), ("count", 0.08))
    GROUNDS = 0.12

    def _portrait(self, draw) -> Plan:
        plan = super()._portrait(draw)
        plan.things[0].size = 0.62 + 0.14 * next(draw)
        return plan

    def _pair(self, draw) -> Plan:
        """Two things; with 'and', the first that is told stands on the left."""
        plan = super()._pair(draw)
        if " and " in plan.caption:
            for thing, (x, y) in zip(plan.things, LAYOUTS[2], strict=True):
                thing.x, thing.y = x, y
        return self._calmed(plan)

    def _count(self, draw) -> Plan:
        plan = super()._count(draw)
        for thing, (x, y) in zip(plan.things, LAYOUTS[len(plan.things)], strict=True):
            thing.x, thing.y, thing.size = x, y, 0.4
        return self._calmed(plan)

    @staticmethod
    def _calmed(plan: Plan) -> Plan:
        for thing in plan.things:
            thing.angle, thing.flip = 0.0, False
        plan.calm, plan.may_flip = True, False
        return plan


def canvases(count: int, generator: torch.Generator, size: int = 64) -> Tensor:
    """Return canvases [count, 3, size, size] to paint on: half with soft noise, the rest with cells or strokes."""
    light = 0.85 + 0.15 * torch.rand(count, 1, 1, 1, generator=generator)
    strength = 0.3 * torch.rand(count, 1, 1, 1, generator=generator)
    noise = torch.zeros(count, 3, size, size)
    for cells in (4, 8, 16):
        coarse = torch.randn(count, 3, cells, cells, generator=generator)
        noise = noise + F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False) / 1.7
    paper = (light + strength * noise).clamp(0, 1)
    first, second = count // 2, count * 3 // 4
    paper[first:second] = celled(paper[first:second], generator)
    paper[second:] = scribbled(light[second:].expand(-1, 3, size, size), generator)
    return paper[torch.randperm(count, generator=generator)]


def celled(images: Tensor, generator: torch.Generator) -> Tensor:
    """Show images [N, 3, H, W] as 8, 16 or 32 cells a side."""
    cells = (8, 16, 32)[int(torch.randint(3, (1,), generator=generator))]
    return F.interpolate(F.interpolate(images, size=(cells, cells), mode="area"), size=images.shape[-2:])


def scribbled(paper: Tensor, generator: torch.Generator) -> Tensor:
    """Draw straight strokes with round ends over paper [N, 3, H, W]: colours, widths, opacities at random."""
    count, _, height, width = paper.shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixel = torch.stack([x / width, y / height])[None]
    out = paper.clone()
    for _ in range(STROKES):
        start = torch.rand(count, 2, generator=generator)[:, :, None, None]
        way = 0.3 * torch.randn(count, 2, generator=generator)[:, :, None, None]
        along = (((pixel - start) * way).sum(1) / way.square().sum(1)).clamp(0, 1)[:, None]
        distance = (pixel - start - along * way).norm(dim=1, keepdim=True)
        radius, opacity, used = torch.rand(3, count, 1, 1, 1, generator=generator)
        cover = ((0.01 + 0.1 * radius.square() - distance) * width + 0.5).clamp(0, 1)
        cover = cover * (0.3 + 0.7 * opacity) * (used < 0.7)
        out = torch.lerp(out, torch.rand(count, 3, 1, 1, generator=generator).expand_as(out), cover)
    return out
