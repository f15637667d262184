"""A run at work: what it works with, and its state."""

from __future__ import annotations

from dataclasses import dataclass

from artgen.engine.state import LoopState
from artgen.runs.context import RunContext


@dataclass
class Work:
    """A run at work. Turns replace both parts.

    Args:
        context: what it works with, as the turns so far have changed it.
        state: the state of its loop.
    """

    context: RunContext
    state: LoopState

    @property
    def used(self) -> float:
        """Fraction of the budget that is used up, in [0, 1]."""
        return min(self.context.budget.used(self.state.step, self.state.elapsed), 1.0)
