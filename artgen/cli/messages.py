"""Messages in the terminal: errors, answers, JSON."""

from __future__ import annotations

import contextlib
import difflib
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from artgen.errors import ArtgenError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""

NEAR = 0.65
"""Least similarity, from 0 to 1, at which another option is suggested for an unknown one."""

error_console = Console(stderr=True, highlight=False)

# Some versions of typer bring their own click, so these classes are found through typer.
ClickUsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""click's error for a command line that cannot be parsed."""
ClickException: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of click's errors."""


def print_json(value: Any) -> None:
    """Write one JSON object to stdout, and nothing else."""
    typer.echo(json.dumps(_plain(value), ensure_ascii=False))


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
        error_console.print(f"error: {line}", style="red", markup=False, soft_wrap=True)


def one_line(text: str) -> str:
    r"""Return text without line breaks and other control characters, which may come from a file.

    Example:
        >>> one_line("no such\nfile \x1b[31m")
        'no such file [31m'
    """
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


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
        error_console.print("interrupted", style="yellow")
        raise typer.Exit(INTERRUPTED) from None


def print_answer(value: Any, lines: Iterable[str], as_json: bool) -> None:
    """Write an answer to stdout: one JSON object, or lines for people."""
    if as_json:
        print_json(value)
        return
    for line in lines:
        typer.echo(line)
