"""Everything that artgen writes to a terminal: lines, errors, JSON, the log.

Text leaves through `print_line`, `print_json`, `say` and the formatter of the log only. They escape control
characters, which may come from a file of a stranger.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import logging
import math
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from artgen.errors import ArtgenError
from artgen.printable import printable, printable_json, printable_lines

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""

NEAR = 0.65
"""Least similarity, from 0 to 1, at which another option is suggested for an unknown one."""

error_console = Console(stderr=True, highlight=False, emoji=False)

# Some versions of typer bring their own click, so these classes are found through typer.
ClickUsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""click's error for a command line that cannot be parsed."""
ClickException: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of click's errors."""


def print_json(value: Any) -> None:
    """Write one JSON object to stdout, and nothing else."""
    typer.echo(printable_json(json.dumps(_plain(value), ensure_ascii=False)))


def print_line(text: str) -> None:
    """Write one line to stdout; text of several lines is joined with escapes."""
    typer.echo(printable(text))


def print_text(text: str) -> None:
    """Write text of several lines to stdout."""
    typer.echo(printable_lines(text))


def say(line: str, style: str | None = None) -> None:
    """Write one line to stderr."""
    error_console.print(printable(line), style=style, markup=False, soft_wrap=True)


class PrintableFormatter(logging.Formatter):
    """Formats log messages, which may contain names from a file, for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, with its traceback if there is one."""
        return printable_lines(super().format(record))


def set_up_log() -> None:
    """Send log messages and warnings to stderr through the formatter, unless the caller has set up a log."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.setFormatter(PrintableFormatter())
        root.addHandler(handler)
        logging.captureWarnings(True)  # Python prints warnings as they are


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
        with contextlib.suppress(OSError):  # stdout may be what is wrong
            print_json({"error": line})
    if line:
        say(f"error: {line}", "red")


def report_fault(error: Exception) -> None:
    """Write the traceback of an error that artgen did not expect on stderr."""
    lines = "".join(traceback.format_exception(error))
    error_console.print(printable_lines(lines), markup=False, soft_wrap=True, end="")
    report_error(f"a fault of artgen ({type(error).__name__}); please report it with the lines above")


def one_line(text: str) -> str:
    r"""Return text on one line, with escapes for other control characters.

    Example:
        >>> one_line("no such\nfile \x1b[31m")
        'no such file \\x1b[31m'
    """
    return printable(" ".join(text.split()))


def usage_message(error: Exception) -> str:
    """Return what is wrong with the command line, and which help shows more."""
    context = getattr(error, "ctx", None)
    message = _option_message(error, context) or str(getattr(error, "format_message", lambda: error)())
    if not message.strip() or context is None or "artgen " in message:
        return message
    return f"{message.rstrip('.')} ({context.command_path} --help)"


def unknown_option(error: Exception) -> str | None:
    """Return the option that click does not know, None if an error is about something else."""
    name, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if name is None or context is None or _parameter(name, context) is not None:
        return None
    return str(name)


def _option_message(error: Exception, context: Any) -> str | None:
    """Return a message for an unknown option, or for one with a value too many or too few."""
    name = getattr(error, "option_name", None)
    if name is None or context is None:
        return None

    parameter = _parameter(name, context)
    if parameter is None:
        return f"no option {name}{_suggestion(name, context)}"
    if parameter.is_flag:
        return f"{name} takes no value; write {name} alone"
    example = f"{name}=VALUE" if name.startswith("--") else f"{name} VALUE"
    return f"{name} needs a value; write {example}"


def _parameter(name: str, context: Any) -> Any:
    """Return the parameter of a command that has an option, None if there is none."""
    for parameter in context.command.get_params(context):
        if name in (*parameter.opts, *parameter.secondary_opts):
            return parameter
    return None


def _suggestion(name: str, context: Any) -> str:
    """Return the nearest option of a command, empty if none is near."""
    options: dict[str, str] = {}
    for parameter in context.command.get_params(context):
        options |= {each.removeprefix("--"): each for each in parameter.opts if each.startswith("--")}

    nearest = difflib.get_close_matches(name.lstrip("-"), list(options), n=1, cutoff=NEAR)
    return f"; did you mean '{options[nearest[0]]}'?" if nearest else ""


@contextlib.contextmanager
def reported(as_json: bool = False) -> Iterator[None]:
    """Turn errors into one line on stderr (or one JSON object) and an exit status."""
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
            f"{where}{error.strerror or error}; check the path, the permissions and the free space", as_json
        )
        raise typer.Exit(1) from None
    except MemoryError:
        report_error("out of memory; use a smaller --canvas, --size or --population", as_json)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say("interrupted", "yellow")
        raise typer.Exit(INTERRUPTED) from None


def print_answer(value: Any, lines: Iterable[str], as_json: bool) -> None:
    """Write an answer to stdout: one JSON object, or lines for people."""
    if as_json:
        print_json(value)
        return
    for line in lines:
        print_line(line)
