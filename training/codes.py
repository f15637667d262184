"""The meaning of a scene or a caption, as numbers that the image tower and the text tower both learn.

A meaning has five parts:

* `names`: the teacher's embeddings of the things, summed;
* `colours`, `number` and `background`: one direction each;
* `bound`: the outer product of each thing's rough name and its keys, summed (Smolensky 1990). The keys are
  its colour and, of two things, whether it is on the left or right, above or below. So "a red cat and a
  blue dog" is far from "a blue cat and a red dog", although the words are the same.

The meaning of a caption is made in the same way from what it says. Since every number is known beforehand,
each tower learns by regression and does not need the other one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from artgen.guides.towers import BOUND, ROUGH, SHADES
from training import captions, common
from training.captions import Plan, Thing
from training.names import COLOURS

NAME = 128
NUMBERS = 5
"""One to four equal things, or two different ones."""
PARTS = {
    "names": NAME,
    "colours": len(COLOURS),
    "number": NUMBERS,
    "background": len(COLOURS),
    "bound": BOUND,
}
WEIGHTS = {"names": 0.54, "colours": 0.12, "number": 0.08, "background": 0.04, "bound": 0.22}
"""Fraction of the squared length that each part has in a scene with all parts."""
WIDTH = sum(PARTS.values())
KEYS = SHADES + 2
"""The numbers of a colour, and the two axes of a position."""
CODES = (
    (-93, -2, 24, -28),
    (71, 42, 42, 37),
    (13, 26, 67, -68),
    (-6, -72, 69, 6),
    (-6, -57, -22, -79),
    (74, -60, -25, 16),
    (-27, 96, 2, -1),
    (-46, -67, -45, 36),
    (60, 41, -45, -51),
    (-40, 13, 37, 83),
    (20, 31, -68, 63),
)
"""The direction of each colour, at least 76 degrees from all others: one axis each would take too much room."""


@dataclass(frozen=True)
class Seen:
    """One thing in a picture or caption.

    Args:
        name: [128], the embedding of its name or of its drawing.
        known: number of the name.
        colour: number in `COLOURS`; -1 for none.
        keys: [KEYS].
    """

    name: Tensor
    known: int
    colour: int
    keys: Tensor


class Codes:
    """Computes the meanings of plans.

    Args:
        shown: [icons, 128], the teacher's embedding of each drawing, of unit length.
        prototypes: [names, 128], the direction of each name, of unit length.
        rough: [names, ROUGH], the names in fewer numbers, of unit length.
        name_of: number of the name of each drawing in training.
    """

    def __init__(self, shown: Tensor, prototypes: Tensor, rough: Tensor, name_of: dict[int, int]):
        self.shown, self.prototypes, self.rough, self.name_of = shown, prototypes, rough, name_of
        self.colours = F.normalize(torch.tensor(CODES, dtype=torch.float32), dim=1)

    @classmethod
    def load(cls, work: common.Work) -> Codes:
        """Return the codes for the teacher's names in a work folder."""
        stored = load_file(work.folder("teacher") / "names.safetensors")
        vocabulary = captions.Vocabulary(json.loads(work.catalogue.read_text()))
        return cls(stored["shown"], stored["prototypes"], stored["rough"], vocabulary.name_of())

    def of_pictures(self, plans: list[Plan]) -> Tensor:
        """Return unit meanings [N, WIDTH] of scenes, including places and tints that the caption omits."""
        return torch.stack([self._code(plan, shown=True) for plan in plans])

    def of_captions(self, plans: list[Plan]) -> Tensor:
        """Return unit meanings [N, WIDTH] of what the captions say."""
        return torch.stack([self._code(plan, shown=False) for plan in plans])

    def of_names(self, known: Tensor) -> Tensor:
        """Return unit meanings [N, WIDTH] of one thing each, without a colour, from name weights [N, names]."""
        names = F.normalize(known @ self.prototypes, dim=1)
        number = F.one_hot(torch.zeros(len(names), dtype=torch.long), NUMBERS)
        parts = {part: names.new_zeros(len(names), length) for part, length in PARTS.items()}
        parts |= {"names": names, "number": number.float()}
        return self._joined(parts)

    def _things(self, plan: Plan, shown: bool) -> list[Seen]:
        """Return the things of a scene or, unless `shown`, of its caption."""
        pair = plan.kind == "pair"
        placed = pair and (shown or " and " not in plan.caption)
        upright = pair and abs(plan.things[0].y - plan.things[1].y) > abs(plan.things[0].x - plan.things[1].x)

        seen = []
        for thing in plan.things if pair else plan.things[:1]:
            known = self.name_of[thing.icon]
            vector = self.shown[thing.icon] if shown else self.prototypes[known]
            seen.append(Seen(vector, known, thing.colour, self._keys(thing, placed, upright)))
        return seen

    def _code(self, plan: Plan, shown: bool) -> Tensor:
        """Return the unit meaning [WIDTH] of a scene or, unless `shown`, of its caption."""
        seen = self._things(plan, shown)
        names = F.normalize(torch.stack([thing.name for thing in seen]).sum(0), dim=0)
        bound = torch.stack([thing.keys for thing in seen]).T @ self.rough[[thing.known for thing in seen]]

        colours = torch.zeros(len(COLOURS))
        for thing in seen:
            if thing.colour >= 0:
                colours[thing.colour] += 1

        number = torch.zeros(NUMBERS)
        number[NUMBERS - 1 if plan.kind == "pair" else len(plan.things) - 1] = 1

        background = torch.zeros(len(COLOURS))
        if plan.background >= 0 and (shown or "background" in plan.caption):
            background[plan.background] = 1

        parts = {
            "names": names,
            "number": number,
            "background": background,
            "colours": F.normalize(colours, dim=0),
            "bound": F.normalize(bound.flatten(), dim=0),
        }
        return self._joined({part: vector[None] for part, vector in parts.items()})[0]

    def _joined(self, parts: dict[str, Tensor]) -> Tensor:
        """Return unit meanings [N, WIDTH] of parts [N, length]."""
        scaled = [weight**0.5 * parts[part] for part, weight in WEIGHTS.items()]
        return F.normalize(torch.cat(scaled, 1), dim=1)

    def _keys(self, thing: Thing, placed: bool, upright: bool) -> Tensor:
        """Return the thing's colour and, if `placed`, 1 or -1 on the axis of the pair."""
        keys = torch.zeros(KEYS)
        if thing.colour >= 0:
            keys[:SHADES] = self.colours[thing.colour]
        if placed:
            along = thing.y if upright else thing.x
            keys[SHADES + int(upright)] = 1 if along > 0.5 else -1
        return keys


