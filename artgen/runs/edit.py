"""Editing a finished picture: lock some elements, delete others, and continue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artgen.config.steering import make_turn
from artgen.engine.events import EventStream
from artgen.errors import UsageError
from artgen.renderers.base import Renderer
from artgen.runs.branch import branching
from artgen.runs.defaults import loss_weights
from artgen.runs.report import RunResult
from artgen.runs.saved import open_run


def edit(
    run: Path,
    *,
    lock: Sequence[int] = (),
    delete: Sequence[int] = (),
    steps: int = 0,
    out: Path | None = None,
    force: bool = False,
    open_files: bool = False,
) -> RunResult:
    """Edit the best candidate of a run, and continue to the end; see `editing`.

    Example:
        >>> edit(Path("runs/2026-01-01-a-blue-rabbit-1"), lock=[3, 7], delete=[12], steps=100)  # doctest: +SKIP
    """
    stream = editing(run, lock=lock, delete=delete, steps=steps, out=out, force=force, open_files=open_files)
    return stream.finish()


def editing(
    run: Path,
    *,
    lock: Sequence[int] = (),
    delete: Sequence[int] = (),
    steps: int = 0,
    out: Path | None = None,
    force: bool = False,
    open_files: bool = False,
) -> EventStream[RunResult]:
    """Return a run that continues from the best candidate of another, some elements locked, some deleted.

    This is a branch at the run's last step (see `artgen.runs.branch.branching`) with one turn: the other
    candidates are dropped, elements are locked and deleted, and the learning rates follow their schedule again
    over the steps that are added. The first run stays as it was.

    Elements are named by their ids, as in `image.svg` (`path-3` is element 3). What the run had locked stays
    locked.

    Args:
        run: folder of a run, or a file in it.
        lock: elements that stay as they are.
        delete: elements to remove.
        steps: optimisation steps to add; with 0 the picture is only edited.
        out: the new run's folder; `runs/<date>-<slug>-<seed>` if None.
        force: replace what an earlier run left in `out`.
        open_files: open the local files the run names even if they are not those it began with.

    Raises:
        InputError: `run` is not a run.
        UsageError: an unknown element, or a renderer without elements; or the run names files with other
            content than it began with.
    """
    if steps < 0:
        raise UsageError(f"{steps} is not a number of steps; give 0 or more")
    opened = open_run(run, open_files)
    if opened.step + steps == 0:
        raise UsageError(
            f"{run}: has no step yet; continue it (artgen resume), or add steps (--continue 100)"
        )

    trial = opened.candidate(1)
    change_elements(trial, lock, delete)  # what is wrong shows before anything is written

    # The sketch shows the picture before the edit, so it must not pull the picture back.
    follows_sketch = "sketch" in loss_weights(opened.config)
    turn = make_turn(
        {
            "keep": opened.order[0] if len(opened.order) > 1 else None,
            "lock": tuple(lock),
            "delete": tuple(delete),
            "steps": opened.step + steps,
            "restart": True,
            "losses": {"sketch": 0.0} if follows_sketch else {},
        }
    )
    return branching(run, [turn], out=out, force=force, open_files=open_files)


def change_elements(renderer: Renderer, lock: Sequence[int], delete: Sequence[int]) -> None:
    """Lock and delete elements, given by their ids.

    Raises:
        UsageError: no such element, or one that is both locked and deleted.
    """
    both = sorted(set(lock) & set(delete))
    if both:
        raise UsageError(f"element {both[0]} cannot be both locked and deleted; choose one")
    if lock:
        renderer.lock(list(lock))
    if delete:
        renderer.remove(list(delete))
