"""Painting tile by tile: many small runs, one after the other, with one picture, film and record."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from artgen.config import RunConfig
from artgen.engine.events import Event, Notice, Requests, Stage, Started, Stepped
from artgen.engine.loop import ending
from artgen.engine.randomness import Streams
from artgen.engine.state import initial_state
from artgen.errors import RunError
from artgen.files import make_part_folder
from artgen.grid import Tiling
from artgen.guides.precision import format_name
from artgen.renderers.background import make_background
from artgen.runs.checkpoint import (
    Checkpoint,
    has_checkpoint,
    load_newest,
    remove_checkpoint,
    save_checkpoint,
)
from artgen.runs.context import (
    RunContext,
    check_sizes,
    choose_formats,
    empty_renderer,
    make_context,
    start_candidates,
    use_threads,
)
from artgen.runs.defaults import ResolvedConfig, resolve
from artgen.runs.device import device_notices, device_or_best
from artgen.runs.folder import claimed, make_folder, prepare_folder, write_configuration
from artgen.runs.inputs import require_known
from artgen.runs.metrics import Metrics
from artgen.runs.recorder import Recorder, Run, Summary, announce, conclude, optimise_recorded
from artgen.runs.report import Outcome
from artgen.runs.setting import Setting
from artgen.runs.start import begin
from artgen.runs.state import CheckpointHeader, capture, restore, saved_sketch, smoothed_losses, take_state
from artgen.runs.steering import Steering
from artgen.runs.tile_files import TILES, tile_checkpoint
from artgen.runs.tiles import check_tiles, tile_config
from artgen.runs.whole import Whole
from artgen.runs.work import Work
from artgen.types import Image


def paint_tiles(config: RunConfig, out: Path | None, force: bool, setting: Setting) -> Run:
    """Run a configuration with tiles from the start; see `artgen.runs.paint.painting`."""
    use_threads(config.threads)
    tiled = _TiledRun(config, setting)
    folder = make_folder(out, config.title, config.seed, force)
    with claimed(folder):
        prepare_folder(folder, tiled.config)
        make_part_folder(folder / TILES)
        return (yield from tiled.run(folder))


def resume_tiles(folder: Path, open_files: bool, setting: Setting) -> Run:
    """Continue such a run; see `artgen.runs.paint.resuming`."""
    header = CheckpointHeader.of(load_newest(tile_checkpoint(folder, 0)))
    config = header.configuration()
    if not open_files:
        require_known(config.local_files(), header.inputs, folder)

    use_threads(header.threads)
    if config.steering:
        write_configuration(folder, config)  # a run killed at a turn may have written only its checkpoint
    return (yield from _TiledRun(config, setting, header).run(folder))


@dataclass
class _CurrentTile(Work):
    """The tile that is being painted.

    Args:
        context: what it is painted with.
        state: the state of its loop.
        index: counted row by row.
        is_new: it has random candidates, and neither a sketch nor a checkpoint yet.
    """

    index: int
    is_new: bool


class _TiledRun:
    """A run of many tiles, as the recorder sees it too; see `artgen.runs.recorder.Recorded`.

    Args:
        config: the configuration of the whole picture.
        setting: what the caller provides.
        header: of the first tile's checkpoint, None for a new run.
    """

    is_whole = False

    def __init__(self, config: RunConfig, setting: Setting, header: CheckpointHeader | None = None) -> None:
        tiling = config.tiling()
        assert tiling is not None
        self._tiling: Tiling = tiling
        check_tiles(config, tiling)

        device = None if header is None else device_or_best(config.device)
        self._first = resolve(tile_config(config, tiling, 0), guides=setting.guides, device=device)
        check_sizes(self._first)
        choose_formats(self._first, header.formats if header is not None else None)
        if header is not None:
            header.require_guides(self._first.guides)

        recorded = config.model_copy(update={"population": self._first.population})
        self._steering = Steering(recorded, setting.requests)
        self._whole = Whole(self._steering, tiling, self._first)
        self._folder = Path()
        self._current: _CurrentTile | None = None

    @property
    def config(self) -> RunConfig:
        """The configuration of the whole picture, with the turns so far."""
        return self._steering.config

    @property
    def step(self) -> int:
        """Number of steps done in all tiles."""
        return self._tile_in_work.index * self.config.steps + self._tile_in_work.state.step

    @property
    def used(self) -> float:
        """Fraction of the steps of all tiles that is done."""
        return self.step / self._steps

    @property
    def _steps(self) -> int:
        return self.config.steps * self._tiling.count

    # --- running -----------------------------------------------------------------------

    def run(self, folder: Path) -> Run:
        """Optimise the tiles one after the other, and write everything."""
        self._folder = folder
        first = self._load_finished()
        self._remove_later(first)
        notice = self._open(first)

        notices = device_notices(self.config, self._first.device)
        if notice is not None:
            notices.append(Notice(notice))
        metrics = Metrics(folder, self._steps, self.step)  # a damaged file shows before the start
        start = Started(folder, self.config.seed, self.step, self._steps)
        stopped = yield from announce(start, *notices)

        recorder = Recorder(folder, self, metrics)
        reason: Outcome = "stopped"
        failure = None
        if not stopped:
            reason, failure = yield from self._paint_all(first, recorder)
        return (yield from conclude(recorder, folder, reason, failure))

    def _paint_all(
        self, first: int, recorder: Recorder
    ) -> Generator[Event, None, tuple[Outcome, RunError | None]]:
        """Paint the tiles from `first` on."""
        reason: Outcome = "done"
        failure: RunError | None = None

        for index in range(first, self._tiling.count):
            if index > first:
                self._open(index)
            tile = self._tile_in_work
            if tile.is_new:
                unsteered = Steering(tile.context.settings.config, Requests())  # for a sketch of the tile
                begun = yield from begin(tile.context, tile.state.streams, unsteered)
                tile.context, tile.state = begun
            if tile.context.lacks_sketch:
                return "stopped", None

            turns = self._steering.of(Stage("tile", index, self._tiling.count))
            reason, failure = yield from optimise_recorded(tile, recorder, turns, self._placed)
            is_last = index + 1 == self._tiling.count
            if is_last and reason == "stopped":
                reason = ending(tile.context.problem, tile.state, tile.context.budget) or "stopped"
            if is_last or reason in ("stopped", "failed"):
                break
            recorder.checkpoint()
            self._close()
        return reason, failure

    def _placed(self, event: Stepped) -> Stepped:
        """Return the event of a tile's step with steps and progress counted over all tiles."""
        index, count = self._tile_in_work.index, self._tiling.count
        done = (index + event.progress) / count
        return replace(
            event,
            step=index * self.config.steps + event.step,
            progress=done,
            view=event.view.of_whole(self.frame),
            stage=Stage("tile", index, count),
            overall=done,
        )

    @property
    def _tile_in_work(self) -> _CurrentTile:
        assert self._current is not None
        return self._current

    # --- tiles -------------------------------------------------------------------------

    def _settings(self, index: int, turns: int = 0) -> ResolvedConfig:
        """Return the configuration of a tile after its first turns, resolved; the guides are the first tile's."""
        if index == 0 and not turns:
            return self._first
        first = self._first
        config = tile_config(self.config, self._tiling, index).steered(turns)
        settings = resolve(config, guides=first.guides or None, device=first.device)
        choose_formats(settings, {guide.name: format_name(guide.precision) for guide in self._first.guides})
        return settings

    def _load_finished(self) -> int:
        """Take over the tiles that are done, and return the first that is not.

        That is the last one with a checkpoint, or the first one whose checkpoint is damaged: the checkpoint
        before it may be from the middle of the tile.
        """
        begun = 0
        while begun < self._tiling.count and has_checkpoint(tile_checkpoint(self._folder, begun)):
            begun += 1

        for index in range(max(0, begun - 1)):
            checkpoint = load_newest(tile_checkpoint(self._folder, index))
            if checkpoint.notice is not None:
                return index
            renderer = empty_renderer(self._settings_without_guides(index))
            take_state(renderer, checkpoint.tensors.get("renderer", {}), self._first.population)
            self._whole.add(index, renderer, smoothed_losses(checkpoint, self._first.population))
        return max(0, begun - 1)

    def _settings_without_guides(self, index: int) -> ResolvedConfig:
        first, config = self._first, tile_config(self.config, self._tiling, index)
        return resolve(config, guides=(), canvas=first.canvas, device=first.device)

    def _remove_later(self, index: int) -> None:
        """Remove the checkpoints of later tiles, which lie on top of this one and are painted again.

        There are none unless this tile's own checkpoint was damaged.
        """
        for later in range(index + 1, self._tiling.count):
            remove_checkpoint(tile_checkpoint(self._folder, later))

    def _open(self, index: int) -> str | None:
        """Make a tile the current one, on top of those that are done: from its checkpoint, or from its start.

        Returns:
            What the user should know, None if nothing.
        """
        settings = self._settings(index)
        path = tile_checkpoint(self._folder, index)
        checkpoint = load_newest(path) if has_checkpoint(path) else None
        if checkpoint is not None and self._restore(index, checkpoint):
            return checkpoint.notice

        context = self._context_of(settings, index)
        streams = Streams(settings.config.seed)
        start_candidates(context.problem.renderer, settings, streams["init"])
        state = initial_state(context.problem, settings.config.evolution, streams)
        self._current = _CurrentTile(context, state, index, is_new=True)
        return checkpoint.notice if checkpoint is not None else None

    def _restore(self, index: int, checkpoint: Checkpoint) -> bool:
        """Make a tile the current one as its checkpoint has it; False if it had no sketch yet, but wants one."""
        header = CheckpointHeader.of(checkpoint)
        settings = self._settings(index, header.turns)
        context = self._context_of(settings, index)
        context = replace(context, budget=header.budget(settings.config))

        sketch = saved_sketch(checkpoint, settings.wants_sketch)
        if sketch is not None:
            context = context.with_sketch(sketch)
        state = restore(checkpoint, context)
        if context.lacks_sketch:
            return False
        self._current = _CurrentTile(context, state, index, is_new=False)
        return True

    def _context_of(self, settings: ResolvedConfig, index: int) -> RunContext:
        """Return what a tile is painted with; its background is what the tiles before it left there."""
        background = replace(
            make_background(settings.config, settings.device), colour=self._whole.below(index)
        )
        inputs = self._whole.context.inputs
        return make_context(settings, empty_renderer(settings), inputs, background=background)

    def _close(self) -> None:
        """Add the current tile to those that are done."""
        tile = self._tile_in_work
        self._whole.add(tile.index, tile.context.problem.renderer, tile.state.smoothed, tile.state.elapsed)
        self._current = None  # frees its textures before the next tile is made

    # --- recording ---------------------------------------------------------------------

    def frame(self, side: int) -> Image:
        """Return the whole of this moment."""
        self._show()
        return self._whole.frame(side)

    def save(self) -> None:
        """Write a checkpoint of the current tile."""
        tile = self._tile_in_work
        path = tile_checkpoint(self._folder, tile.index)
        save_checkpoint(path, capture(self.config, tile.context, tile.state))

    def write_pictures(self) -> list[Path]:
        """Write the whole of this moment."""
        self._show()
        return self._whole.write_pictures(self._folder)

    def write_level(self, before: float, now: float) -> None:
        """Do nothing: collages do not grow."""

    def conclude(self) -> Summary:
        """Write the whole as a run of its own, which can be exported and edited."""
        tile, step = self._tile_in_work, self.step
        if tile.state.step or self._whole.is_empty:
            self._close()
        self._current = None  # a tile without a step has nothing to show
        self._show()

        whole, views = self._whole, tile.state.views_per_pass
        whole.save(self._folder, step, views)
        return Summary(whole.context, views, [whole.loss], step, whole.elapsed, whole.credits())

    def _show(self) -> None:
        """Put the tiles so far together, the current one among them."""
        tile = self._current
        if tile is None:
            self._whole.show()
            return
        best = tile.context.problem.renderer.candidate(tile.state.best_first()[0])
        self._whole.show(tile.index, best)
