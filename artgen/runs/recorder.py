"""The one recorder of runs: metrics, film, checkpoints, pictures and the report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from artgen.config import RunConfig
from artgen.engine.events import Event, Finished, Notice, Stepped, StopRequested
from artgen.engine.loop import ending
from artgen.errors import RunError
from artgen.export.timelapse import Timelapse
from artgen.files import write_atomically
from artgen.runs.branches import keep_branch, keep_turn
from artgen.runs.checkpoint import Checkpoint
from artgen.runs.context import RunContext
from artgen.runs.folder import write_configuration
from artgen.runs.metrics import Metrics
from artgen.runs.report import REPORT, Outcome, RunResult, run_report
from artgen.runs.steering import StageSteering, optimise_steered
from artgen.runs.work import Work
from artgen.types import Image

Run = Generator[Event, None, RunResult]
"""A run that yields its events and returns what it made."""


@dataclass(frozen=True)
class Summary:
    """What the report says about the end of a run.

    Args:
        context: what the picture was made with.
        views_per_pass: cutouts of each candidate that went through a guide at once.
        losses: smoothed losses of the candidates, the best first.
        step: number of steps done.
        seconds: time spent.
        credits: name, source, licence and author of every asset in the best picture.
    """

    context: RunContext
    views_per_pass: int
    losses: Sequence[float]
    step: int
    seconds: float
    credits: Sequence[dict[str, str]]


@runtime_checkable
class Recorded(Protocol):
    """What a recorder writes down: a run in one piece, or one of many tiles."""

    @property
    def config(self) -> RunConfig:
        """The configuration that goes into the files, with the turns so far."""
        ...

    @property
    def step(self) -> int:
        """Number of steps done."""
        ...

    @property
    def used(self) -> float:
        """Fraction of the run that is done, in [0, 1]."""
        ...

    def frame(self, side: int) -> Image:
        """Return the picture of this moment, [1, 3, H, W], with a longer side of so many pixels."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether one checkpoint contains all of it, as is not the case with tiles."""
        ...

    def save(self) -> None:
        """Write a checkpoint."""
        ...

    def write_pictures(self) -> list[Path]:
        """Write the pictures of this moment, and return them, the best first."""
        ...

    def write_level(self, before: float, now: float) -> None:
        """Write the picture of a growing renderer's level that ended between these fractions of the run."""
        ...

    def conclude(self) -> Summary:
        """Do what remains to be done when the last step is made, and return what the report says."""
        ...


class Recorder:
    """Writes what a run leaves in its folder.

    Args:
        folder: the run's.
        recorded: the run.
        metrics: its losses so far.
    """

    def __init__(self, folder: Path, recorded: Recorded, metrics: Metrics) -> None:
        self._folder = folder
        self._recorded = recorded
        self._snapshots = recorded.config.snapshots
        self._metrics = metrics
        self._timelapse = Timelapse(folder, recorded.config.timelapse, recorded.step)
        self._progress = recorded.used
        self._last_checkpoint = time.monotonic()
        self._timelapse.note(recorded.step, 0.0, 0.0, recorded.frame)

    def note(self, event: Stepped) -> None:
        """Write down a step: its losses, and whatever is due."""
        self._metrics.note(event)
        self._timelapse.note(event.step, self._progress, event.progress, self._recorded.frame)
        self._recorded.write_level(self._progress, event.progress)
        self._progress = event.progress

        if time.monotonic() - self._last_checkpoint >= self._snapshots.checkpoint_seconds:
            self.checkpoint()
        every = self._snapshots.picture_steps
        if every is not None and event.step % every == 0:
            self._recorded.write_pictures()

    def checkpoint(self) -> None:
        """Write the metrics so far and a checkpoint."""
        self._metrics.flush()
        self._recorded.save()
        self._last_checkpoint = time.monotonic()

    # --- turns ---------------------------------------------------------------------

    def before_turn(self, checkpoint: Checkpoint, name: str) -> None:
        """Keep the state before a turn; see `artgen.runs.steering.Keeper`."""
        keep_turn(self._folder, checkpoint, name)

    def after_turn(self) -> None:
        """Write the state after a turn, and the configuration with it."""
        self.checkpoint()
        write_configuration(self._folder, self._recorded.config)
        self._progress = self._recorded.used

    def before_undo(self, checkpoint: Checkpoint) -> None:
        """Keep the state that an undo leaves, as a branch."""
        keep_branch(self._folder, checkpoint, whole=self._recorded.is_whole)

    def after_undo(self) -> None:
        """Drop what is recorded of later steps, and write the state."""
        self._metrics.drop_after(self._recorded.step)
        self._timelapse.drop_after(self._recorded.step)
        self.after_turn()

    # --- the end -------------------------------------------------------------------

    def finish(self, reason: Outcome, failure: RunError | None) -> tuple[RunResult, list[Notice]]:
        """Write everything that a finished run has, and return what it made and what the user should know."""
        self.checkpoint()
        summary = self._recorded.conclude()
        pictures = self._recorded.write_pictures()

        result = RunResult(
            folder=self._folder,
            picture=pictures[0],
            pictures=pictures,
            reason=reason,
            loss=summary.losses[0],
            losses=summary.losses,
            step=summary.step,
            seconds=summary.seconds,
            seed=self._recorded.config.seed,
        )
        report = run_report(
            result,
            self._recorded.config,
            summary.context,
            summary.views_per_pass,
            summary.credits,
            error=str(failure) if failure is not None else None,
        )
        write_atomically(self._folder / REPORT, report.encode())
        return result, self._finish_film(summary.step)

    def _finish_film(self, step: int) -> list[Notice]:
        """Write the film. If that fails, the picture is there all the same."""
        try:
            self._timelapse.add(step, self._recorded.frame)
            self._timelapse.finish()
        except RunError as error:
            return [Notice(str(error))]
        return []


def announce(*events: Event) -> Generator[Event, None, bool]:
    """Yield the first events of a run, and return whether a stop was requested meanwhile."""
    try:
        yield from events
    except StopRequested:
        return True
    return False


def conclude(recorder: Recorder, folder: Path, reason: Outcome, failure: RunError | None) -> Run:
    """Write everything that a finished run has, yield the last events, and return what it made.

    Raises:
        RunError: what failed.
    """
    result, notices = recorder.finish(reason, failure)
    if failure is not None:
        raise failure

    with contextlib.suppress(StopRequested):  # there is nothing left to stop
        yield from notices
        yield Finished(folder, reason)
    return result


def optimise_recorded(
    work: Work,
    recorder: Recorder,
    steering: StageSteering,
    placed: Callable[[Stepped], Stepped] = lambda event: event,
) -> Generator[Event, None, tuple[Outcome, RunError | None]]:
    """Optimise to the end, or until a stop is requested, recording every step.

    Args:
        work: the run; changed in place.
        recorder: writes the files.
        steering: the run's turns.
        placed: gives the event of a step its place in the whole run.

    Returns:
        Why it ended ("stopped" also if the last step was done), and what failed, if anything did.
    """
    try:
        try:
            for event in optimise_steered(work, steering, recorder):
                if isinstance(event, Stepped):
                    event = placed(event)
                    begun = time.monotonic()
                    recorder.note(event)
                    work.state.elapsed += time.monotonic() - begun
                yield event
        except StopRequested:
            work.state.finite.read(work.context.problem, work.state)
            return "stopped", None
    except RunError as error:
        return "failed", error
    return ending(work.context.problem, work.state, work.context.budget) or "done", None
