"""Progress of a run in a terminal, and how Ctrl-C stops it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from artgen.cli.messages import error_console, one_line

Result = TypeVar("Result")


REFRESH = 0.1
"""Seconds between two looks at the losses: a GPU has to be waited for at each."""


def watched(work: Callable[..., Result], quiet: bool) -> Result:
    """Return what some work returns, with a progress bar, and Ctrl-C as a wish to stop.

    Args:
        work: takes `listen` and `should_stop`.
        quiet: show nothing.
    """
    with Interruption() as interruption, ProgressBar(interruption, quiet) as progress:
        return work(listen=progress, should_stop=interruption.requested)


class Interruption:
    """Turns the first Ctrl-C during a run into a request to stop; the second quits at once.

    Example:
        >>> with Interruption() as interruption:
        ...     interruption.requested()
        False
    """

    def __init__(self) -> None:
        self._wish = False
        self.loop_is_running = False
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
        if self._wish or not self.loop_is_running:
            raise KeyboardInterrupt
        self._wish = True
        error_console.print(
            "stopping; the current picture is kept (Ctrl-C again: quit at once)", style="yellow"
        )


class ProgressBar:
    """Shows events as a progress bar on stderr: loss, seconds per step, time left.

    Args:
        interruption: told when the loop runs.
        quiet: show nothing.
    """

    def __init__(self, interruption: Interruption, quiet: bool) -> None:
        self._interruption = interruption
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
        self._progress.live.transient = not self._interruption.loop_is_running
        self._progress.update(self._task, visible=self._interruption.loop_is_running)
        self._progress.stop()

    def __call__(self, event: Any) -> None:
        """Show one event."""
        from artgen.engine.events import Finished, Notice, Started, Stepped

        if isinstance(event, Started):
            self._interruption.loop_is_running = True
            self._begun, self._first = time.monotonic(), event.step
            self._print(f"seed {event.seed}, writing to {event.folder}")
        elif isinstance(event, Stepped):
            self._progress.update(self._task, completed=event.progress, description=f"step {event.step}")
            if not self._quiet and (event.progress >= 1 or time.monotonic() - self._looked >= REFRESH):
                self._progress.update(self._task, note=self._note(event))
                self._looked = time.monotonic()
        elif isinstance(event, Notice):
            self._print(one_line(event.message), style="yellow")
        elif isinstance(event, Finished):
            self._progress.update(self._task, description="done")

    def _print(self, line: str, style: str | None = None) -> None:
        if not self._quiet:
            self._progress.console.print(line, style=style, markup=False, soft_wrap=True)

    def _note(self, event: Any) -> str:
        spent, done = time.monotonic() - self._begun, event.step - self._first
        pace = spent / done
        left = spent / event.progress * (1 - event.progress) if event.progress and not self._first else None
        remaining = f"  {left:.0f} s left" if left is not None else ""
        return f"loss {min(event.losses):.4f}  {pace:.3f} s/step{remaining}"
