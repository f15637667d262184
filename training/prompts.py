"""The hundred prompts that measure paintings. They are fixed in `prompts.json` and do not follow results.

Each block of twenty has ten things in a colour, seven things, and three prompts about several things, so
that the first twenty are a small record with the same mix.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training import captions, common, names
from training.captions import Plan
from training.names import COLOURS

LIST = Path(__file__).parent / "prompts.json"
LAYOUTS = {
    1: ((0.5, 0.5),),
    2: ((0.27, 0.5), (0.73, 0.5)),
    3: ((0.5, 0.27), (0.27, 0.72), (0.73, 0.72)),
    4: ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)),
}
"""Centres of equal things, by their number, where a person would put them."""


@dataclass(frozen=True)
class Told:
    """A thing in a prompt: a word, and a colour or none."""

    word: str
    colour: str | None = None


@dataclass(frozen=True)
class Prompt:
    """A prompt and what it asks for.

    Args:
        text: its words.
        things: one thing, or two different ones.
        number: how many, of a single thing.
        relation: where the first of two things is: "and" (anywhere), "above", "below", "left", "right".
    """

    text: str
    things: tuple[Told, ...]
    number: int = 1
    relation: str = "and"

    @property
    def kind(self) -> str:
        """Return 'several', 'coloured' or 'named'."""
        if len(self.things) > 1 or self.number > 1:
            return "several"
        return "coloured" if self.things[0].colour else "named"

    @property
    def only_colour(self) -> str | None:
        """Return the colour of the thing; None if it has none or if there are two different things."""
        return self.things[0].colour if len(self.things) == 1 else None


def listed(path: Path = LIST) -> list[Prompt]:
    """Return the prompts of a list."""
    return [_prompt(row) for row in json.loads(path.read_text())]


def _prompt(row: dict[str, Any]) -> Prompt:
    things = tuple(Told(**thing) for thing in row["things"])
    return Prompt(row["prompt"], things, row.get("number", 1), row.get("relation", "and"))


def drawings_of(word: str, rows: list[dict], style: str) -> list[int]:
    """Return the rows of the catalogue in one style that `word` names.

    Raises:
        ValueError: there are none.
    """
    found = []
    for number, row in enumerate(rows):
        forms = names.spoken(row["name"], row["group"])
        if row["style"] == style and word in dict(forms):
            found.append(number)
    if not found:
        raise ValueError(f"{style} has no drawing of {word!r}; change the prompt or the style")
    return found


def drawn_plans(asked: list[Prompt], rows: list[dict], style: str, versions: int) -> list[Plan]:
    """Return plans of real drawings on a light background.

    Args:
        asked: what they show.
        rows: the catalogue.
        style: of the drawings.
        versions: plans per prompt.

    Returns:
        The plans, all versions of a prompt after each other.
    """
    plans = []
    for prompt in asked:
        for version in range(versions):
            generator = common.generator("prompts", prompt.text, version)
            plans.append(_plan(prompt, rows, style, version, generator))
    return plans


def _plan(prompt: Prompt, rows: list[dict], style: str, version: int, generator: torch.Generator) -> Plan:
    """Return a plan of one version of a prompt."""
    draws = torch.rand(64, generator=generator, dtype=torch.float64).tolist()
    numbers, rest = [0.1, *draws[1:16]], iter(draws[16:])

    if len(prompt.things) == 2:
        places, size = [(0.27, 0.5), (0.73, 0.5)], 0.48
        if prompt.relation in ("above", "below") or (prompt.relation == "and" and version % 2):
            places = [(y, x) for x, y in places]
        if prompt.relation in ("below", "right"):
            places = places[::-1]
        wanted = list(prompt.things)
    else:
        places, size = list(LAYOUTS[prompt.number]), 0.8 if prompt.number == 1 else 0.42
        wanted = list(prompt.things) * prompt.number

    things = []
    for thing, (x, y) in zip(wanted, places, strict=True):
        icons = drawings_of(thing.word, rows, style)
        colour = COLOURS.index(thing.colour) if thing.colour else -1
        x, y = x + 0.06 * (next(rest) - 0.5), y + 0.06 * (next(rest) - 0.5)
        scale = size * (0.85 + 0.3 * next(rest))
        icon = icons[version % len(icons)]
        things.append(captions.Thing(icon, colour, x, y, scale, 0.06 * (next(rest) - 0.5), False))
    return Plan(things, -1, prompt.text, "", -1, prompt.kind, numbers=numbers)


def found(scores: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Return whether the true prompt [N] has the best score, or one of the best five, by rows of [N, T]."""
    order = scores.topk(min(5, scores.shape[1]), dim=1).indices
    hit = order == truth[:, None]
    return {"right": hit[:, 0], "top5": hit.any(1)}


def shares(asked: list[Prompt], hits: dict[str, Tensor], truth: Tensor) -> dict[str, Any]:
    """Return percentages over all prompts, and of `right` for each kind of prompt."""
    kinds = [asked[i].kind for i in truth.tolist()]
    figures: dict[str, Any] = {key: 100 * hit.float().mean().item() for key, hit in hits.items()}
    for kind in sorted(set(kinds)):
        rows = torch.tensor([each == kind for each in kinds])
        figures[kind] = 100 * hits["right"][rows].float().mean().item()
    return figures
