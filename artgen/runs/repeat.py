"""Repeating pictures that were edited before edits were turns, and the whole of tiles.

Such a configuration names the run that was edited (`edited`), and what was done to its best candidate.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from artgen.config import EditOptions, RunConfig
from artgen.engine.events import Event, EventStream, Finished, Notice, Started, Stepped, StopRequested
from artgen.errors import RunError, UsageError
from artgen.export.saved_run import SavedRun
from artgen.renderers.base import Renderer
from artgen.runs.recorder import Run
from artgen.runs.saved import open_run
from artgen.runs.setting import Setting
from artgen.runs.single import continue_from

Paint = Callable[[RunConfig, Path, bool, Setting], Run]
"""Starts a run of any kind: configuration, folder, whether to replace what is there, what the caller provides."""


def repeat(config: RunConfig, out: Path | None, force: bool, setting: Setting, paint: Paint) -> Run:
    """Paint an edited picture again: the run it began with, then the edits, and the steps after them.

    Args:
        config: of the edited picture, with `edited`.
        out: the run's own folder, or None for a new one in `runs`.
        force: replace what an earlier run left in `out`.
        setting: what the caller provides; the runs before the last one cannot be steered.
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
            before = Setting(setting.guides)
            yield from _repeat_until(then.edited.step, now, earlier, folder, before, paint)
            earlier = open_run(folder)
        assert earlier is not None
        edited = _edited(earlier, config.edited)

    return (yield from _continue(edited, config, out, force, setting))


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
    setting: Setting,
    paint: Paint,
) -> Generator[Event, None, None]:
    """Repeat a run up to the step at which it was edited."""
    without_film = config.timelapse.model_copy(update={"kind": "none"})
    config = config.model_copy(update={"timelapse": without_film})
    if config.edited is None or earlier is None:
        run = EventStream(paint(config, folder, False, setting))
    else:
        run = EventStream(_continue(_edited(earlier, config.edited), config, folder, False, setting))

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
    locked, deleted = _ids(renderer, change.lock), _ids(renderer, change.delete)
    if locked:
        renderer.lock(locked)
    if deleted:
        renderer.remove(deleted)
    return renderer


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


def _continue(edited: Renderer, config: RunConfig, out: Path | None, force: bool, setting: Setting) -> Run:
    assert config.edited is not None
    step = 0 if config.edited.steps else config.steps
    return continue_from(edited, config, out, setting, step=step, force=force)
