"""`artgen paint` with `--seeds` or `--prompts`: many runs from one command."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from artgen.cli.messages import INTERRUPTED, print_json, print_line, report_error
from artgen.cli.parsing import parse_line
from artgen.cli.progress import watched
from artgen.cli.request import PaintRequest

if TYPE_CHECKING:
    from artgen.batch.jobs import Job
    from artgen.batch.local import BatchResult
    from artgen.engine.events import EventStream


def paint_many(request: PaintRequest) -> None:
    """Run every line and seed, report the results, and exit with 1 if any run failed.

    Args:
        request: the command line; each line of its file of prompts overrides it.

    Raises:
        UsageError: `--seed` and `--seeds` are both given, or the seeds or the file are invalid.
    """
    from artgen.batch.local import running_jobs
    from artgen.errors import UsageError

    if request.seeds is not None and request.sets("seed"):
        raise UsageError("--seed and --seeds contradict each other; give one of them")

    work = functools.partial(running_jobs, _jobs(request), request.out, force=request.force)
    _show(work, request.as_json, request.quiet)


def _jobs(request: PaintRequest) -> list[Job]:
    """Return a job for each line of the file of prompts and each seed."""
    from artgen.batch.jobs import ParsedLine, make_jobs, parse_seeds, read_lines

    seeds = parse_seeds(request.seeds) if request.seeds is not None else []

    def parse(words: Sequence[str]) -> ParsedLine:
        """Lay a line's options over those of the command line."""
        line = parse_line(words, below=request)
        return ParsedLine(line.values(), line.sets("seed"))

    if request.prompt_file is not None:
        return make_jobs(read_lines(request.prompt_file), seeds, parse)

    text = " | ".join(request.given().get("prompts", ["target"]))
    return [dataclasses.replace(job, text=text) for job in make_jobs([""], seeds, parse)]


def resume_many(folder: Path, open_files: bool, as_json: bool, quiet: bool) -> None:
    """Continue a batch, report the results, and exit with 1 if any run failed.

    Args:
        folder: of the batch.
        open_files: open local files even if they have changed since the batch began.
        as_json: report as one JSON object.
        quiet: report nothing but failures.
    """
    from artgen.batch.local import resuming_jobs

    _show(functools.partial(resuming_jobs, folder, open_files=open_files), as_json, quiet)


def _show(start: Callable[[], EventStream[BatchResult]], as_json: bool, quiet: bool) -> None:
    """Run a batch with a progress bar, and report the results."""
    _report(watched(start, quiet or as_json), as_json, quiet)


def _report(result: BatchResult, as_json: bool, quiet: bool) -> None:
    """Report the results of a batch, and exit with 130 if it was stopped, with 1 if a run failed."""
    if as_json:
        print_json({**dataclasses.asdict(result), "failed": result.failed})
    elif not quiet:
        _print_runs(result)
    elif result.failed:
        _report_failures(result)

    if result.stopped:
        raise typer.Exit(INTERRUPTED)
    if result.failed:
        raise typer.Exit(1)


def _print_runs(result: BatchResult) -> None:
    """Print a line for each run, and how many finished."""
    for cell in result.cells:
        outcome = cell.error or f"{cell.status}  seed {cell.seed}  loss {cell.loss}"
        print_line(f"{cell.number:4d}  {cell.text[:60]:60}  {outcome}")

    done = len(result.cells) - result.failed
    print_line(f"{done} of {len(result.cells)} done: {result.sheet or result.folder}")


def _report_failures(result: BatchResult) -> None:
    """Report how many runs failed, and why the first of them did."""
    first = next(cell for cell in result.cells if cell.status == "failed")
    report_error(
        f"{result.failed} of {len(result.cells)} runs failed, the first of them number {first.number}: "
        f"{first.error} ({result.folder}/batch.json lists them all)"
    )
