"""Plans of scenes with captions: which things are where, in which colours, and how a caption says so.

A plan contains up to four things; `scenes.render` draws it. It has a true caption, and a false one that
differs in one respect: swapped colours, the opposite relation, or another number or name.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass, field, replace

import torch

from training import names
from training.names import COLOURS
from training.wording import OPENINGS, counted, on_background, phrase

DRAWS = 64
CALM = 0.1
"""Value of a plan's first number that makes `scenes.backgrounds` draw a plain background, white unless told."""


@dataclass
class Thing:
    """One thing in a scene.

    Args:
        icon: row in the catalogue.
        colour: number in `COLOURS`; -1 for the icon's own.
        x: of the centre; `x`, `y` and `size` are in canvas widths.
        y: of the centre.
        size: of the whole icon.
        angle: in turns.
        flip: whether it is mirrored.
    """

    icon: int
    colour: int
    x: float
    y: float
    size: float
    angle: float
    flip: bool


@dataclass
class Plan:
    """One scene with its captions.

    Args:
        things: what it shows.
        background: number in `COLOURS`; -1 for any.
        caption: true.
        false_caption: differs in one respect.
        name: number of the first thing's name.
        kind: "single", "pair" or "count".
        may_flip: whether the mirrored scene fits the caption too.
        calm: whether the background is plain.
        numbers: sixteen uniform numbers from which the background and tints are drawn.
    """

    things: list[Thing]
    background: int
    caption: str
    false_caption: str
    name: int
    kind: str
    may_flip: bool = True
    calm: bool = False
    numbers: list[float] = field(default_factory=list)


class Vocabulary:
    """Names with their icons, chances and spoken forms.

    Args:
        rows: the catalogue.
        use: which styles count, "train" or "test".
        plain_weights: whether all names are equally likely.
    """

    def __init__(self, rows: list[dict], use: str = "train", plain_weights: bool = False):
        self.names = sorted({row["name"] for row in rows if row["use"] == use})
        index = {name: i for i, name in enumerate(self.names)}
        self.icons: list[list[int]] = [[] for _ in self.names]
        self.groups = [0] * len(self.names)
        self.own_colour = [row["style"] not in names.ONE_COLOUR for row in rows]
        for i, row in enumerate(rows):
            if row["use"] == use:
                self.icons[index[row["name"]]].append(i)
                self.groups[index[row["name"]]] = row["group"]
        self.spoken = [names.spoken(name, group) for name, group in zip(self.names, self.groups, strict=True)]
        weights = [1.0 if plain_weights else self._weight(i) for i in range(len(self.names))]
        self.cumulative = list(itertools.accumulate(weights))

    def name_of(self) -> dict[int, int]:
        """Return the number of the name that each icon in use shows."""
        numbers: dict[int, int] = {}
        for number, icons in enumerate(self.icons):
            numbers |= dict.fromkeys(icons, number)
        return numbers

    def _weight(self, i: int) -> float:
        styles = min(len(self.icons[i]), 5) / 5
        everyday = 1.5 if self.names[i] in names.EVERYDAY or " " not in self.names[i] else 1.0
        return names.GROUP_WEIGHT.get(self.groups[i], 0.3) * (0.4 + 0.6 * styles) * everyday

    def words(self) -> list[tuple[int, str]]:
        """Return every spoken form with the number of its name."""
        found: list[tuple[int, str]] = []
        for number, forms in enumerate(self.spoken):
            found += [(number, word) for word, _ in forms]
        return found

    def parts(self) -> set[str]:
        """Return the single words that the spoken forms consist of."""
        found: set[str] = set()
        for _, words in self.words():
            found.update(words.split())
        return found

    def pick(self, u: float) -> int:
        """Return the number of a random name, from a uniform number in [0, 1)."""
        return min(bisect.bisect(self.cumulative, u * self.cumulative[-1]), len(self.names) - 1)

    def say(self, name: int, u: float) -> str:
        """Return a random spoken form of a name, from a uniform number in [0, 1)."""
        for word, chance in self.spoken[name]:
            u -= chance
            if u < 0:
                return word
        return self.spoken[name][0][0]


