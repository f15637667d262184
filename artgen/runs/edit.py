"""Editing a finished picture: keep some elements, delete others, and go on.

from pathlib import Path
from artgen.edit import edit

edit(Path("runs/2026-01-01-a-blue-rabbit-1"), lock=[3, 7], delete=[12], steps=100)
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from artgen.config import EditOptions, RunConfig, options_from
from artgen.engine.events import Event, Finished, Listener, Notice, Started, Stepped, ignore
from artgen.errors import RunError, UsageError
from artgen.export.files import SavedRun
from artgen.renderers.base import Renderer
from artgen.runs.inputs import require_known
from artgen.runs.report import RunResult
from artgen.runs.saved import open_run
from artgen.runs.single import continue_from, paint


def edit(
    run: Path,
    *,
    lock: Sequence[int] = (),
    delete: Sequence[int] = (),
    steps: int = 0,
    out: Path | None = None,
    force: bool = False,
    open_files: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Go on from a run's best candidate with some elements locked and some deleted.

    The edited picture is a run of its own, which leaves the first as it was and can be
    edited again. Elements are numbered as in `image.svg` (`path-3` is number 3), before
    anything is deleted; what the run had locked stays locked. The new run's configuration
    tells what it was made from and how (`edited`), which is what `repeat` goes by. Nothing
    grows or is pruned any more.

    Args:
        run: folder of a run, or a file in it.
        lock: elements that stay as they are.
        delete: elements to remove.
        steps: optimisation steps afterwards; with none the picture is only edited.
        out: the new run's folder; `runs/<date>-<slug>-<seed>` if None.
        force: replace what an earlier run left in `out`.
        open_files: open the local files the run names even if they are not those it began with.
        listen: told what happens.
        should_stop: asked before every step.

    Raises:
        InputError: `run` is no run.
        UsageError: no such element, or the renderer has none; or the run names files with another
            content than it began with.
    """
    if steps < 0:
        raise UsageError(f"{steps} steps cannot be made; give 0 or more")
    opened = open_run(run, open_files)
    if not open_files:
        require_known(opened.config.local_files(), opened.inputs, opened.folder)
    change = {"step": opened.step, "lock": lock, "delete": delete, "steps": steps}
    before: EditOptions = options_from(EditOptions, {"config": opened.config, **change}, "edit")
    edited = _changed(opened, before)
    changes = {
        "population": 1,
        "steps": max(1, steps),
        "seconds": None,
        "options": opened.config.options | edited.frozen_options(),
        "edited": before,
    }
    config = opened.config.model_copy(update=changes)
    return _continue(edited, config, out, force, listen, should_stop)


def repeat(
    config: RunConfig,
    out: Path | None = None,
    *,
    force: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Paint an edited picture again: the run it began with, then what was changed, and on.

    Args:
        config: of the edited picture, with `edited`.
        out: as in `artgen.engine.run.paint`, as are the others.
        force: see there.
        listen: see there; told of the steps of both runs.
        should_stop: see there; a stop before the edit leaves nothing.

    Raises:
        UsageError: the first run went by the clock, so that it never comes out alike.
        RunError: the first run was stopped, or ended elsewhere than it did then.
    """
    assert config.edited is not None
    chain = _chain(config)
    if any(each.seconds is not None for each in chain):
        raise UsageError(
            "the picture was edited in a run of --seconds, which never comes out alike; "
            "go on from its folder (artgen edit) or its SVG (--init image.svg)"
        )
    with tempfile.TemporaryDirectory(prefix="artgen-") as temporary:
        earlier = None
        for number, (now, then) in enumerate(itertools.pairwise(chain)):
            assert then.edited is not None
            folder = Path(temporary) / str(number)
            _repeat_until(then.edited.step, now, earlier, folder, listen, should_stop)
            earlier = open_run(folder)
        assert earlier is not None
        edited = _changed(earlier, config.edited)
    return _continue(edited, config, out, force, listen, should_stop)


def _chain(config: RunConfig) -> list[RunConfig]:
    """Return the configurations of all runs a picture went through, the first one first."""
    chain = [config]
    while chain[-1].edited is not None:
        chain.append(chain[-1].edited.config)
    return chain[::-1]


def _repeat_until(
    step: int,
    config: RunConfig,
    earlier: SavedRun | None,
    folder: Path,
    listen: Listener,
    should_stop: Callable[[], bool],
) -> None:
    """Repeat a run as far as it had come when it was edited."""
    done = 0

    def pass_on(event: Event) -> None:
        """Tell of everything but the end, and keep the step."""
        nonlocal done
        done = event.step if isinstance(event, Started | Stepped) else done
        if not isinstance(event, Finished):
            listen(event)

    def reached() -> bool:
        """Tell whether the step of the edit is reached."""
        return done >= step or should_stop()

    listen(Notice(f"first the run that was edited, to step {step}"))
    filmless = {"timelapse": config.timelapse.model_copy(update={"kind": "none"})}
    config = config.model_copy(update=filmless)
    if config.edited is None or earlier is None:
        result = paint(config, folder, listen=pass_on, should_stop=reached)
    else:
        result = _continue(_changed(earlier, config.edited), config, folder, False, pass_on, reached)
    if result.step != step:
        raise RunError(
            f"the run that was edited ended at step {result.step}, not at {step}, so the edit cannot be "
            "made; run it again without stopping it, or go on from the edited run's folder (artgen edit)"
        )


def _changed(opened: SavedRun, change: EditOptions) -> Renderer:
    """Return a run's best candidate with the changes made."""
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
        raise UsageError(f"element {both[0]} is to be locked and deleted; choose one")
    if lock:
        renderer.lock(list(lock))
    if delete:
        renderer.remove(list(delete))


def _continue(
    edited: Renderer,
    config: RunConfig,
    out: Path | None,
    force: bool,
    listen: Listener,
    should_stop: Callable[[], bool],
) -> RunResult:
    assert config.edited is not None
    step = 0 if config.edited.steps else config.steps
    return continue_from(edited, config, out, step=step, force=force, listen=listen, should_stop=should_stop)
