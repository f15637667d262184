"""A batch on this machine: one run after another, each in a folder of its own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from artgen.batch.jobs import Job
from artgen.batch.sheet import write_sheet
from artgen.engine.events import Listener, Notice, ignore
from artgen.engine.folder import make_folder, slug, write_atomically
from artgen.engine.run import paint
from artgen.errors import ArtgenError

logger = logging.getLogger(__name__)

SUMMARY = "batch.json"
SHEET = "sheet.png"


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
    cells = [Cell(job.number, job.text, "not started") for job in jobs]
    for index, job in enumerate(jobs):
        if should_stop():
            break
        listen(Notice(f"{job.number} of {len(jobs)}: {job.text[:100]}"))
        cells[index] = _run_one(job, folder, force, listen, should_stop)
        if cells[index].error is not None:
            listen(Notice(f"{job.number} of {len(jobs)} failed: {cells[index].error}"))
        _write_summary(folder, cells)
    _write_summary(folder, cells)
    return BatchResult(folder, write_sheet(folder, SHEET, [asdict(cell) for cell in cells]), cells)


def _run_one(job: Job, folder: Path, force: bool, listen: Listener, should_stop: Callable[[], bool]) -> Cell:
    if job.config is None:
        return Cell(job.number, job.text, "failed", error=job.error)
    config = job.config
    prompt = config.prompts[0] if config.prompts else "target"
    name = f"{job.number:03d}-{slug(prompt)}-{config.seed}"
    made = {"number": job.number, "text": job.text, "folder": name, "seed": config.seed}
    try:
        result = paint(config, folder / name, force=force, listen=listen, should_stop=should_stop)
    except ArtgenError as error:
        return Cell(**made, status="failed", error=str(error))  # type: ignore[arg-type]
    except Exception as error:  # a fault of ours in one run must not lose the others
        logger.exception("run %d failed", job.number)
        return Cell(**made, status="failed", error=f"{type(error).__name__}: {error}")  # type: ignore[arg-type]
    return Cell(**made, status=result.reason, loss=result.loss, seconds=result.seconds)  # type: ignore[arg-type]


def _write_summary(folder: Path, cells: Sequence[Cell]) -> None:
    summary = json.dumps({"cells": [asdict(cell) for cell in cells]}, indent=2, ensure_ascii=False)
    write_atomically(folder / SUMMARY, summary.encode())
