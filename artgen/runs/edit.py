"""Editing a finished picture: lock some elements, delete others, and continue."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from artgen.config import EditOptions, RunConfig, options_from
from artgen.engine.events import Event, EventStream, Finished, Notice, Started, Stepped, StopRequested
from artgen.errors import RunError, UsageError
from artgen.export.saved_run import SavedRun
from artgen.renderers.base import Renderer
from artgen.runs.inputs import require_known
from artgen.runs.recorder import Run
from artgen.runs.report import RunResult
from artgen.runs.saved import open_run
from artgen.runs.single import continue_from

Paint = Callable[[RunConfig, Path, bool], Run]
"""Starts a run of any kind: configuration, folder, whether to replace what is there."""


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

    The edited picture is a run of its own. It leaves the first run as it was, and can be edited again.
    Elements are numbered as in `image.svg` (`path-3` is number 3), before anything is deleted; what the run
    had locked stays locked. The configuration of the new run records what it was made from and how
    (`edited`), which `repeat` follows. Nothing grows or is pruned any more.

    Args:
        run: folder of a run, or a file in it.
        lock: elements that stay as they are.
        delete: elements to remove.
        steps: optimisation steps afterwards; with 0 the picture is only edited.
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
    if not open_files:
        require_known(opened.config.local_files(), opened.inputs, opened.folder)

    change = {"step": opened.step, "lock": lock, "delete": delete, "steps": steps}
    before: EditOptions = options_from(EditOptions, {"config": opened.config, **change}, "edit")
    edited = _edited(opened, before)

    changes = {
        "population": 1,
        "steps": max(1, steps),
        "seconds": None,
        "options": opened.config.options | edited.frozen_options(),
        "edited": before,
    }
    return EventStream(_continue(edited, opened.config.model_copy(update=changes), out, force))


def repeat(config: RunConfig, out: Path | None, force: bool, paint: Paint) -> Run:
    """Paint an edited picture again: the run it began with, then the edits, and the steps after them.

    Args:
        config: of the edited picture, with `edited`.
        out: the run's own folder, or None for a new one in `runs`.
        force: replace what an earlier run left in `out`.
        paint: paints the run that the picture began with.

    Raises:
        UsageError: a run in the chain was limited by time, so that it never comes out alike.
        RunError: a run in the chain was stopped, or ended at another step than it did then.
    """
    assert config.edited is not None
    chain = _chain(config)
    if any(each.seconds is not None for each in chain):
        raise UsageError(
            "the picture was edited in a run of --seconds, which never comes out alike; "
            "continue from its folder (artgen edit) or its SVG (--init image.svg)"
        )

    with tempfile.TemporaryDirectory(prefix="artgen-") as temporary:
        earlier = None
        for number, (now, then) in enumerate(itertools.pairwise(chain)):
            assert then.edited is not None
            folder = Path(temporary) / str(number)
            yield from _repeat_until(then.edited.step, now, earlier, folder, paint)
            earlier = open_run(folder)
        assert earlier is not None
        edited = _edited(earlier, config.edited)

    return (yield from _continue(edited, config, out, force))


def _chain(config: RunConfig) -> list[RunConfig]:
    """Return the configurations of all runs a picture went through, the first one first."""
    chain = [config]
    while chain[-1].edited is not None:
        chain.append(chain[-1].edited.config)
    return chain[::-1]


def _repeat_until(
    step: int, config: RunConfig, earlier: SavedRun | None, folder: Path, paint: Paint
) -> Generator[Event, None, None]:
    """Repeat a run up to the step at which it was edited."""
    without_film = config.timelapse.model_copy(update={"kind": "none"})
    config = config.model_copy(update={"timelapse": without_film})
    if config.edited is None or earlier is None:
        run = EventStream(paint(config, folder, False))
    else:
        run = EventStream(_continue(_edited(earlier, config.edited), config, folder, False))

    try:
        yield Notice(f"first the run that was edited, to step {step}")
        for event in run:
            if isinstance(event, Finished):
                continue  # the edit is still to come
            yield event
            if _is_at(event, step):
                run.stop()
        result = run.result
    except StopRequested:
        raise RunError(
            f"stopped before step {step}, at which the run was edited, so there is no picture; run it again"
        ) from None

    if result.step != step:
        raise RunError(
            f"the run that was edited ended at step {result.step}, not at {step}, so the edit cannot be "
            "made; run it again without stopping it, or continue from the edited run's folder (artgen edit)"
        )


def _is_at(event: Event, step: int) -> bool:
    """Return whether the run, not its sketch, has reached a step."""
    if isinstance(event, Started):
        return event.step >= step
    return isinstance(event, Stepped) and event.stage.name != "sketch" and event.step >= step


def _edited(opened: SavedRun, change: EditOptions) -> Renderer:
    """Return the best candidate of a run with the edits made."""
    renderer = opened.candidate(1)
    change_elements(renderer, change.lock, change.delete)
    return renderer


def change_elements(renderer: Renderer, lock: Sequence[int], delete: Sequence[int]) -> None:
    """Lock and delete elements, numbered as before the change.

    Raises:
        UsageError: no such element, or one that is both locked and deleted.
    """
    both = sorted(set(lock) & set(delete))
    if both:
        raise UsageError(f"element {both[0]} cannot be both locked and deleted; choose one")
    locked, deleted = _ids(renderer, lock), _ids(renderer, delete)
    if locked:
        renderer.lock(locked)
    if deleted:
        renderer.remove(deleted)


def _ids(renderer: Renderer, places: Sequence[int]) -> list[int]:
    """Return the ids of elements that are named by their places.

    Raises:
        UsageError: there is no such element, or the renderer has none.
    """
    if not places:
        return []
    ids = renderer.element_ids()[0].tolist()
    for place in places:
        if place >= len(ids):
            raise UsageError(f"there is no {renderer.element} {place}; they are numbered 0 to {len(ids) - 1}")
    return [ids[place] for place in places]


def _continue(edited: Renderer, config: RunConfig, out: Path | None, force: bool) -> Run:
    assert config.edited is not None
    step = 0 if config.edited.steps else config.steps
    return continue_from(edited, config, out, step=step, force=force)
