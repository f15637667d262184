"""What the engine tells its users while it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Started:
    """The run begins, or goes on.

    Args:
        folder: where its files go.
        seed: what it can be run again with.
        step: number of steps already done.
        steps: number of steps in all.
    """

    folder: Path
    seed: int
    step: int
    steps: int


class Figures:
    """A step's losses, read when they are first asked for: a GPU then has to be waited for.

    Args:
        losses: [P] each candidate's weighted loss.
        terms: unweighted figures by name, [P] each.
    """

    def __init__(self, losses: Tensor, terms: Mapping[str, Tensor]) -> None:
        self._losses = losses
        self._terms = terms

    @cached_property
    def losses(self) -> tuple[float, ...]:
        """Each candidate's weighted loss."""
        return tuple(self._losses.tolist())

    @cached_property
    def terms(self) -> Mapping[str, tuple[float, ...]]:
        """Unweighted figures by name, one per candidate."""
        return {name: tuple(figure.tolist()) for name, figure in self._terms.items()}


@dataclass(frozen=True)
class Stepped:
    """One step is done.

    Args:
        step: number of steps done.
        progress: part of the run that is done, in [0, 1].
        figures: the step's losses; ask for them as seldom as you can.
    """

    step: int
    progress: float
    figures: Figures = field(repr=False)

    @property
    def losses(self) -> tuple[float, ...]:
        """Each candidate's weighted loss."""
        return self.figures.losses

    @property
    def terms(self) -> Mapping[str, tuple[float, ...]]:
        """Unweighted figures by name, one per candidate."""
        return self.figures.terms


@dataclass(frozen=True)
class Notice:
    """Something the user should know (memory ran short, text was cut)."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The run has ended and its pictures are written.

    Args:
        folder: where they are.
        reason: "done", "plateau", "stopped" or "failed".
    """

    folder: Path
    reason: str


Event = Started | Stepped | Notice | Finished
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
