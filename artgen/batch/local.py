"""A batch on this machine: one run after another, each in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from artgen.batch.jobs import Job, local_files, read_jobs, write_jobs
from artgen.batch.sheet import write_sheet
from artgen.config import RunConfig
from artgen.engine.events import Event, EventStream, Notice, StopRequested
from artgen.errors import ArtgenError, InputError
from artgen.files import write_atomically
from artgen.guides.pool import GuidePool
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint
from artgen.runs.folder import make_folder, slug
from artgen.runs.inputs import require_known
from artgen.runs.paint import painting, resuming
from artgen.runs.report import RunResult, read_report

logger = logging.getLogger(__name__)

SUMMARY = "batch.json"
SHEET = "sheet.png"

Start = Callable[[RunConfig, Path], EventStream[RunResult]]
"""Starts a job in a folder of its own."""


@dataclass(frozen=True)
class Cell:
    """The result of one job, as in the summary and on the contact sheet.

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


def run_jobs(jobs: Sequence[Job], out: Path | None = None, *, force: bool = False) -> BatchResult:
    """Run jobs one after another to the end; see `running_jobs`."""
    return running_jobs(jobs, out, force=force).finish()


def running_jobs(
    jobs: Sequence[Job], out: Path | None = None, *, force: bool = False
) -> EventStream[BatchResult]:
    """Return a batch as an iterator of events; a run that fails does not lose the others.

    Args:
        jobs: what to paint.
        out: the batch's folder; `runs/<date>-batch-<slug>-<number of jobs>` if None.
        force: replace what an earlier batch left in `out`.

    Raises:
        ArtgenError: the batch's own folder cannot be used.
    """
    title = jobs[0].text if jobs else "empty"
    folder = make_folder(out, f"batch {title}", len(jobs), force)
    write_jobs(folder, jobs)
    cells = [Cell(job.number, job.text, "not started") for job in jobs]
    guides = GuidePool()

    def start(config: RunConfig, place: Path) -> EventStream[RunResult]:
        """Paint one job."""
        return painting(config, place, force=force, guides=guides)

    return EventStream(_run_all(jobs, cells, folder, start))


def resume_jobs(folder: Path, *, open_files: bool = False) -> BatchResult:
    """Continue a batch to its end; see `resuming_jobs`."""
    return resuming_jobs(folder, open_files=open_files).finish()


def resuming_jobs(folder: Path, *, open_files: bool = False) -> EventStream[BatchResult]:
    """Return a batch that continues: finished runs are kept, stopped ones continue, the others are painted.

    Args:
        folder: the batch's folder.
        open_files: open the local files it names even if they are not those it began with.

    Raises:
        InputError: the folder is not that of a batch.
        UsageError: it names files with other content than the batch began with.
    """
    jobs, inputs = read_jobs(folder)
    if not open_files:
        require_known(local_files(jobs), inputs, folder)
    cells = [_finished(job, folder) or Cell(job.number, job.text, "not started") for job in jobs]
    guides = GuidePool()

    def start(config: RunConfig, place: Path) -> EventStream[RunResult]:
        """Resume a job that has a checkpoint, and paint one that has none."""
        if has_checkpoint(place / CHECKPOINT) or (place / "tiles").is_dir():
            return resuming(place, open_files=open_files, guides=guides)
        return painting(config, place, force=True, guides=guides)

    return EventStream(_run_all(jobs, cells, folder, start))


def _finished(job: Job, folder: Path) -> Cell | None:
    """Return the result of a job from its report, None if it is not finished."""
    if job.config is None:
        return None
    cell = _cell(job, job.config)
    run = folder / str(cell.folder)
    try:
        report = read_report(run)
        done = report["reason"] in ("done", "plateau") and (run / "image.png").is_file()
        facts = {"status": report["reason"], "loss": report["losses"][0], "seconds": report["seconds"]}
    except (InputError, KeyError, IndexError, TypeError):
        return None
    return replace(cell, **facts) if done else None


def _run_all(
    jobs: Sequence[Job], cells: list[Cell], folder: Path, start: Start
) -> Generator[Event, None, BatchResult]:
    """Run what is not done yet, and write the summary and the contact sheet."""
    with contextlib.suppress(StopRequested):
        for index, job in enumerate(jobs):
            if cells[index].status != "not started":
                continue
            yield Notice(f"{job.number} of {len(jobs)}: {job.text[:100]}")
            cells[index] = yield from _run_one(job, folder, start)
            _write_summary(folder, cells)
            if cells[index].error is not None:
                yield Notice(f"{job.number} of {len(jobs)} failed: {cells[index].error}")
            if cells[index].status == "stopped":
                break

    _write_summary(folder, cells)
    return BatchResult(folder, write_sheet(folder, SHEET, [asdict(cell) for cell in cells]), cells)


def _run_one(job: Job, folder: Path, start: Start) -> Generator[Event, None, Cell]:
    """Run one job, and return what became of it."""
    if job.config is None:
        return Cell(job.number, job.text, "failed", error=job.error)
    cell = _cell(job, job.config)

    try:
        run = start(job.config, folder / str(cell.folder))
        try:
            yield from run
        except StopRequested:
            run.stop()
            yield from run
        result = run.result
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
