"""Options that several commands share, and how a run is shown."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artgen.cli.messages import INTERRUPTED, print_json, print_line
from artgen.cli.progress import watched
from artgen.errors import UsageError

if TYPE_CHECKING:
    from artgen.engine.events import EventStream
    from artgen.runs.report import RunResult


def nonempty_path(text: str) -> Path:
    """Read a path from the command line; an empty one, from an unset shell variable, is not `.`.

    Raises:
        BadParameter: it is empty.
    """
    if not text.strip():
        raise typer.BadParameter("the path is empty; name a file or a folder ('.' for this one)")
    return Path(text)


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        parser=nonempty_path,
        help="Folder of the run; default <date>-… in --runs",
    ),
]
Runs = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        metavar="FOLDER",
        parser=nonempty_path,
        help="Folder for new runs; default $ARTGEN_RUNS, or runs.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the contents of --out.")]


Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Open the local files it names, even if they have changed since."),
]


@contextlib.contextmanager
def new_runs_in(runs: Path | None, out: Path | None) -> Iterator[None]:
    """Put the folders of runs that start within this block into the folder that `--runs` names.

    Args:
        runs: value of `--runs`, None if it was not given.
        out: value of `--out`, None if it was not given.

    Raises:
        UsageError: both were given.
    """
    if runs is not None and out is not None:
        raise UsageError("--runs and --out contradict each other; give one of them")
    from artgen.library.root import runs_in

    with runs_in(runs):
        yield


def import_later(function: str) -> Callable[..., EventStream[Any]]:
    """Return a function that imports another one when it is called.

    Importing torch takes seconds. It happens while the progress bar shows that something happens.

    Args:
        function: to import, as `module:name`.
    """
    module, _, name = function.partition(":")

    def call(*arguments: Any, **options: Any) -> EventStream[Any]:
        """Import the function and call it."""
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    return call


def run_and_report(start: Callable[[], EventStream[RunResult]], as_json: bool, quiet: bool) -> None:
    """Run with a progress bar, print the result, and exit with 130 if it was stopped.

    Args:
        start: starts the run.
        as_json: print it as one JSON object.
        quiet: print nothing.
    """
    result = watched(start, quiet or as_json)
    if as_json:
        print_json(dataclasses.asdict(result))
    elif not quiet:
        print_line(f"{result.picture}  (seed {result.seed}, loss {result.loss:.4f}, {result.seconds:.1f} s)")
    if result.reason == "stopped":
        raise typer.Exit(INTERRUPTED)
