"""`artgen paint` with `--seeds` or `--prompts`: many runs from one command."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from artgen.cli.messages import INTERRUPTED, print_json, print_line, report_error
from artgen.cli.parsing import configuration_values, parse_paint_arguments
from artgen.cli.progress import watched

if TYPE_CHECKING:
    from artgen.batch.local import BatchResult
    from artgen.engine.events import EventStream

BATCH_OPTIONS = {
    "--seeds": 1,
    "--prompts": 1,
    "--out": 1,
    "-o": 1,
    "--force": 0,
    "--json": 0,
    "--quiet": 0,
    "-q": 0,
}
"""Options of the whole batch, with the number of their values."""


def paint_many(arguments: Sequence[str], params: Mapping[str, Any]) -> None:
    """Run every line and seed, tell how it went, and exit with 1 if any failed.

    Args:
        arguments: all that was written after `paint`.
        params: the same, parsed.
    """
    from artgen.batch.jobs import make_jobs, parse_seeds, read_lines
    from artgen.batch.local import running_jobs
    from artgen.errors import UsageError

    if params["seeds"] is not None and params["seed"] is not None:
        raise UsageError("--seed and --seeds contradict each other; give one of them")
    common = without_batch_options(arguments)
    seeds = parse_seeds(params["seeds"]) if params["seeds"] is not None else []
    out = Path(params["out"]) if params["out"] is not None else None

    def parse(words: Sequence[str]) -> dict[str, Any]:
        """Return a configuration's values from a line's words, after those of the command line."""
        return configuration_values(*parse_paint_arguments([*common, *words]))

    if params["prompt_file"] is not None:
        jobs = make_jobs(read_lines(Path(params["prompt_file"])), seeds, parse)
    else:
        text = " | ".join(params["prompts"] or ["target"])
        jobs = [dataclasses.replace(job, text=text) for job in make_jobs([""], seeds, parse)]
    work = functools.partial(running_jobs, jobs, out, force=params["force"])
    _show(work, params["as_json"], params["quiet"])


def resume_many(folder: Path, open_files: bool, as_json: bool, quiet: bool) -> None:
    """Go on with a batch, tell how it went, and exit with 1 if any run failed.

    Args:
        folder: the batch's.
        open_files: open local files even if they are not those it began with.
        as_json: tell it as one JSON object.
        quiet: tell nothing.
    """
    from artgen.batch.local import resuming_jobs

    _show(functools.partial(resuming_jobs, folder, open_files=open_files), as_json, quiet)


def _show(start: Callable[[], EventStream[BatchResult]], as_json: bool, quiet: bool) -> None:
    """Run a batch with a progress bar, and tell how it went."""
    _report(watched(start, quiet or as_json), as_json, quiet)


def without_batch_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that hold for every run.

    Example:
        >>> without_batch_options(["a fox", "--seeds", "1-3", "--steps=5", "--json"])
        ['a fox', '--steps=5']
    """
    kept: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            return [*kept, word, *words]
        name, equals, _ = word.partition("=")
        if name not in BATCH_OPTIONS:
            kept.append(word)
        elif BATCH_OPTIONS[name] and not equals:
            words = words[1:]
    return kept


def _report(result: BatchResult, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json({**dataclasses.asdict(result), "failed": result.failed})
    elif not quiet:
        for cell in result.cells:
            outcome = cell.error or f"{cell.status}  seed {cell.seed}  loss {cell.loss}"
            print_line(f"{cell.number:4d}  {cell.text[:60]:60}  {outcome}")
        print_line(
            f"{len(result.cells) - result.failed} of {len(result.cells)} done: {result.sheet or result.folder}"
        )
    elif result.failed:
        first = next(cell for cell in result.cells if cell.status == "failed")
        report_error(
            f"{result.failed} of {len(result.cells)} runs failed, the first of them number {first.number}: "
            f"{first.error} ({result.folder}/batch.json tells of all)"
        )
    if result.stopped:
        raise typer.Exit(INTERRUPTED)
    if result.failed:
        raise typer.Exit(1)
