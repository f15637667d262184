"""What the library says about a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

PICTURE = "image.png"
FILMS = ("timelapse.mp4", "timelapse.gif")

State = Literal["running", "done", "stopped", "interrupted", "damaged"]
"""State of a run.

running: a process is writing it. done: it came to its end. stopped: it was stopped, or it failed, and wrote its
report. interrupted: it was killed before it could write its report. damaged: its files cannot be read.
"""
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What the files of a run say about it; this part of a card is kept in the index.

    Args:
        prompts: all prompts, those of regions and tiles included.
        seed: repeats the run.
        renderer: what the picture is made of.
        reason: why the run ended ("done", "plateau", "stopped", "failed"), None if it has not written that.
        losses: smoothed losses of the candidates, the best first; None for one that is not finite.
        step: number of steps done, None if unknown.
        steps: number of steps in total, None for a run that is limited by time.
        begun: when the run began, with a time zone.
        ended: when it wrote its report, with a time zone.
        identity: digest of its configuration; see `artgen.library.lineage`.
        ancestors: identities of the runs that it was edited from, the nearest first.
        damage: what is wrong with a damaged run.
    """

    prompts: tuple[str, ...] = ()
    seed: int | None = None
    renderer: str | None = None
    reason: str | None = None
    losses: tuple[float | None, ...] = ()
    step: int | None = None
    steps: int | None = None
    begun: datetime | None = None
    ended: datetime | None = None
    identity: str | None = None
    ancestors: tuple[str, ...] = ()
    damage: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunCard(RunFacts):
    """A run as the library lists it.

    Args:
        folder: the run's.
        state: whether it is running, and how it ended.
        files: names of the picture and the films that are in the folder.
        parents: folders of the listed runs that it was edited from, at most one at present.
        children: folders of the listed runs that were edited from it.
    """

    folder: Path
    state: State
    files: tuple[str, ...] = ()
    parents: tuple[Path, ...] = ()
    children: tuple[Path, ...] = ()

    @property
    def prompt(self) -> str:
        """The first prompt, `target` without prompts; empty for a damaged run."""
        if self.prompts:
            return self.prompts[0]
        return "" if self.state == "damaged" else "target"

    @property
    def picture(self) -> Path | None:
        """The best candidate's picture, None without one."""
        return self.folder / PICTURE if PICTURE in self.files else None

    @property
    def film(self) -> Path | None:
        """The time-lapse film, None without one."""
        for name in FILMS:
            if name in self.files:
                return self.folder / name
        return None

    @property
    def loss(self) -> float | None:
        """The best candidate's smoothed loss."""
        return self.losses[0] if self.losses else None
