"""What a scene or a caption means, in numbers that image tower and text tower both learn.

The meaning of a scene has four parts side by side. *Names*: the teacher's embedding of what is shown, summed over
the things. *Colours* and *number*: one direction each. *Bound*: for every thing, its name times the sign vectors of
its colour and of its place, summed (multiply, then add: Gayler 2003, "Vector symbolic architectures"), so that
"a red cat and a blue dog" and "a blue cat and a red dog" are far apart although their words are the same.
A caption's meaning is made in the same way from what it tells. As every number of it is known beforehand, each
tower learns by regression, and neither needs the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from training import captions, common
from training.captions import Plan, Thing
from training.names import COLOURS

NAME, BOUND = 128, 64
NUMBERS = 5
"""One to four equal things, or two different ones."""
PARTS = {"names": NAME, "colours": len(COLOURS), "number": NUMBERS, "bound": BOUND}
WEIGHTS = {"names": 0.6, "colours": 0.12, "number": 0.08, "bound": 0.2}
"""Parts of the squared length when all parts are there."""
WIDTH = sum(PARTS.values())
PLACES = ("left", "right", "above", "below")


@dataclass(frozen=True)
class Seen:
    """One thing as it is shown or told: a vector of its name, a colour (-1: none told), a place (-1: alone)."""

    name: Tensor
    known: int
    colour: int
    place: int


class Codes:
    """Makes meanings of plans.

    Args:
        shown: unit [icons, 128], the teacher's embedding of every drawing.
        prototypes: unit [names, 128], the direction of every name.
        name_of: the name's number of every drawing in training.
    """

    def __init__(self, shown: Tensor, prototypes: Tensor, name_of: dict[int, int]):
        self.shown, self.prototypes, self.name_of = shown, prototypes, name_of
        generator = common.generator("codes")
        draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
        self.turned = F.normalize(prototypes @ torch.linalg.qr(draw(NAME, NAME)).Q[:, :BOUND], dim=1)
        self.colour_keys = draw(len(COLOURS), BOUND).sign()
        self.place_keys = draw(len(PLACES), BOUND).sign()
        self.grounds = F.normalize(draw(len(COLOURS), BOUND), dim=1)
        self.scales = [weight**0.5 for weight in WEIGHTS.values()]

    @classmethod
    def load(cls, work: common.Work) -> Codes:
        """Return the codes of the teacher's names."""
        stored = load_file(work.folder("teacher") / "names.safetensors")
        vocabulary = captions.Vocabulary(json.loads(work.catalogue.read_text()))
        name_of = {icon: i for i, icons in enumerate(vocabulary.icons) for icon in icons}
        return cls(stored["shown"], stored["prototypes"], name_of)

    def of_pictures(self, plans: list[Plan]) -> Tensor:
        """Return unit meanings [N, WIDTH] of what the scenes show: places and tints whether told or not."""
        return torch.stack([self._code(plan, shown=True) for plan in plans])

    def of_captions(self, plans: list[Plan]) -> Tensor:
        """Return unit meanings [N, WIDTH] of what the captions tell."""
        return torch.stack([self._code(plan, shown=False) for plan in plans])

    def of_names(self, known: Tensor) -> Tensor:
        """Return unit meanings [N, WIDTH] of one thing each, without a colour, from weights of names [N, names]."""
        names = F.normalize(known @ self.prototypes, dim=1)
        number = F.one_hot(torch.zeros(len(names), dtype=torch.long), NUMBERS)
        blank = [names.new_zeros(len(names), PARTS[part]) for part in ("colours", "bound")]
        return self._joined([names, blank[0], number.float(), blank[1]])

    def _things(self, plan: Plan, shown: bool) -> list[Seen]:
        pair = plan.kind == "pair"
        placed = pair and (shown or " and " not in plan.caption)
        upright = pair and abs(plan.things[0].y - plan.things[1].y) > abs(plan.things[0].x - plan.things[1].x)
        seen = []
        for thing in plan.things if pair else plan.things[:1]:
            known = self.name_of[thing.icon]
            vector = self.shown[thing.icon] if shown else self.prototypes[known]
            seen.append(Seen(vector, known, thing.colour, _place(thing, upright) if placed else -1))
        return seen

    def _code(self, plan: Plan, shown: bool) -> Tensor:
        seen = self._things(plan, shown)
        names = F.normalize(torch.stack([thing.name for thing in seen]).sum(0), dim=0)
        colours, bound = torch.zeros(len(COLOURS)), torch.zeros(BOUND)
        for thing in seen:
            if thing.colour >= 0:
                colours[thing.colour] += 1
                bound += self.turned[thing.known] * self.colour_keys[thing.colour]
            if thing.place >= 0:
                bound += self.turned[thing.known] * self.place_keys[thing.place]
        if plan.ground >= 0 and (shown or "background" in plan.caption):
            bound += self.grounds[plan.ground]
        number = torch.zeros(NUMBERS)
        number[NUMBERS - 1 if plan.kind == "pair" else len(plan.things) - 1] = 1
        parts = [names, F.normalize(colours, dim=0), number, F.normalize(bound, dim=0)]
        return self._joined([part[None] for part in parts])[0]

    def _joined(self, parts: list[Tensor]) -> Tensor:
        scaled = [scale * part for scale, part in zip(self.scales, parts, strict=True)]
        return F.normalize(torch.cat(scaled, 1), dim=1)


def _place(thing: Thing, upright: bool) -> int:
    along = thing.y if upright else thing.x
    return (2 if upright else 0) + int(along > 0.5)


def mirrors(plan: Plan) -> bool:
    """Tell whether the mirrored scene means the same: it has no left and right."""
    first, last = plan.things[0], plan.things[-1]
    sideways = plan.kind == "pair" and abs(first.x - last.x) >= abs(first.y - last.y)
    return plan.may_flip and not sideways
