"""Painting: a configuration in, a folder with the finished picture out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artgen.config import RunConfig, load_config_file
from artgen.engine.events import EventStream
from artgen.guides.base import Guide
from artgen.guides.pool import GuidePool
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint
from artgen.runs.folder import CONFIGURATION, claimed
from artgen.runs.inputs import require_known
from artgen.runs.recorder import Run
from artgen.runs.repeat import repeat
from artgen.runs.report import RunResult
from artgen.runs.setting import Setting
from artgen.runs.single import paint_single, resume_single
from artgen.runs.tile_files import is_tiled
from artgen.runs.tiled import paint_tiles, resume_tiles

BEFORE_THE_FIRST_CHECKPOINT = {CONFIGURATION, "sketch.png", "frames", "tiles"}
"""What a run writes before its first checkpoint."""


def paint(
    config: RunConfig,
    out: Path | None = None,
    *,
    force: bool = False,
    guides: GuidePool | Sequence[Guide] | None = None,
) -> RunResult:
    """Run a configuration from the start to the end; see `painting` for watching it.

    Args:
        config: what to paint.
        out: the run's own folder; `runs/<date>-<slug>-<seed>` if None.
        force: replace what an earlier run left in `out`.
        guides: guides that are loaded already, or a pool that keeps those it loads.

    Raises:
        ArtgenError: with one line that names the cure.

    Example:
        >>> result = paint(RunConfig(prompts="a blue rabbit", seed=1))   # doctest: +SKIP
        >>> result.picture                                               # doctest: +SKIP
    """
    return painting(config, out, force=force, guides=guides).finish()


def painting(
    config: RunConfig,
    out: Path | None = None,
    *,
    force: bool = False,
    guides: GuidePool | Sequence[Guide] | None = None,
) -> EventStream[RunResult]:
    """Return a run as an iterator of events.

    Not asking for the next event pauses the run. Leaving the loop and asking for `result` stops it. Between two
    events it can be steered: `run.steer(Turn(prompts="a blue fish"))`, `run.undo()`.

    Args:
        config: what to paint.
        out: as in `paint`.
        force: as in `paint`.
        guides: as in `paint`.

    Example:
        >>> run = painting(RunConfig(prompts="a blue rabbit", steps=100))   # doctest: +SKIP
        >>> for event in run:                                               # doctest: +SKIP
        ...     if isinstance(event, Stepped) and min(event.losses) < 0.2:
        ...         break
        >>> run.result.picture                                              # doctest: +SKIP
    """
    setting = Setting.of(guides)
    return EventStream(start(config, out, force, setting), setting.requests)


def resume(
    folder: Path, *, open_files: bool = False, guides: GuidePool | Sequence[Guide] | None = None
) -> RunResult:
    """Continue a run from its checkpoint to the end; see `resuming`."""
    return resuming(folder, open_files=open_files, guides=guides).finish()


def resuming(
    folder: Path, *, open_files: bool = False, guides: GuidePool | Sequence[Guide] | None = None
) -> EventStream[RunResult]:
    """Return a run that continues from its checkpoint; it ends with the bits of an uninterrupted run.

    If the newest checkpoint is damaged, the run continues from the one before it, and a notice says so.

    Args:
        folder: the run's.
        open_files: open the local files the run names even if they are not those it began with.
        guides: as in `paint`.

    Raises:
        InputError: the folder has no intact checkpoint, or one that does not fit.
        UsageError: it names files with other content than the run began with.
    """
    setting = Setting.of(guides)
    return EventStream(_resume(folder, open_files, setting), setting.requests)


def start(config: RunConfig, out: Path | None, force: bool, setting: Setting) -> Run:
    """Return a run of any kind from its start.

    Args:
        config: what to paint.
        out: the run's own folder, or None for a new one in `runs`.
        force: replace what an earlier run left in `out`.
        setting: what the caller provides.
    """
    if config.edited is not None:
        return repeat(config, out, force, setting, start)
    if config.tiling() is not None:
        return paint_tiles(config, out, force, setting)
    return paint_single(config, out, force, setting)


def _resume(folder: Path, open_files: bool, setting: Setting) -> Run:
    if _was_killed_early(folder):
        config = RunConfig.make(load_config_file(folder / CONFIGURATION))
        if not open_files:
            require_known(config.local_files(), {}, folder)
        return (yield from start(config, folder, True, setting))

    with claimed(folder):
        if is_tiled(folder):
            return (yield from resume_tiles(folder, open_files, setting))
        return (yield from resume_single(folder, open_files, setting))


def _was_killed_early(folder: Path) -> bool:
    """Return whether a run was killed after it had begun and before its first checkpoint.

    The folder then holds its configuration, and little else: a folder with other files is never taken for one.
    """
    if has_checkpoint(folder / CHECKPOINT) or is_tiled(folder) or not (folder / CONFIGURATION).is_file():
        return False
    visible = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return visible <= BEFORE_THE_FIRST_CHECKPOINT
