"""The state of a run between two steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from artgen.config import EvolutionOptions
from artgen.engine.evolution import Evolution
from artgen.engine.finite import FiniteCheck
from artgen.engine.optimiser import make_optimiser
from artgen.engine.problem import Problem
from artgen.engine.randomness import Streams
from artgen.renderers.base import Feedback


@dataclass
class LoopState:
    """Everything that steps change, besides the renderer's parameters; all of it goes into a checkpoint.

    Args:
        optimiser: Adam over the renderer's parameters.
        streams: random number generators.
        evolution: replaces candidates.
        views_per_pass: cutouts of each candidate that go through a guide at once; halved when memory runs out.
        step: number of steps done.
        elapsed: seconds spent so far; pauses do not count.
        turns: number of the run's turns that are made.
        smoothed: [P] losses averaged over the last steps, None before the first.
        lowest: lowest smoothed loss so far.
        waiting: steps since then.
        feedback: the picture and the gradient of the last step.
        finite: finds values that are not finite.
    """

    optimiser: torch.optim.Adam
    streams: Streams
    evolution: Evolution
    views_per_pass: int
    step: int = 0
    elapsed: float = 0.0
    turns: int = 0
    smoothed: Tensor | None = None
    lowest: float = float("inf")
    waiting: int = 0
    feedback: Feedback | None = field(default=None, repr=False)
    finite: FiniteCheck = field(default_factory=FiniteCheck, repr=False, compare=False)

    def best_first(self) -> list[int]:
        """Return the indices of the candidates by smoothed loss, the best first; [0] before the first step."""
        if self.smoothed is None:
            return [0]
        return [int(index) for index in self.smoothed.argsort(stable=True)]


def initial_state(problem: Problem, evolution: EvolutionOptions, streams: Streams) -> LoopState:
    """Return the state before the first step; the renderer has its first candidates already.

    Raises:
        UsageError: the optimiser's options name a parameter group that the renderer does not have.
    """
    optimiser = make_optimiser(problem.renderer, problem.optimiser)
    return LoopState(optimiser, streams, Evolution(evolution), problem.objective.views)
