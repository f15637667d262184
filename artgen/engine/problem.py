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
        size: size of the exported picture, which gives the shape of pictures drawn in between; the canvas if None.
        deterministic: use only operations that repeat their bits on a GPU.
    """

    renderer: Renderer
    objective: Objective
    canvas: Size
    background: Background
    optimiser: OptimiserOptions
    steps_per_reading: int = 1
    size: Size | None = None
    deterministic: bool = False

    @property
    def shape(self) -> Size:
        """Size whose aspect ratio the pictures of the run have."""
        return self.size or self.canvas


@dataclass(frozen=True)
class Budget:
    """How long a run takes, and how far its schedules are.

    Learning rates, growth and evolution follow `progress`. It is the used fraction of the budget, unless a turn
    changed the budget during the run: then it continues from the value it had at that step.

    Args:
        steps: number of steps in total.
        seconds: time in total, in place of `steps`.
        since: number of steps that were done when the budget was changed.
        reached: progress at that moment, in [0, 1].
    """

    steps: int
    seconds: float | None = None
    since: int = 0
    reached: float = 0.0

    def used(self, step: int, elapsed: float) -> float:
        """Return the fraction that is used up; at least 1 when the run is over.

        Example:
            >>> Budget(200).used(step=50, elapsed=3.0)
            0.25
        """
        if self.seconds is None:
            return step / self.steps
        return elapsed / self.seconds

    def progress(self, step: int, elapsed: float) -> float:
        """Return the progress of the schedules, in [0, 1] before the run is over.

        Example:
            >>> Budget(300, since=200, reached=0.5).progress(step=250, elapsed=3.0)
            0.75
        """
        if self.seconds is not None or not self.since:
            return self.used(step, elapsed)
        if step >= self.steps:
            return 1.0
        return self.reached + (1 - self.reached) * (step - self.since) / (self.steps - self.since)

    def changed(self, step: int, elapsed: float, steps: int, *, restart: bool) -> Budget:
        """Return the budget of a run that from this step on has another number of steps in total.

        The schedules continue from where they are, so that the learning rates used so far stay right.

        Args:
            step: number of steps done.
            elapsed: seconds spent.
            steps: the new total; at least `step`.
            restart: the schedules start again from 0, as in a new run (Loshchilov & Hutter 2017, "SGDR").
        """
        reached = 0.0 if restart else min(self.progress(step, elapsed), 1.0)
        return Budget(steps, None, step, reached)
