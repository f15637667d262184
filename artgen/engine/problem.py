"""What a run optimises, and for how long; neither changes while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from artgen.config import OptimiserOptions
from artgen.engine.objective import Objective
from artgen.renderers.background import Background
from artgen.renderers.base import Renderer
from artgen.types import Size


@dataclass(frozen=True)
class Problem:
    """What is optimised.

    Args:
        renderer: makes the pictures; its parameters are the unknowns.
        objective: judges them.
        canvas: size of the pictures that are optimised.
        background: what is behind and around the picture.
        optimiser: learning rates, schedule, clipping, patience.
        steps_per_reading: steps between two readings of figures from the device; see `artgen.engine.finite`.
        deterministic: use only operations that repeat their bits on a GPU.
    """

    renderer: Renderer
    objective: Objective
    canvas: Size
    background: Background
    optimiser: OptimiserOptions
    steps_per_reading: int = 1
    deterministic: bool = False


@dataclass(frozen=True)
class Budget:
    """How long a run takes.

    Args:
        steps: number of steps in total.
        seconds: time in total, in place of `steps`.
    """

    steps: int
    seconds: float | None = None

    def progress(self, step: int, elapsed: float) -> float:
        """Return the fraction that is used up; at least 1 when the run is over.

        Example:
            >>> Budget(200).progress(step=50, elapsed=3.0)
            0.25
        """
        if self.seconds is None:
            return step / self.steps
        return elapsed / self.seconds
