"""Scenes as a painter would set them up: how the things look that words call to mind.

One picture a word: of several drawings of a thing a text tower would learn the mean, which shows nothing.
So these scenes take one family of drawings, give every word to one name, and stand where a person would
put them, upright on calm backgrounds.
"""

from __future__ import annotations

import torch

from training import captions, names
from training.captions import Plan
from training.prompts import LAYOUTS

FAMILY = ("fluent-emoji-flat", "fluent-emoji")
"""Two sets with the same shapes, flat and shaded (Microsoft, MIT licence)."""
PORTRAIT = 0.74
"""Width of one thing alone, in canvas widths."""
MEANT = {
    "tree": "deciduous tree",
    "flower": "blossom",
    "moon": "crescent moon",
    "train": "locomotive",
    "apple": "red apple",
    "boat": "sailboat",
    "camel": "two hump camel",
}
"""The name that a word stands for, where the general rule would choose a less plain drawing."""


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
    """Scenes of one, two or more things, upright and in their places on calm backgrounds."""

    SHARES = (("portrait", 0.6), ("pair", 0.28), ("count", 0.12))
    BACKGROUNDS = 0.12

    def portraits(self, numbers: list[int], generator: torch.Generator) -> list[Plan | None]:
        """Return portraits of names in their own colours on white; None for a name without a drawing."""
        rolled = torch.rand(len(numbers), captions.DRAWS, generator=generator, dtype=torch.float64).tolist()
        return [self._shown(number, row) for number, row in zip(numbers, rolled, strict=True)]

    def _shown(self, name: int, row: list[float]) -> Plan | None:
        coloured = [icon for icon in self.vocabulary.icons[name] if self.vocabulary.own_colour[icon]]
        if not coloured:
            return None
        icon = coloured[int(row[0] * len(coloured))]
        thing = captions.Thing(icon, -1, *LAYOUTS[1][0], PORTRAIT, 0.0, False)
        plan = Plan([thing], -1, "", "", name, "single", numbers=row[-16:])
        plan.numbers[0] = captions.CALM
        return plan

    def _portrait(self, draw) -> Plan:
        plan = super()._portrait(draw)
        thing = plan.things[0]
        thing.x, thing.y, thing.size = *LAYOUTS[1][0], PORTRAIT
        return self._calmed(plan)

    def _pair(self, draw) -> Plan:
        """Two things; with 'and', the first that is told stands on the left."""
        plan = super()._pair(draw)
        upright = abs(plan.things[0].y - plan.things[1].y) > abs(plan.things[0].x - plan.things[1].x)
        if upright and " and " not in plan.caption:
            for thing in plan.things:
                thing.x, thing.y, thing.size = 0.5, 0.26 if thing.y < 0.5 else 0.74, 0.46
            return self._calmed(plan)
        beside = sorted(LAYOUTS[2], reverse=" right " in plan.caption)
        for thing, (x, y) in zip(plan.things, beside, strict=True):
            thing.x, thing.y, thing.size = x, y, 0.46
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
        if "background" not in plan.caption:
            plan.background = -1  # what is not told cannot be learned
        return plan
