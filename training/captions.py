"""Plans of scenes with their captions: what is where, in which colour, and how to say it.

A plan holds up to four objects; `scenes.render` draws it. Every plan has a true caption and a false
one that differs in one thing only (colours swapped, relation turned, another number or name).
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass, field

import torch

from training import names
from training.names import COLOURS

NUMBERS = ("zero", "one", "two", "three", "four")
OPENINGS = ("a drawing of ", "a picture of ", "a painting of ", "an icon of ", "an image of ")
DRAWS = 64
CALM = 0.1
"""Value of a plan's first number that makes `scenes.backgrounds` draw a plain background, white unless told."""


@dataclass
class Thing:
    """One object: an icon's row, a colour (-1: its own), centre and size in canvas widths, angle in turns."""

    icon: int
    colour: int
    x: float
    y: float
    size: float
    angle: float
    flip: bool


@dataclass
class Plan:
    """One scene to draw, its captions, and whether it may be mirrored."""

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
    """Names with their icons, chances and spoken forms, for one set of styles."""

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
        numbers = {}
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
        """Return a name's index for a uniform number in [0, 1)."""
        return min(bisect.bisect(self.cumulative, u * self.cumulative[-1]), len(self.names) - 1)

    def say(self, name: int, u: float) -> str:
        """Return a spoken form of a name."""
        for word, chance in self.spoken[name]:
            u -= chance
            if u < 0:
                return word
        return self.spoken[name][0][0]


def article(words: str) -> str:
    """Put 'a' or 'an' before words."""
    return ("an " if words[0] in "aeiou" and not words.startswith(("uni", "eu")) else "a ") + words


def plural(words: str) -> str:
    """Return the plural of the last word."""
    if words.endswith(("s", "x", "ch", "sh")):
        return words + "es"
    if words.endswith("y") and words[-2:-1] not in "aeiou":
        return words[:-1] + "ies"
    return words + "s"


def phrase(word: str, colour: int) -> str:
    """Return 'a blue rabbit' or 'a rabbit'; a colour in the name gives way to the tint."""
    if colour < 0:
        return article(word)
    return article(f"{COLOURS[colour]} {names.without_colour(word)}")


class Planner:
    """Turns rows of uniform numbers into plans."""

    SHARES: tuple[tuple[str, float], ...] = (("single", 0.68), ("pair", 0.2), ("count", 0.12))

    BACKGROUNDS = 0.3
    """Part of the scenes on a background of a named colour."""
    TINTED, TINTED_PORTRAITS = 0.6, 0.6
    """Part of single things in a told colour; the same of those that stand as a portrait."""

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
        """Return a palette colour for the background not among `colours`, or -1 for any background."""
        u, v = next(draw), next(draw)
        if u > self.BACKGROUNDS:
            return -1
        free = [i for i in range(len(COLOURS)) if i not in colours]
        return free[int(v * len(free))]

    def _single(self, draw, tinted: float = TINTED) -> Plan:
        vocabulary = self.vocabulary
        name = vocabulary.pick(next(draw))
        size = 0.45 + 0.6 * next(draw) ** 0.7
        room = max(0.06, 0.55 - size / 2)
        place = (0.5 + (next(draw) - 0.5) * room, 0.5 + (next(draw) - 0.5) * room, size)
        turn = 0.06 if next(draw) < 0.8 else 0.15
        thing = self._thing(name, tinted, draw, place, turn)
        word = vocabulary.say(name, next(draw))
        background = self._background({thing.colour}, draw)
        told_background = background >= 0 and next(draw) < 0.6
        ending = f" on {article(COLOURS[background])} background" if told_background else ""
        other_word = vocabulary.say(self._other(name, len(vocabulary.names), draw), next(draw))
        other_colour = self._other(thing.colour, len(COLOURS), draw) if thing.colour >= 0 else -1
        u = next(draw)
        if thing.colour >= 0 and told_background and u < 0.5:
            false = f"{phrase(word, background)} on {article(COLOURS[thing.colour])} background"
        elif told_background and u < 0.8:
            other_background = COLOURS[self._other(background, len(COLOURS), draw)]
            false = f"{phrase(word, thing.colour)} on {article(other_background)} background"
        elif thing.colour >= 0 and u < 0.75:
            false = phrase(word, other_colour) + ending
        else:
            false = phrase(other_word, thing.colour) + ending
        true = phrase(word, thing.colour) + ending
        u = next(draw)
        opening = OPENINGS[int(u * 5 * len(OPENINGS))] if u < 0.2 else ""
        return Plan([thing], background, opening + true, opening + false, name, "single")

    def _portrait(self, draw) -> Plan:
        """One thing upright in the middle on a calm background: how a painter would begin to show it."""
        plan = self._single(draw, self.TINTED_PORTRAITS)
        thing = plan.things[0]
        thing.x, thing.y = (0.5 + (next(draw) - 0.5) * 0.06 for _ in range(2))
        thing.size, thing.angle, thing.flip = 0.72 + 0.2 * next(draw), 0.0, False
        plan.calm, plan.may_flip = True, False
        return plan

    def _pair(self, draw) -> Plan:
        vocabulary = self.vocabulary
        picked = [vocabulary.pick(next(draw)), vocabulary.pick(next(draw))]
        upright = next(draw) < 0.5
        sizes = [0.38 + 0.16 * next(draw) for _ in range(2)]
        things = []
        for i, (name, size) in enumerate(zip(picked, sizes, strict=True)):
            along = (0.27 if i == 0 else 0.73) + (next(draw) - 0.5) * 0.06
            across = 0.5 + (next(draw) - 0.5) * 0.3
            place = (across, along, size) if upright else (along, across, size)
            things.append(self._thing(name, 0.75, draw, place, 0.04))
        words = [vocabulary.say(name, next(draw)) for name in picked]
        if next(draw) < 0.5:  # tell it from the second thing's side
            things, words, picked, turned = things[::-1], words[::-1], picked[::-1], True
        else:
            turned = False
        relations = ("above", "below") if upright else ("to the left of", "to the right of")
        true_relation, false_relation = relations[::-1] if turned else relations
        told = next(draw) < 0.6
        joint = true_relation if told else "and"
        a, b = (phrase(word, thing.colour) for word, thing in zip(words, things, strict=True))
        swapped_a, swapped_b = phrase(words[0], things[1].colour), phrase(words[1], things[0].colour)
        u = next(draw)
        if told and u < 0.5:
            false = f"{a} {false_relation} {b}"
        elif things[0].colour != things[1].colour and u < 0.9:
            false = f"{swapped_a} {joint} {swapped_b}"
        else:
            other = vocabulary.say(self._other(picked[1], len(vocabulary.names), draw), 0.0)
            false = f"{a} {joint} {phrase(other, things[1].colour)}"
        colours = {things[0].colour, things[1].colour}
        background = self._background(colours, draw)
        return Plan(
            things, background, f"{a} {joint} {b}", false, picked[0], "pair", may_flip=upright or not told
        )

    def _count(self, draw) -> Plan:
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
            things.append(
                Thing(first.icon, first.colour, x + shift, y + shift, size, first.angle, first.flip)
            )
        word = vocabulary.say(name, next(draw))
        bare = names.without_colour(word) if first.colour >= 0 else word
        told = f"{COLOURS[first.colour]} {bare}" if first.colour >= 0 else bare
        wrong = self._other(count - 1, 4, draw) + 1
        say = lambda n: f"one {told}" if n == 1 else f"{NUMBERS[n]} {plural(told)}"  # noqa: E731
        background = self._background({first.colour}, draw)
        return Plan(things, background, say(count), say(wrong), name, "count")
