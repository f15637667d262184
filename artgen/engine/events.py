"""What the engine tells its users while it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


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


@dataclass(frozen=True)
class Stepped:
    """One step is done.

    Args:
        step: number of steps done.
        progress: part of the run that is done, in [0, 1].
        losses: each candidate's weighted loss.
        terms: unweighted figures by name, one per candidate.
    """

    step: int
    progress: float
    losses: tuple[float, ...]
    terms: Mapping[str, tuple[float, ...]]


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
