"""A batch on this machine: one run after another, each in a folder of its own."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from artgen.batch.jobs import Job, local_files, read_jobs, write_jobs
from artgen.batch.sheet import write_sheet
from artgen.config import RunConfig
from artgen.engine.events import Listener, Notice, ignore
from artgen.errors import ArtgenError
from artgen.files import write_atomically
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint
from artgen.runs.folder import make_folder, slug
from artgen.runs.inputs import require_known
from artgen.runs.report import RunResult
from artgen.runs.single import paint, resume

logger = logging.getLogger(__name__)

SUMMARY = "batch.json"
SHEET = "sheet.png"
REPORT = "run.json"

Work = Callable[[RunConfig, Path], RunResult]
"""Paints a configuration in a folder of its own."""


@dataclass(frozen=True)
class Cell:
    """What became of one job, as the summary and the contact sheet tell it.

    Args:
        number: of the job, and of its cell on the sheet.
        text: as it was written.
        status: "done", "plateau", "stopped", "failed" or "not started".
        folder: name of the run's folder below the batch's, None without one.
        seed: what it can be run again with.
        loss: the best candidate's smoothed loss.
        seconds: time spent.
        error: why it failed.
    """

    number: int
    text: str
    status: str
    folder: str | None = None
    seed: int | None = None
    loss: float | None = None
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class BatchResult:
    """What a batch ended with.

    Args:
        folder: the batch's folder.
        sheet: the contact sheet, None if there is no picture.
        cells: what became of the jobs.
    """

    folder: Path
    sheet: Path | None
    cells: Sequence[Cell]

    @property
    def failed(self) -> int:
        """Number of jobs that failed."""
        return sum(cell.status == "failed" for cell in self.cells)

    @property
    def stopped(self) -> bool:
        """Whether the batch was interrupted."""
        return any(cell.status in ("stopped", "not started") for cell in self.cells)


def run_jobs(
    jobs: Sequence[Job],
    out: Path | None = None,
    *,
    force: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> BatchResult:
    """Run jobs one after another; one that fails does not lose the others.

    Args:
        jobs: what to paint.
        out: the batch's folder; `runs/<date>-batch-<slug>-<number of jobs>` if None.
        force: replace what an earlier batch left in `out`.
        listen: told what happens.
        should_stop: ends the batch; the picture of that moment is kept.

    Raises:
        ArtgenError: the batch's own folder cannot be used.
    """
    title = jobs[0].text if jobs else "empty"
    folder = make_folder(out, f"batch {title}", len(jobs), force)
    write_jobs(folder, jobs)
    cells = [Cell(job.number, job.text, "not started") for job in jobs]
    work = functools.partial(paint, force=force, listen=listen, should_stop=should_stop)
    return _run_all(jobs, cells, folder, work, listen, should_stop)


def resume_jobs(
    folder: Path,
    *,
    open_files: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> BatchResult:
    """Go on with a batch: what is finished stays as it is, a stopped run goes on, the others are painted.

    Args:
        folder: the batch's folder.
        open_files: open the local files it names even if they are not those it began with.
        listen: told what happens.
        should_stop: ends the batch; the picture of that moment is kept.

    Raises:
        InputError: the folder holds no batch.
        UsageError: it names files with another content than the batch began with.
    """
    jobs, inputs = read_jobs(folder)
    if not open_files:
        require_known(local_files(jobs), inputs, folder)
    cells = [_finished(job, folder) or Cell(job.number, job.text, "not started") for job in jobs]
    work = functools.partial(_go_on, open_files=open_files, listen=listen, should_stop=should_stop)
    return _run_all(jobs, cells, folder, work, listen, should_stop)


def _go_on(config: RunConfig, folder: Path, *, open_files: bool, **watch: Any) -> RunResult:
    """Resume a run that has come to a checkpoint, start one that has not."""
    if has_checkpoint(folder / CHECKPOINT) or (folder / "tiles").is_dir():
        return resume(folder, open_files=open_files, **watch)
    return paint(config, folder, force=True, **watch)


def _finished(job: Job, folder: Path) -> Cell | None:
    """Return what a run that ended by itself has told of itself, None if it is still to be made."""
    if job.config is None:
        return None
    cell = _cell(job, job.config)
    run = folder / str(cell.folder)
    try:
        report = json.loads((run / REPORT).read_text(encoding="utf-8"))
        done = report["reason"] in ("done", "plateau") and (run / "image.png").is_file()
        facts = {"status": report["reason"], "loss": report["losses"][0], "seconds": report["seconds"]}
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    return replace(cell, **facts) if done else None


def _run_all(
    jobs: Sequence[Job],
    cells: list[Cell],
    folder: Path,
    work: Work,
    listen: Listener,
    should_stop: Callable[[], bool],
) -> BatchResult:
    """Do what is not done yet, and write the summary and the contact sheet."""
    for index, job in enumerate(jobs):
        if cells[index].status != "not started":
            continue
        if should_stop():
            break
        listen(Notice(f"{job.number} of {len(jobs)}: {job.text[:100]}"))
        cells[index] = _run_one(job, folder, work)
        if cells[index].error is not None:
            listen(Notice(f"{job.number} of {len(jobs)} failed: {cells[index].error}"))
        _write_summary(folder, cells)
    _write_summary(folder, cells)
    return BatchResult(folder, write_sheet(folder, SHEET, [asdict(cell) for cell in cells]), cells)


def _run_one(job: Job, folder: Path, work: Work) -> Cell:
    """Do one job, and return what became of it."""
    if job.config is None:
        return Cell(job.number, job.text, "failed", error=job.error)
    cell = _cell(job, job.config)
    try:
        result = work(job.config, folder / str(cell.folder))
    except ArtgenError as error:
        return replace(cell, status="failed", error=str(error))
    except Exception as error:  # a fault of ours in one run must not lose the others
        logger.exception("run %d failed", job.number)
        return replace(cell, status="failed", error=f"{type(error).__name__}: {error}")
    return replace(cell, status=result.reason, loss=result.loss, seconds=result.seconds)


def _cell(job: Job, config: RunConfig) -> Cell:
    """Return the cell of a run that has not ended, with the name of its folder."""
    name = f"{job.number:03d}-{slug(config.title)}-{config.seed}"
    return Cell(job.number, job.text, "not started", folder=name, seed=config.seed)


def _write_summary(folder: Path, cells: Sequence[Cell]) -> None:
    summary = json.dumps({"cells": [asdict(cell) for cell in cells]}, indent=2, ensure_ascii=False)
    write_atomically(folder / SUMMARY, summary.encode(errors="replace"))
