"""`artgen runs`: lists the runs in a folder."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size

from artgen.cli.app import app
from artgen.cli.messages import print_json, print_line, reported, say
from artgen.cli.shared import nonempty_path
from artgen.errors import InputError, UsageError, did_you_mean
from artgen.printable import printable

if TYPE_CHECKING:
    from artgen.library import RunCard, State

WIDTH = 80
"""Width of the table in columns where there is no terminal, and the least width in one."""
SPACE = "  "
FIXED = (10, 12, 6)
"""Widths of the columns for date, state and loss."""
LEAST_PROMPT = 12
"""Least width of the column for prompts. With less space, there is none: folders are named after prompts."""
END = 12
"""Characters at the end of a long name that are shown: the seed, and a number after it."""
HOURS = {"h": 1, "d": 24, "w": 7 * 24}


@app.command(rich_help_panel="Look")
def runs(
    folder: Annotated[
        Path | None,
        typer.Argument(
            parser=nonempty_path, help="Folder of runs, or of a batch; default: $ARTGEN_RUNS, or runs."
        ),
    ] = None,
    search: Annotated[
        str, typer.Option(metavar="WORDS", help="Only with all these words in the prompts or the name.")
    ] = "",
    renderer: Annotated[
        str | None, typer.Option("--renderer", "-r", metavar="NAME", help="Only of this renderer.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="running, done, stopped, interrupted or damaged."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE|7d", help="Only begun since this date, or in the last 7 days.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the newest.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each run on stdout, nothing else.")
    ] = False,
) -> None:
    """List the runs in a folder, the newest first: artgen runs --search "blue rabbit" --since 7d."""
    with reported(as_json):
        from artgen import library

        earliest = None if since is None else _since(since)
        wanted_state = None if state is None else _state(state)
        root = folder if folder is not None else library.runs_root()
        if folder is not None or root.exists():
            _require_folder(root)

        found = library.runs(root)
        chosen = library.select(
            found, search=search, renderer=renderer, state=wanted_state, since=earliest, limit=limit
        )
        if as_json:
            for card in chosen:
                print_json(_values(card))
        elif chosen:
            for line in _table(chosen, root, _width()):
                print_line(line)
        else:
            say(_nothing(found, root))


def _since(text: str) -> datetime:
    """Read a date such as `2026-11-25`, or a time span up to now such as `7d`.

    Raises:
        UsageError: it is something else.
    """
    span = re.fullmatch(r"(\d{1,4})([hdw])", text.strip(), re.ASCII)
    try:
        if span is not None:
            return datetime.now().astimezone() - timedelta(hours=int(span[1]) * HOURS[span[2]])
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"--since {text[:40]!r} is not a date; write a date such as 2026-11-25, or 7d for the last 7 days"
        ) from None


def _state(text: str) -> State:
    """Return a state by its name.

    Raises:
        UsageError: there is no such state.
    """
    from artgen.library import STATES

    for state in STATES:
        if text == state:
            return state
    cure = did_you_mean(text, STATES) or f"; choose one of {', '.join(STATES)}"
    raise UsageError(f"--state {text[:40]!r} is not a state of a run{cure}")


def _require_folder(root: Path) -> None:
    """Refuse a path that is not a folder that can be read.

    Raises:
        InputError: it is missing, or a file.
        OSError: it cannot be read.
    """
    if not root.exists():
        raise InputError(f"{root}: there is no such folder; give the folder that contains the runs")
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; give the folder that contains the runs")
    next(root.iterdir(), None)


def _nothing(found: Sequence[RunCard], root: Path) -> str:
    """Return a line for an empty list."""
    if found:
        kinds = sorted({card.renderer for card in found if card.renderer is not None})
        return f"none of the {len(found)} runs in {root} match; their renderers: {', '.join(kinds)}"
    return f'there are no runs in {root}; paint one: artgen "a blue rabbit"'


def _values(card: RunCard) -> dict[str, Any]:
    """Return a run as JSON data; further keys may be added, these stay."""
    return {
        "folder": card.folder,
        "prompt": card.prompt,
        "prompts": card.prompts,
        "seed": card.seed,
        "renderer": card.renderer,
        "state": card.state,
        "reason": card.reason,
        "damage": card.damage,
        "losses": card.losses,
        "step": card.step,
        "steps": card.steps,
        "picture": card.picture,
        "film": card.film,
        "begun": None if card.begun is None else card.begun.isoformat(),
        "ended": None if card.ended is None else card.ended.isoformat(),
        "identity": card.identity,
        "parents": card.parents,
        "children": card.children,
    }


# --- the table ---------------------------------------------------------------------------


def _width() -> int:
    """Return the number of columns for the table."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(WIDTH, shutil.get_terminal_size().columns)


def _table(cards: Sequence[RunCard], root: Path, width: int) -> Iterator[str]:
    """Yield the heading of the table, and a line for each run.

    Args:
        cards: the runs.
        root: the folder that was listed.
        width: of the table in columns.
    """
    free = width - sum(FIXED) - len(FIXED) * len(SPACE)
    names = [_name(card, root) for card in cards]
    title = f"run in {printable(str(root))}"
    name_width = min(free, max(map(cell_len, [*names, title])))
    prompt_width = free - name_width - len(SPACE)
    widths = [*FIXED, name_width]

    if prompt_width < LEAST_PROMPT:
        prompt_width = 0
        widths[-1] = free
    else:
        widths.append(prompt_width)

    yield _line(["begun", "state", "loss", title, "prompt"], widths)
    for card, name in zip(cards, names, strict=True):
        short = _cut(name, widths[3], end=name[-END:])
        yield _line([_date(card), _state_text(card), _loss(card), short, _about(card)], widths)


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    """Return texts in columns; those without a column are left out."""
    columns = [set_cell_size(_cut(text, width), width) for text, width in zip(texts, widths, strict=False)]
    return SPACE.join(columns).rstrip()


def _cut(text: str, width: int, end: str = "") -> str:
    """Return text that fits a width in columns; a longer one is cut, and ends with `…` and `end`."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1 - cell_len(end)).rstrip() + "…" + end


def _name(card: RunCard, root: Path) -> str:
    """Return the path of a run's folder, from the folder that was listed."""
    path = card.folder.relative_to(root)
    return printable(str(path) if path.parts else card.folder.name or ".")


def _date(card: RunCard) -> str:
    """Return the day on which a run began, in the time zone of this machine."""
    time = card.begun or card.ended
    if time is None:
        return "-"
    try:
        return f"{time.astimezone():%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):  # at the ends of the calendar
        return "-"


def _state_text(card: RunCard) -> str:
    """Return the state of a run, with the part that is done if it is running."""
    if card.state != "running" or card.step is None or not card.steps:
        return card.state
    return f"running {min(99, 100 * card.step // card.steps)}%"


def _loss(card: RunCard) -> str:
    return "-" if card.loss is None else f"{card.loss:.4f}"


def _about(card: RunCard) -> str:
    """Return the prompt of a run, or what is wrong with it."""
    return printable(card.damage or card.prompt)
