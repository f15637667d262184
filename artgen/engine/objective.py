"""The objective: the distance of each candidate from its prompts, and its gradient."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.config import CutoutOptions
from artgen.devices import send
from artgen.guides.base import Guide, Variation
from artgen.guides.cutouts import draw_homographies, sample_views, varied
from artgen.guides.goals import Goal
from artgen.losses.base import Loss, LossContext
from artgen.types import Image, PerCandidate, Region, Size


def spherical_distance(cosine: Tensor) -> Tensor:
    """Return half the squared angle between unit vectors, given their cosine; in [0, pi^2 / 2].

    The square of `2 * asin(|x - y| / 2)`, halved (Crowson et al. 2022, VQGAN-CLIP).
    """
    chord = (2 - 2 * cosine).clamp(min=1e-12).sqrt() / 2
    return 2 * chord.clamp(max=1 - 1e-6).asin().square()


def cosine_distance(cosine: Tensor) -> Tensor:
    """Return `1 - cosine`, in [0, 2]."""
    return 1 - cosine


Figures = Iterator[tuple[Tensor, float, str]]
"""Losses [P] with their weights and names."""
DISTANCES = {"spherical": spherical_distance, "cosine": cosine_distance}


@dataclass(frozen=True)
class Judgement:
    """The losses of P candidates at one step.

    Args:
        losses: [P] weighted sums.
        terms: unweighted losses by name, [P] each.
        gradient: [P, 3, H, W] gradient of the sum of the losses with respect to the picture.
    """

    losses: PerCandidate
    terms: Mapping[str, PerCandidate]
    gradient: Image

    def with_term(self, name: str, figure: PerCandidate) -> Judgement:
        """Return the judgement with one more loss, of weight 1; the gradient stays."""
        return Judgement(self.losses + figure, {**self.terms, name: figure}, self.gradient)


@dataclass(frozen=True)
class Judge:
    """A guide with the weight of its vote and its goals."""

    guide: Guide
    weight: float
    goals: Sequence[Goal]


class Objective:
    """The weighted sum of prompts and losses, with its gradient with respect to the picture.

    The cutouts of all regions go through each guide in one batch, or in several smaller ones when memory
    is short: the gradients are summed, so the result is the same.

    Args:
        judges: guides with their goals.
        regions: the rectangles that cutouts are taken from.
        cutouts: how cutouts are drawn.
        distance: "spherical" or "cosine".
        contrast: share of the softmax against distractors in the loss of a goal, in [0, 1].
        losses: regularisers by name, with their weights.
        context: what the losses may look at.
        wrap: whether cutouts may cross the edges of the picture.
    """

    def __init__(
        self,
        judges: Sequence[Judge],
        regions: Sequence[Region],
        cutouts: CutoutOptions,
        distance: str,
        contrast: float,
        losses: Mapping[str, tuple[Loss, float]],
        context: LossContext,
        wrap: bool = False,
    ) -> None:
        self._judges = judges
        self._regions = regions
        self.cutouts = varied(cutouts, Variation())
        self._distance = DISTANCES[distance]
        self._contrast = contrast
        self._losses = losses
        self.context = context
        self._wrap = wrap

    def with_context(self, context: LossContext) -> Objective:
        """Return the same objective with other things for the losses to look at."""
        other = copy.copy(self)
        other.context = context
        return other

    @property
    def views(self) -> int:
        """Number of cutouts of each candidate."""
        return len(self._regions) * self.cutouts.count

    def __call__(
        self, image: Image, generators: Sequence[torch.Generator], views_per_pass: int | None = None
    ) -> Judgement:
        """Judge the pictures.

        Args:
            image: [P, 3, H, W] in [0, 1]; its graph is not used.
            generators: one per candidate, for cutouts and noise.
            views_per_pass: cutouts of each candidate that go through a guide at once; all if None.
        """
        leaf = image.detach().requires_grad_()
        terms: dict[str, Tensor] = {}
        total = image.new_zeros(len(image))  # [P]

        for figure, weight, name in self._figures(leaf, generators, views_per_pass or self.views):
            if figure.requires_grad:
                (weight * figure).sum().backward()
            terms[name] = terms.get(name, 0) + figure.detach()
            total = total + weight * figure.detach()

        gradient = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
        return Judgement(total, terms, gradient)

    def _figures(self, leaf: Image, generators: Sequence[torch.Generator], views_per_pass: int) -> Figures:
        """Yield (loss [P], weight, name); parts of one loss may come separately."""
        if any(judge.goals for judge in self._judges):
            yield from self._prompt_figures(leaf, generators, views_per_pass)
        for name, (loss, weight) in self._losses.items():
            yield loss(leaf, self.context), weight, name

    def _prompt_figures(
        self, leaf: Image, generators: Sequence[torch.Generator], views_per_pass: int
    ) -> Figures:
        canvas = Size(*leaf.shape[-2:])
        homographies = draw_homographies(
            self.cutouts, self._regions, canvas, generators, self._wrap
        )  # [P, V, 3, 3]

        for judge in self._judges:
            noise = self._noise(judge.guide.image_size, homographies.shape[1], generators)
            for start in range(0, homographies.shape[1], views_per_pass):
                part = slice(start, start + views_per_pass)
                views = sample_views(
                    leaf, homographies[:, part], judge.guide.image_size, self._wrap
                )  # [P, v, 3, S, S]
                if noise is not None:
                    views = views + send(noise[:, part], views.device)

                embedded = judge.guide.encode_image(views.flatten(0, 1)).unflatten(
                    0, views.shape[:2]
                )  # [P, v, D]
                figure = self._goals_figure(judge, embedded, start)
                yield figure, judge.weight, f"prompt {judge.guide.name}"

    def _noise(self, side: Size, views: int, generators: Sequence[torch.Generator]) -> Tensor | None:
        """Return the noise added to cutouts, [P, V, 3, S, S] on the CPU, None without."""
        if not self.cutouts.noise:
            return None
        drawn = [torch.randn(views, 3, *side, generator=generator) for generator in generators]
        return torch.stack(drawn) * self.cutouts.noise

    def _goals_figure(
        self, judge: Judge, embedded: Float[Tensor, "population views features"], start: int
    ) -> Tensor:
        """Return [P], the weighted sum over the goals, of the cutouts from number `start` on."""
        count = self.cutouts.count
        region = torch.arange(start, start + embedded.shape[1], device=embedded.device) // count  # [v]

        figure = embedded.new_zeros(len(embedded))  # [P]
        for goal in judge.goals:
            share = (region == goal.region).to(embedded.dtype) / count  # [v]
            loss = self._goal_loss(judge.guide, goal, embedded)  # [P, v]
            figure = figure + goal.weight * (loss * share).sum(dim=1)
        return figure

    def _goal_loss(self, guide: Guide, goal: Goal, embedded: Tensor) -> Float[Tensor, "population views"]:
        cosine = (embedded @ goal.embedding.T).squeeze(-1)  # [P, v]
        distance = self._distance(cosine)
        if goal.distractors is None or not self._contrast:
            return distance

        others = embedded @ goal.distractors.T  # [P, v, K]
        logits = guide.logit_scale * torch.cat([cosine[..., None], others], dim=-1)  # [P, v, 1 + K]
        surprise = (logits.logsumexp(dim=-1) - logits[..., 0]) / math.log(logits.shape[-1])
        return (1 - self._contrast) * distance + self._contrast * surprise
