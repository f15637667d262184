"""Progress of a run in a terminal, and how Ctrl-C stops it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from artgen.cli.messages import error_console, one_line, say

if TYPE_CHECKING:
    from artgen.engine.events import Event, EventStream, Stepped

Result = TypeVar("Result")


REFRESH = 0.1
"""Seconds between two looks at the losses: a GPU has to be waited for at each."""


def watched(start: Callable[[], EventStream[Result]], quiet: bool) -> Result:
    """Return the result of a run, shown as a progress bar; Ctrl-C stops it.

    Args:
        start: starts the run; torch is imported here, while the bar shows that something happens.
        quiet: show nothing.
    """
    with Interruption() as interruption, ProgressBar(quiet) as progress:
        run = start()
        for event in run:
            progress.show(event)
            interruption.is_running = progress.started
            if interruption.requested():
                run.stop()
        return run.result


class Interruption:
    """Turns the first Ctrl-C during a run into a request to stop; the second quits at once.

    Example:
        >>> with Interruption() as interruption:
        ...     interruption.requested()
        False
    """

    def __init__(self) -> None:
        self._wish = False
        self.is_running = False
        self._previous: Any = None

    def requested(self) -> bool:
        """Return whether Ctrl-C was pressed."""
        return self._wish

    def __enter__(self) -> Interruption:
        self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: Any) -> None:
        if self._wish or not self.is_running:
            raise KeyboardInterrupt
        self._wish = True
        say("stopping; the current picture is kept (Ctrl-C again: quit at once)", "yellow")


class ProgressBar:
    """Shows events as a progress bar on stderr: loss, seconds per step, time left.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self.started = False
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=error_console,
            disable=quiet,
        )
        self._task = self._progress.add_task("loading", total=1.0, note="")
        self._begun, self._first = 0.0, 0
        self._looked = -REFRESH

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.live.transient = not self.started
        self._progress.update(self._task, visible=self.started)
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        from artgen.engine.events import Finished, Notice, Refused, Started, Steered, Stepped

        if isinstance(event, Started):
            self.started = True
            self._begun, self._first = time.monotonic(), event.step
            self._print(f"seed {event.seed}, writing to {event.folder}")
        elif isinstance(event, Stepped):
            self._show_step(event)
        elif isinstance(event, Steered):
            self._print(f"step {event.step}: {event.turn.described()}")
        elif isinstance(event, Refused):
            self._print(f"a turn is left out: {one_line(event.reason)}", style="yellow")
        elif isinstance(event, Notice):
            self._print(one_line(event.message), style="yellow")
        elif isinstance(event, Finished):
            self._progress.update(self._task, description="done")

    def _show_step(self, event: Stepped) -> None:
        sketching = event.stage.name == "sketch"
        description = f"sketch, step {event.step}" if sketching else f"step {event.step}"
        self._progress.update(self._task, completed=event.progress, description=description)

        # Reading the losses makes a GPU wait, so they are not read at every step.
        due = event.progress >= 1 or time.monotonic() - self._looked >= REFRESH
        if due and not self._quiet:
            self._progress.update(self._task, note=self._note(event))
            self._looked = time.monotonic()
        if sketching and event.progress >= 1:
            self._begun = time.monotonic()

    def _print(self, line: str, style: str | None = None) -> None:
        if not self._quiet:
            say(line, style)

    def _note(self, event: Stepped) -> str:
        loss = f"loss {min(event.losses):.4f}"
        if event.stage.name == "sketch":
            return loss

        spent = time.monotonic() - self._begun
        pace = spent / max(1, event.step - self._first)
        if self._first or not event.progress:
            return f"{loss}  {pace:.3f} s/step"
        left = spent / event.progress * (1 - event.progress)
        return f"{loss}  {pace:.3f} s/step  {left:.0f} s left"
