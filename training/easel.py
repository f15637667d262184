"""Scenes as a person would draw them: the pictures from which looks are learned.

Each word has one picture. From several drawings of a thing the text tower would learn their mean, which shows
nothing. So these scenes use one family of drawings, give each word to one name, and put things upright
where a person would, on plain backgrounds.
"""

from __future__ import annotations

import torch

from training import captions, names
from training.captions import Plan
from training.prompts import LAYOUTS

FAMILY = ("fluent-emoji-flat", "fluent-emoji")
"""Two sets with the same shapes, flat and shaded (Microsoft, MIT licence)."""
PORTRAIT = 0.74
"""Width of a single thing, in canvas widths."""
MEANT = {
    "tree": "deciduous tree",
    "flower": "blossom",
    "moon": "crescent moon",
    "train": "locomotive",
    "apple": "red apple",
    "boat": "sailboat",
    "camel": "two hump camel",
}
"""The name that a word stands for, where the general rule would choose a less typical drawing."""


class Words(captions.Vocabulary):
    """A vocabulary in which each word belongs to one name, and each name has the drawings of one family.

    Names keep their numbers. Names without a word or without a drawing are never picked.

    Args:
        rows: the catalogue.
    """

    def __init__(self, rows: list[dict]):
        super().__init__(rows)
        owned = self._owned()

        for number, words in owned.items():
            self.spoken[number] = [(word, 1 / len(words)) for word in words]
        self.icons = [self._family(icons, rows) for icons in self.icons]

        total, self.cumulative = 0.0, []
        for number in range(len(self.names)):
            total += self._weight(number) if number in owned and self.icons[number] else 0.0
            self.cumulative.append(total)

    def _owned(self) -> dict[int, list[str]]:
        """Return the words that belong to each name; names without one are missing."""
        candidates: dict[str, list[int]] = {}
        for number, word in self.words():
            candidates.setdefault(word, []).append(number)

        owned: dict[int, list[str]] = {}
        for word, numbers in candidates.items():
            owned.setdefault(self._owner(word, numbers), []).append(word)
        return owned

    def _owner(self, word: str, candidates: list[int]) -> int:
        """Return the name that owns a word: that in `MEANT`, its face, itself, or the first it can stand for."""
        by_name = {self.names[i]: i for i in candidates}
        wanted = (MEANT.get(word), f"{word} face", word, *names.EVERYDAY)
        return next((by_name[name] for name in wanted if name in by_name), candidates[0])

    @staticmethod
    def _family(icons: list[int], rows: list[dict]) -> list[int]:
        """Return the icons of `FAMILY`, else the first other icon in colour."""
        own = [i for i in icons if rows[i]["style"] in FAMILY]
        coloured = [i for i in icons if rows[i]["style"] not in names.GLYPHS]
        return own or coloured[:1]


class Planner(captions.Planner):
    """Plans scenes of one to four things, upright and in fixed places on plain backgrounds."""

    SHARES = (("portrait", 0.6), ("pair", 0.28), ("count", 0.12))
    BACKGROUNDS = 0.12

    def portraits(self, numbers: list[int], generator: torch.Generator) -> list[Plan | None]:
        """Return plans of single things in their own colours on white; None for a name without a drawing."""
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
        """Return a plan of one thing in the middle."""
        plan = super()._portrait(draw)
        thing = plan.things[0]
        thing.x, thing.y, thing.size = *LAYOUTS[1][0], PORTRAIT
        return self._calmed(plan)

    def _pair(self, draw) -> Plan:
        """Return a plan of two things. With "and", the first one is on the left."""
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
        """Return a plan of equal things."""
        plan = super()._count(draw)
        for thing, (x, y) in zip(plan.things, LAYOUTS[len(plan.things)], strict=True):
            thing.x, thing.y, thing.size = x, y, 0.4
        return self._calmed(plan)

    @staticmethod
    def _calmed(plan: Plan) -> Plan:
        """Put the things upright on a plain background, white unless the caption names a colour."""
        for thing in plan.things:
            thing.angle, thing.flip = 0.0, False
        plan.calm, plan.may_flip = True, False
        if "background" not in plan.caption:
            plan.background = -1  # a colour that the caption omits cannot be learned
        return plan
