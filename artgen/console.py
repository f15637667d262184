"""What a run looks like in a terminal: progress, errors, interruption, JSON.

All that artgen writes to a terminal leaves through `print_line`, `print_json`, `_say` and the
log's formatter. They escape control characters, which may come from a stranger's file.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from artgen.errors import ArtgenError
from artgen.printable import printable, printable_json, printable_lines

Result = TypeVar("Result")

REFRESH = 0.1
"""Seconds between two looks at the losses: a GPU has to be waited for at each."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

error_console = Console(stderr=True, highlight=False, emoji=False)

WrittenWrong: type[Exception] = typer.BadParameter.__mro__[2]
"""click's ClickException; some versions of typer bring their own click."""
CommandLineError: type[Exception] = typer.BadParameter.__mro__[1]
"""click's UsageError."""


def print_json(value: Any) -> None:
    """Write one JSON object to stdout, and nothing else."""
    typer.echo(printable_json(json.dumps(_plain(value), ensure_ascii=False)))


def print_line(text: str) -> None:
    """Write one line to stdout; text of several lines is joined with escapes."""
    typer.echo(printable(text))


def print_text(text: str) -> None:
    """Write text of several lines to stdout."""
    typer.echo(printable_lines(text))


class PrintableFormatter(logging.Formatter):
    """Formats log messages, which may contain names from a file, for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, with its traceback if there is one."""
        return printable_lines(super().format(record))


def set_up_log() -> None:
    """Send log messages to stderr through the formatter, unless the caller has set up a log."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.setFormatter(PrintableFormatter())
        root.addHandler(handler)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def report_error(message: str, as_json: bool = False) -> None:
    """Write one line on stderr, and one JSON object on stdout if wanted."""
    line = one_line(message)
    if as_json:
        print_json({"error": line})
    if line:
        _say(f"error: {line}", "red")


def _say(line: str, style: str | None = None) -> None:
    """Write one line to stderr."""
    error_console.print(printable(line), style=style, markup=False, soft_wrap=True)


def one_line(text: str) -> str:
    r"""Return text on one line, with escapes for other control characters.

    Example:
        >>> one_line("no such\nfile \x1b[31m")
        'no such file \\x1b[31m'
    """
    return printable(" ".join(text.split()))


def written_wrong(error: Exception) -> str:
    """Return what is wrong with the command line, with how to learn more."""
    message = str(getattr(error, "format_message", lambda: error)())
    context = getattr(error, "ctx", None)
    if not message.strip() or context is None or "artgen " in message:
        return message
    return f"{message.rstrip('.')} ({context.command_path} --help)"


@contextlib.contextmanager
def reported(as_json: bool = False) -> Iterator[None]:
    """Turn errors into one line on stderr (or one JSON object) and the right exit status."""
    try:
        yield
    except ArtgenError as error:
        report_error(str(error), as_json)
        raise typer.Exit(error.exit_code) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{str(error.filename)[:200]}: " if error.filename else ""
        report_error(
            f"{where}{error.strerror or error}; check the path, the rights and the free space", as_json
        )
        raise typer.Exit(1) from None
    except MemoryError:
        report_error("out of memory; use a smaller --canvas, --size or --population", as_json)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say("interrupted", "yellow")
        raise typer.Exit(INTERRUPTED) from None


def print_answer(value: Any, lines: Iterable[str], as_json: bool) -> None:
    """Write what was asked for: one JSON object, or lines for a person."""
    if as_json:
        print_json(value)
        return
    for line in lines:
        print_line(line)


def watched(work: Callable[..., Result], quiet: bool) -> Result:
    """Return what some work returns, with a progress bar, and Ctrl-C as a wish to stop.

    Args:
        work: takes `listen` and `should_stop`.
        quiet: show nothing.
    """
    with Interruption() as interruption, ProgressBar(interruption, quiet) as progress:
        return work(listen=progress, should_stop=interruption.requested)


class Interruption:
    """Turns the first Ctrl-C of a running loop into a wish to stop; the second ends at once.

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
        _say("stopping; the picture of this moment is kept (again: at once)", "yellow")


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
            self._print(one_line(event.message), "yellow")
        elif isinstance(event, Finished):
            self._progress.update(self._task, description="done")

    def _print(self, line: str, style: str | None = None) -> None:
        if not self._quiet:
            _say(line, style)

    def _note(self, event: Any) -> str:
        spent, done = time.monotonic() - self._begun, event.step - self._first
        pace = spent / done
        left = spent / event.progress * (1 - event.progress) if event.progress and not self._first else None
        remaining = f"  {left:.0f} s left" if left is not None else ""
        return f"loss {min(event.losses):.4f}  {pace:.3f} s/step{remaining}"
