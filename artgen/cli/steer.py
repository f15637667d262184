"""`artgen steer`: change a run at one of its steps, and continue from there."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artgen.cli.app import app
from artgen.cli.edit import element_numbers
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
from artgen.cli.values import parse_weights

if TYPE_CHECKING:
    from artgen.config import Turn

_branching = import_later("artgen.runs.branch:branching")


Text = str | None
Texts = list[str] | None
Number = int | None


def _elements(help_text: str) -> Any:
    """Return an option for the ids of elements."""
    return typer.Option(metavar="3,7", help=help_text)


@app.command(rich_help_panel="Paint")
def steer(
    run: Annotated[Path, typer.Argument(parser=nonempty_path, help="Folder of a run, or a picture in it.")],
    prompts: Annotated[
        Texts, typer.Argument(metavar="[PROMPT]...", help="All prompts from that step on.")
    ] = None,
    at: Annotated[Number, typer.Option(min=0, help="Step of the change; default: the last one.")] = None,
    steps: Annotated[Number, typer.Option("--continue", min=1, help="Steps from there.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start the learning rates again.")] = False,
    lock: Annotated[str, _elements("Elements to keep as they are.")] = "",
    unlock: Annotated[str, _elements("Elements that may change again.")] = "",
    delete: Annotated[str, _elements("Elements to remove.")] = "",
    duplicate: Annotated[str, _elements("Elements to copy.")] = "",
    front: Annotated[str, _elements("Elements to move above all others.")] = "",
    back: Annotated[str, _elements("Elements to move below all others.")] = "",
    recolour: Annotated[Texts, typer.Option(metavar="3=red", help="Give elements a colour.")] = None,
    add: Annotated[Texts, typer.Option(metavar="8@0,0,0.5,1", help="Add elements in x0,y0,x1,y1.")] = None,
    loss: Annotated[Texts, typer.Option(metavar="NAME=WEIGHT", help="Weight of a loss.")] = None,
    rate: Annotated[float | None, typer.Option(help="Factor of all learning rates.")] = None,
    palette: Annotated[Text, typer.Option(help="Palette from that step on.")] = None,
    candidate: Annotated[Number, typer.Option(min=0, help="Change this candidate only, from 0.")] = None,
    keep: Annotated[Number, typer.Option(min=0, help="Keep this candidate, drop the others.")] = None,
    tile: Annotated[Number, typer.Option(min=0, help="Number of the tile, from 0.")] = None,
    steering: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=nonempty_path, help="YAML file with turns.")
    ] = None,
    out: Out = None,
    runs: Runs = None,
    force: Force = False,
    yes: Yes = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Change a run at a step, and continue in a new folder: artgen steer RUN --at 80 "a blue fish" --delete 3,7."""
    with reported(as_json), new_runs_in(runs, out):
        elements = {"lock": lock, "unlock": unlock, "delete": delete, "duplicate": duplicate}
        elements |= {"front": front, "back": back}
        values: dict[str, Any] = {"prompts": prompts or None, "rate": rate, "palette": palette}
        values |= {"keep": keep, "candidate": candidate, "restart": restart}
        values |= {name: element_numbers(text, f"--{name}") for name, text in elements.items()}
        values["losses"] = parse_weights(loss, "--loss") if loss else {}
        values["recolour"] = _colours(recolour or [])
        values["add"] = [_addition(text) for text in add or []]

        turns = _turns(values, at, steps, steering, run, tile)
        work = functools.partial(
            _branching, run, turns, at=at, tile=tile, out=out, force=force, open_files=yes
        )
        run_and_report(work, as_json, quiet)


def _turns(
    values: dict[str, Any],
    at: int | None,
    steps: int | None,
    steering: Path | None,
    run: Path,
    tile: int | None,
) -> list[Turn]:
    """Return the turn that the options describe, and those of a file."""
    from artgen.config.steering import make_turn, read_steering

    if steps is not None:
        values["steps"] = _steps_done(run, tile, at) + steps
    given = {name: value for name, value in values.items() if _is_given(value)}

    turns = []
    if set(given) - {"candidate"}:
        turns.append(make_turn(given))
    if steering is not None:
        turns += [make_turn(turn) for turn in read_steering(steering)]
    return turns


def _is_given(value: Any) -> bool:
    """Return whether an option was given; 0 is a value, such as the first candidate."""
    return value is not None and value is not False and value not in ([], {})


def _steps_done(run: Path, tile: int | None, at: int | None) -> int:
    """Return the step of the branch: `at`, or where the run ended."""
    if at is not None:
        return at
    from artgen.runs.branch import last_step

    return last_step(run, tile)


def _colours(texts: list[str]) -> dict[int, str]:
    """Read `3=red` and `3,7=#ff8800`.

    Raises:
        UsageError: a text is not of this form.
    """
    from artgen.errors import UsageError

    colours: dict[int, str] = {}
    for text in texts:
        numbers, equals, colour = text.partition("=")
        if not equals or not colour.strip():
            raise UsageError(f"--recolour {text[:40]!r} has no colour; write 3=red, or 3,7=#ff8800")
        for number in element_numbers(numbers, "--recolour"):
            colours[number] = colour.strip()
    return colours


def _addition(text: str) -> dict[str, Any]:
    """Read `8`, or `8@0,0,0.5,1`.

    Raises:
        UsageError: the text is not of this form.
    """
    from artgen.errors import UsageError

    count, at, region = text.partition("@")
    try:
        values: dict[str, Any] = {"count": int(count)}
        if at:
            values["region"] = [float(part) for part in region.strip("[] ").split(",")]
    except ValueError:
        raise UsageError(
            f"--add {text[:40]!r} is not a number with a region; write 8, or 8@0,0,0.5,1"
        ) from None
    return values