def errors(predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return the mean squared error of each part of meanings [N, WIDTH], with the part scaled to unit length."""
    lengths = list(PARTS.values())
    predictions, targets = predicted.split(lengths, 1), target.split(lengths, 1)
    found = {}
    for i, (part, square) in enumerate(WEIGHTS.items()):
        found[part] = (predictions[i] - targets[i]).square().sum(1).mean() / square
    return found


def rough(prototypes: Tensor, pictures: Tensor, names: Tensor) -> Tensor:
    """Return names in the few numbers that a small picture predicts best, [names, ROUGH], of unit length.

    Reduced-rank regression (Izenman 1975): the first principal components of what ridge regression predicts.

    Args:
        prototypes: [names, 128], of unit length.
        pictures: [N, pixels], small.
        names: [N], the number of the name that each shows.
    """
    centred = prototypes - prototypes.mean(0)
    seen = pictures - pictures.mean(0)
    spread = seen.T @ seen / len(seen)
    ridge = 0.01 * spread.diagonal().mean() * torch.eye(len(spread))
    weight = torch.linalg.solve(spread + ridge, seen.T @ centred[names] / len(seen))
    axes = torch.linalg.svd(seen @ weight, full_matrices=False).Vh[:ROUGH]
    return F.normalize(centred @ axes.T, dim=1)


def mirrors(plan: Plan) -> bool:
    """Return whether the mirrored scene has the same meaning, because it has no left and right."""
    first, last = plan.things[0], plan.things[-1]
    sideways = plan.kind == "pair" and abs(first.x - last.x) >= abs(first.y - last.y)
    return plan.may_flip and not sideways
