"""`artgen edit`: keep some elements of a picture, delete others, and go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artgen.cli_paint import Force, Json, Out, Quiet, _report
from artgen.console import Interruption, ProgressBar, reported


def edit(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or a picture in it.")],
    lock: Annotated[
        str, typer.Option(metavar="3,7", help="Elements that stay as they are, numbered as in image.svg.")
    ] = "",
    delete: Annotated[str, typer.Option(metavar="12", help="Elements to remove.")] = "",
    steps: Annotated[int, typer.Option("--continue", min=0, help="Optimisation steps afterwards.")] = 0,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on from a picture with some strokes locked or deleted: artgen edit RUN --lock 3,7 --continue 100."""
    with reported(as_json):
        kept, gone = _numbers(lock, "--lock"), _numbers(delete, "--delete")
        with Interruption() as interruption, ProgressBar(interruption, quiet or as_json) as progress:
            from artgen.edit import edit as change

            result = change(
                run,
                lock=kept,
                delete=gone,
                steps=steps,
                out=out,
                force=force,
                listen=progress,
                should_stop=interruption.requested,
            )
        _report(result, as_json, quiet)


def _numbers(text: str, option: str) -> list[int]:
    """Read `3,7` or `3-7`."""
    from artgen.errors import UsageError

    numbers: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > 12:
            raise UsageError(f"{option} {text[:40]!r} is no list of numbers; write 3,7 or 3-7")
        numbers += range(int(first), min(int(last or first), int(first) + 100_000) + 1)
    return numbers


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel="Paint")(edit)
