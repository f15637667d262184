"""`artgen edit`: lock some elements of a picture, delete others, and continue."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.app import app
from artgen.cli.messages import reported
from artgen.cli.shared import (
    Force,
    Json,
    Out,
    Quiet,
    Runs,
    Yes,
    import_later,
    new_runs_in,
    nonempty_path,
    run_and_report,
)

LONGEST_RANGE = 100_000
"""Most numbers that a range such as `3-7` may cover."""
MOST_NUMBERS = 200_000
"""Most numbers in all ranges."""


_editing = import_later("artgen.runs.edit:editing")


@app.command(rich_help_panel="Paint")
def edit(
    run: Annotated[Path, typer.Argument(parser=nonempty_path, help="Folder of a run, or a picture in it.")],
    lock: Annotated[
        str,
        typer.Option(
            metavar="3,7",
            help="Elements to keep: as in image.svg (path-3, layer-3); cells row by row from 0.",
        ),
    ] = "",
    delete: Annotated[str, typer.Option(metavar="12", help="Elements to remove.")] = "",
    steps: Annotated[int, typer.Option("--continue", min=0, help="Optimisation steps afterwards.")] = 0,
    out: Out = None,
    runs: Runs = None,
    force: Force = False,
    yes: Yes = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Lock or delete elements of a picture, and continue: artgen edit RUN --lock 3,7 --continue 100."""
    with reported(as_json), new_runs_in(runs, out):
        work = functools.partial(
            _editing,
            run,
            lock=element_numbers(lock, "--lock"),
            delete=element_numbers(delete, "--delete"),
            steps=steps,
            out=out,
            force=force,
            open_files=yes,
        )
        run_and_report(work, as_json, quiet)


def element_numbers(text: str, option: str) -> list[int]:
    """Read the numbers of elements.

    Args:
        text: such as `3,7` or `3-7`.
        option: named in the error message.

    Raises:
        UsageError: the text is not a list of numbers.
    """
    from artgen.errors import UsageError

    numbers: list[int] = []
    for part in map(str.strip, text.split(",")):
        if not part:
            continue

        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > 12:
            raise UsageError(f"{option} {text[:40]!r} is not a list of numbers; write 3,7 or 3-7")

        end = min(int(last or first), int(first) + LONGEST_RANGE)
        numbers += range(int(first), end + 1)
        if len(numbers) > MOST_NUMBERS:
            raise UsageError(f"{option} names more than {MOST_NUMBERS:,} elements; name each once")
    return numbers