class Planner:
    """Draws random plans.

    Args:
        vocabulary: the names.
        shares: the kinds of plans with their probabilities; the class's own if empty.
    """

    SHARES: tuple[tuple[str, float], ...] = (("single", 0.68), ("pair", 0.2), ("count", 0.12))
    BACKGROUNDS = 0.3
    """Fraction of the scenes on a background in a colour of the palette."""
    TINTED, TINTED_PORTRAITS = 0.6, 0.6
    """Fraction of single things that are tinted, and of single things in portraits."""

    def __init__(self, vocabulary: Vocabulary, shares: tuple[tuple[str, float], ...] = ()):
        self.vocabulary = vocabulary
        self.shares = shares or self.SHARES

    def plans(self, count: int, generator: torch.Generator) -> list[Plan]:
        """Return `count` plans drawn with `generator`."""
        table = torch.rand(count, DRAWS, generator=generator, dtype=torch.float64).tolist()
        return [self._plan(row) for row in table]

    def _plan(self, row: list[float]) -> Plan:
        draw = iter(row)
        u = next(draw)
        bounds = list(itertools.accumulate(share for _, share in self.shares))
        kind = self.shares[min(bisect.bisect(bounds, u), len(bounds) - 1)][0]
        plan = getattr(self, "_" + kind)(draw)
        plan.numbers = row[-16:]
        if plan.calm:
            plan.numbers[0] = CALM
        return plan

    def _colour(self, icon: int, chance: float, draw) -> int:
        u, v = next(draw), next(draw)
        tinted = u < chance or not self.vocabulary.own_colour[icon]
        return int(v * len(COLOURS)) if tinted else -1

    def _thing(self, name: int, chance: float, draw, place: tuple[float, float, float], turn: float) -> Thing:
        icons = self.vocabulary.icons[name]
        icon = icons[int(next(draw) * len(icons))]
        colour = self._colour(icon, chance, draw)
        x, y, size = place
        angle = (next(draw) - 0.5) * 2 * turn
        return Thing(icon, colour, x, y, size, angle, next(draw) < 0.5)

    def _other(self, value: int, count: int, draw) -> int:
        return (value + 1 + int(next(draw) * (count - 1))) % count

    def _background(self, colours: set[int], draw) -> int:
        """Return a colour for the background that is not among `colours`, or -1 for any."""
        u, v = next(draw), next(draw)
        if u > self.BACKGROUNDS:
            return -1
        free = [i for i in range(len(COLOURS)) if i not in colours]
        return free[int(v * len(free))]

    def _single(self, draw, tinted: float = TINTED) -> Plan:
        """Return a plan of one thing anywhere."""
        vocabulary = self.vocabulary
        name = vocabulary.pick(next(draw))
        size = 0.45 + 0.6 * next(draw) ** 0.7
        room = max(0.06, 0.55 - size / 2)
        place = (0.5 + (next(draw) - 0.5) * room, 0.5 + (next(draw) - 0.5) * room, size)
        turn = 0.06 if next(draw) < 0.8 else 0.15
        thing = self._thing(name, tinted, draw, place, turn)
        word = vocabulary.say(name, next(draw))

        background = self._background({thing.colour}, draw)
        named = background >= 0 and next(draw) < 0.6
        true = phrase(word, thing.colour) + (on_background(background) if named else "")
        false = self._false_single(name, word, thing.colour, background if named else -1, draw)

        u = next(draw)
        opening = OPENINGS[int(u * 5 * len(OPENINGS))] if u < 0.2 else ""
        return Plan([thing], background, opening + true, opening + false, name, "single")

    def _false_single(self, name: int, word: str, colour: int, background: int, draw) -> str:
        """Return a false caption of one thing; `background` is -1 if the true one does not name it."""
        vocabulary = self.vocabulary
        other_word = vocabulary.say(self._other(name, len(vocabulary.names), draw), next(draw))
        other_colour = self._other(colour, len(COLOURS), draw) if colour >= 0 else -1
        named = background >= 0
        ending = on_background(background) if named else ""

        u = next(draw)
        if colour >= 0 and named and u < 0.5:
            return phrase(word, background) + on_background(colour)
        if named and u < 0.8:
            return phrase(word, colour) + on_background(self._other(background, len(COLOURS), draw))
        if colour >= 0 and u < 0.75:
            return phrase(word, other_colour) + ending
        return phrase(other_word, colour) + ending

    def _portrait(self, draw) -> Plan:
        """Return a plan of one thing, upright in the middle of a plain background."""
        plan = self._single(draw, self.TINTED_PORTRAITS)
        thing = plan.things[0]
        thing.x, thing.y = (0.5 + (next(draw) - 0.5) * 0.06 for _ in range(2))
        thing.size, thing.angle, thing.flip = 0.72 + 0.2 * next(draw), 0.0, False
        plan.calm, plan.may_flip = True, False
        return plan

    def _pair(self, draw) -> Plan:
        """Return a plan of two things, beside or above each other."""
        vocabulary = self.vocabulary
        picked = [vocabulary.pick(next(draw)), vocabulary.pick(next(draw))]
        upright = next(draw) < 0.5
        things = self._placed(picked, upright, draw)
        words = [vocabulary.say(name, next(draw)) for name in picked]

        relations = ("above", "below") if upright else ("to the left of", "to the right of")
        if next(draw) < 0.5:  # the caption starts with the second thing
            things, words, picked, relations = things[::-1], words[::-1], picked[::-1], relations[::-1]
        named = next(draw) < 0.6
        joint = relations[0] if named else "and"
        first, second = (phrase(word, thing.colour) for word, thing in zip(words, things, strict=True))

        u = next(draw)
        if named and u < 0.5:
            false = f"{first} {relations[1]} {second}"
        elif things[0].colour != things[1].colour and u < 0.9:
            false = f"{phrase(words[0], things[1].colour)} {joint} {phrase(words[1], things[0].colour)}"
        else:
            other = vocabulary.say(self._other(picked[1], len(vocabulary.names), draw), 0.0)
            false = f"{first} {joint} {phrase(other, things[1].colour)}"

        background = self._background({things[0].colour, things[1].colour}, draw)
        caption, may_flip = f"{first} {joint} {second}", upright or not named
        return Plan(things, background, caption, false, picked[0], "pair", may_flip=may_flip)

    def _placed(self, names: list[int], upright: bool, draw) -> list[Thing]:
        """Return two things, the first on the left or, if `upright`, above."""
        sizes = [0.38 + 0.16 * next(draw) for _ in range(2)]
        things = []
        for name, size, start in zip(names, sizes, (0.27, 0.73), strict=True):
            along = start + (next(draw) - 0.5) * 0.06
            across = 0.5 + (next(draw) - 0.5) * 0.3
            place = (across, along, size) if upright else (along, across, size)
            things.append(self._thing(name, 0.75, draw, place, 0.04))
        return things

    def _count(self, draw) -> Plan:
        """Return a plan of one to four equal things."""
        vocabulary = self.vocabulary
        name = vocabulary.pick(next(draw))
        count = 1 + int(next(draw) * 4)
        corners = [(0.28, 0.28), (0.72, 0.28), (0.28, 0.72), (0.72, 0.72)]
        start = int(next(draw) * 4)
        order = [corners[(start + step) % 4] for step in (0, 3, 1, 2)]
        size = 0.3 + 0.13 * next(draw)
        first = self._thing(name, 0.5, draw, (*order[0], size), 0.04)

        things = [first]
        for x, y in order[1:count]:
            shift = (next(draw) - 0.5) * 0.08
            things.append(replace(first, x=x + shift, y=y + shift, size=size))

        word = vocabulary.say(name, next(draw))
        if first.colour >= 0:
            word = f"{COLOURS[first.colour]} {names.without_colour(word)}"
        wrong = self._other(count - 1, 4, draw) + 1
        background = self._background({first.colour}, draw)
        return Plan(things, background, counted(word, count), counted(word, wrong), name, "count")
