"""Where a run stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from artgen.engine.evolution import Evolution
from artgen.engine.randomness import Streams
from artgen.renderers.base import Feedback


def settled_already() -> None:
    """Settle what is settled."""


@dataclass
class LoopState:
    """Where a run stands; all of it goes into a checkpoint.

    Args:
        optimiser: Adam over the renderer's parameters.
        streams: random numbers.
        evolution: who replaces whom.
        step: number of steps done.
        elapsed: seconds spent so far.
        smoothed: [P] losses averaged over the last steps, None before the first.
        lowest: lowest smoothed loss seen.
        waiting: steps since then.
        feedback: what the last step showed.
        settle: brings `lowest` and `waiting` up to date while a loop runs on a GPU; raises
            `RunError` if the last steps were not finite. Call it before the state is kept.
    """

    optimiser: torch.optim.Adam
    streams: Streams
    evolution: Evolution
    step: int = 0
    elapsed: float = 0.0
    smoothed: Tensor | None = None
    lowest: float = float("inf")
    waiting: int = 0
    feedback: Feedback | None = field(default=None, repr=False)
    settle: Callable[[], None] = field(default=settled_already, repr=False, compare=False)
