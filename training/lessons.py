"""What the text tower learns from: scenes with captions, and words near to names."""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from artgen.guides.towers import GLANCE
from training import captions, codes, common, easel, halves, model, names, scenes, wording

PAINTABLE = 0.65
"""Smallest cosine, by the sentence encoder, at which a word takes the look of its nearest name."""
PAIRS = (("single", 0.4), ("pair", 0.5), ("count", 0.1))
"""Shares of the extra captions: which thing has which colour is harder to learn than which things there are."""


@dataclass(frozen=True)
class Plan:
    """Length of the training, and what each step learns from.

    Args:
        steps: length of the schedule.
        batch: scenes with a picture per step.
        others: captions without a picture per step.
        near: words near to names per step.
        learning_rate: highest.
        drawings: scenes from which the axes are found.
    """

    steps: int = 4000
    batch: int = 320
    others: int = 112
    near: int = 64
    learning_rate: float = 2e-3
    drawings: int = 16384

    def rate(self, step: int) -> float:
        """Return the learning rate: 100 steps up, then down to 1%."""
        return self.learning_rate * min(1.0, (step + 1) / 100, max(0.01, 1 - step / self.steps))


class Easel:
    """The training data: scenes as small pictures with captions, and words near to names.

    Args:
        work: folder of the catalogue, the drawings and the words.
    """

    def __init__(self, work: common.Work):
        rows = json.loads(work.catalogue.read_text())
        self.planner = easel.Planner(easel.Words(rows))
        self.elsewhere = captions.Planner(captions.Vocabulary(rows), PAIRS)
        self.codes = codes.Codes.load(work)
        self.atlas = scenes.Atlas(load_file(work.icons)["icons"])
        self.near = json.loads((work.folder("data") / "near.json").read_text())

    def pictures(self, plans: list[captions.Plan], generator: torch.Generator) -> Tensor:
        """Return flattened pictures [N, 3 * 32 * 32] in -1..1, the input of `towers.Look`."""
        drawn = scenes.render(plans, self.atlas, 2 * GLANCE, generator)
        return model.normalised(F.avg_pool2d(drawn, 2).flatten(1))

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, list[captions.Plan]]:
        """Return pictures [count, 3 * 32 * 32] of scenes, and their plans."""
        plans = self.planner.plans(count, generator)
        return self.pictures(plans, generator), plans

    def words(self) -> list[str]:
        """Return every word and phrase that captions are made of."""
        spoken = [word for _, word in self.elsewhere.vocabulary.words()]
        counted = [wording.plural(word) for word in spoken]
        joints = ("above", "below", "to the left of", "to the right of", "and", "on a background", "a an")
        return [*spoken, *counted, *names.COLOURS, *wording.NUMBERS, *wording.OPENINGS, *joints]

    def lesson(self, step: int, plan: Plan) -> Lesson:
        """Return what one step learns from: scenes, captions of other scenes, and words near to names."""
        generator = common.generator("look", step)
        pictures, plans = self.draw(plan.batch, generator)
        others = self.elsewhere.plans(plan.others, generator)
        meanings = self.codes.of_captions(plans + others)
        texts = [each.caption for each in plans + others]

        picked = torch.randint(max(1, len(self.near)), (plan.near if self.near else 0,), generator=generator)
        nearby = [self.near[number] for number in picked.tolist()]
        if nearby:
            meanings = torch.cat([meanings, self._meanings_of(nearby)])
            texts += [wording.article(word["word"]) for word in nearby]

        rows, portraits = self._portraits(nearby, len(plans) + len(others), generator)
        if portraits:
            pictures = torch.cat([pictures, self.pictures(portraits, generator)])
        return Lesson(texts, meanings, pictures, torch.tensor([*range(len(plans)), *rows]))

    def _meanings_of(self, nearby: list[dict]) -> Tensor:
        """Return unit meanings [N, codes.WIDTH] of words near to names."""
        weights = torch.zeros(len(nearby), len(self.codes.prototypes))
        numbers = torch.tensor([word["names"] for word in nearby])
        chances = torch.tensor([word["chances"] for word in nearby])
        return self.codes.of_names(weights.scatter_(1, numbers, chances))

    def _portraits(
        self, nearby: list[dict], first: int, generator: torch.Generator
    ) -> tuple[list[int], list[captions.Plan]]:
        """Return the words that a drawing shows, as rows of the lesson, and the plans of those drawings.

        Args:
            nearby: words near to names.
            first: row of the first of them.
            generator: draws the plans.
        """
        shown = [(first + i, word["names"][0]) for i, word in enumerate(nearby) if painted(word)]
        plans = self.planner.portraits([name for _, name in shown], generator)
        rows, portraits = [], []

        for (row, _), plan in zip(shown, plans, strict=True):
            if plan is not None:
                rows.append(row)
                portraits.append(plan)
        return rows, portraits


@dataclass(frozen=True)
class Lesson:
    """What one step learns from.

    Args:
        texts: N captions.
        meanings: [N, codes.WIDTH], of unit length.
        pictures: [M, 3072] in -1..1.
        rows: [M], which texts the pictures belong to.
    """

    texts: list[str]
    meanings: Tensor
    pictures: Tensor
    rows: Tensor


def painted(word: dict) -> bool:
    """Return whether a word near to names takes the look of the nearest one."""
    return word["cosine"] >= PAINTABLE and word["chances"][0] >= 0.5


class Ahead:
    """Prepares the lesson of the next step on another thread while this one is learned.

    Args:
        source: where lessons come from.
        plan: the schedule.
        step: the first step.
    """

    def __init__(self, source: Easel, plan: Plan, step: int):
        self._source, self._plan, self._step = source, plan, step
        self._future = halves.POOL.submit(source.lesson, step, plan)

    def next(self) -> Lesson:
        """Return the lesson of the next step, and start on the one after it."""
        lesson = self._future.result()
        self._step += 1
        self._future = halves.POOL.submit(self._source.lesson, self._step, self._plan)
        return lesson
