"""Painting tile by tile: one run of many small ones, with one picture, film and record."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch

from artgen import prompts as grammar
from artgen.config import EditOptions, RunConfig
from artgen.engine.events import Finished, Listener, Started, Stepped, ignore
from artgen.engine.evolution import Evolution
from artgen.engine.loop import Stage, optimise
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState
from artgen.errors import RunError
from artgen.export.timelapse import Timelapse
from artgen.files import make_part_folder, write_atomically
from artgen.grid import Tiling
from artgen.guides.precision import format_name
from artgen.images import read_opaque
from artgen.renderers.background import make_background
from artgen.renderers.collage import Collage
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint, load_newest, remove_checkpoint, save_checkpoint
from artgen.runs.folder import claimed, clear_outputs, make_folder
from artgen.runs.inputs import fingerprints, require_known
from artgen.runs.metrics import Metrics
from artgen.runs.pictures import finished_picture, write_pictures
from artgen.runs.report import Outcome, RunResult, write_report
from artgen.runs.setup import (
    Workshop,
    build_renderer,
    export_size,
    make_workshop,
    population_of,
    start_candidates,
)
from artgen.runs.single import finish_film, use_threads
from artgen.runs.sketch import lacks_sketch
from artgen.runs.start import first_state
from artgen.runs.state import Facts, capture, restore, take_state
from artgen.runs.tiles import (
    PlacedTile,
    check_tiles,
    empty_whole,
    join,
    seen_below,
    tile_config,
    whole_config,
)
from artgen.types import Image, Size

TILES = "tiles"
"""Folder of the tiles' checkpoints in a run's folder."""


def tile_checkpoint(folder: Path, index: int) -> Path:
    """Return the path of a tile's checkpoint, tiles counted from 0."""
    return folder / TILES / f"tile-{index + 1:03d}.safetensors"


def is_tiled(folder: Path) -> bool:
    """Return whether a folder holds a run that was painted tile by tile."""
    return has_checkpoint(tile_checkpoint(folder, 0))


def paint_tiles(
    config: RunConfig, out: Path | None, force: bool, listen: Listener, should_stop: Callable[[], bool]
) -> RunResult:
    """Run a configuration with tiles from the start; see `artgen.engine.run.paint`."""
    use_threads(config.threads)
    run = _TiledRun(config, listen)
    folder = make_folder(out, config.title, config.seed, force)
    with claimed(folder):
        clear_outputs(folder)
        write_atomically(folder / "config.yaml", config.to_yaml().encode())
        make_part_folder(folder / TILES)
        return run.go(folder, should_stop)


def resume_tiles(
    folder: Path, open_files: bool, listen: Listener, should_stop: Callable[[], bool]
) -> RunResult:
    """Go on with such a run; see `artgen.runs.single.resume`."""
    facts = Facts.of(load_newest(tile_checkpoint(folder, 0), ignore))
    config = facts.configuration()
    if not open_files:
        require_known(config.local_files(), facts.inputs, folder)
    use_threads(facts.threads)
    return _TiledRun(config, listen, facts).go(folder, should_stop)


class _TiledRun:
    """One sitting of a run with tiles.

    Args:
        config: the run's description.
        listen: told what happens.
        facts: of the first tile's checkpoint, None for a new run.
    """

    def __init__(self, config: RunConfig, listen: Listener, facts: Facts | None = None) -> None:
        tiling = config.tiling()
        assert tiling is not None
        check_tiles(config, tiling)
        self.config = config
        self.tiling: Tiling = tiling
        self._listener = listen
        self._formats = facts.formats if facts is not None else None
        self._inputs = fingerprints(config.local_files())
        self._tools = self._workshop(0)
        self._formats = self._formats or {
            guide.name: format_name(guide.precision) for guide in self._tools.guides
        }
        self._tile = self._tools.stage.canvas
        self.whole_config = whole_config(config, tiling, self._tile)
        self._inputs |= fingerprints(self.whole_config.local_files())
        self._tools = dataclasses.replace(self._tools, inputs=self._inputs)
        for term in grammar.parse_all(self.whole_config.prompts):
            if term.is_image:
                read_opaque(term.content)  # what is wrong shows before anything is made
        self._whole = empty_whole(self.whole_config)
        self._whole.to(self._tools.device)
        self._ground = make_background(config, self._tools.device)
        self._done: list[PlacedTile] = []
        self._losses: list[float] = []

    @property
    def canvas(self) -> Size:
        """Size of the whole at the tiles' own resolution."""
        return self.tiling.canvas(self._tile)

    @property
    def steps(self) -> int:
        """Steps of all tiles."""
        return self.config.steps * self.tiling.count

    def _workshop(self, index: int) -> Workshop:
        """Return what one tile is made with, its guides loaded only once."""
        config = tile_config(self.config, self.tiling, index)
        guides = self._tools.guides if index else None
        return dataclasses.replace(make_workshop(config, self._formats, guides), inputs=self._inputs)

    def go(self, folder: Path, should_stop: Callable[[], bool]) -> RunResult:
        """Optimise the tiles one after the other, and write everything."""
        self._folder = folder
        first = self._load_finished()
        state, begun = self._open(first, should_stop), True
        self._remove_later(first)
        self._metrics = Metrics(folder / "metrics.jsonl", self.steps, self._steps_done(first, state))
        self._timelapse = Timelapse(folder, self.config.timelapse, self._steps_done(first, state))
        self._listener(Started(folder, self.config.seed, self._steps_done(first, state), self.steps))
        elapsed, failure = 0.0, None
        reason: Outcome = "done"
        for index in range(first, self.tiling.count):
            state = state if begun else self._open(index, should_stop)
            begun = False
            try:
                reason = self._optimise(index, state, should_stop)
            except RunError as error:
                failure, reason = error, "failed"
            elapsed += state.elapsed
            self._close(index, state)
            if reason in ("stopped", "failed"):
                break
        result = self._finish(reason, index, state, elapsed, failure)
        if failure is not None:
            raise failure
        self._listener(Finished(folder, reason))
        return result

    def _steps_done(self, index: int, state: LoopState) -> int:
        return index * self.config.steps + state.step

    def _load_finished(self) -> int:
        """Take over the tiles that are done, and return the first that is not.

        That is the last one with a checkpoint, or the first one whose checkpoint is damaged: the
        checkpoint before it may be from the middle of the tile.
        """
        kept = [tile_checkpoint(self._folder, index) for index in range(self.tiling.count)]
        begun = next((index for index, path in enumerate(kept) if not has_checkpoint(path)), len(kept))
        for index in range(max(0, begun - 1)):
            checkpoint = load_newest(kept[index], ignore)
            if checkpoint.is_older:
                return index
            renderer = self._empty_tile(index)
            take_state(renderer, checkpoint.tensors.get("renderer", {}), population_of(self.config))
            smoothed = checkpoint.tensors.get("loop", {}).get("smoothed")
            self._note(index, renderer, smoothed)
        return max(0, begun - 1)

    def _remove_later(self, index: int) -> None:
        """Remove the checkpoints of later tiles, which lie on top of this one and are painted again.

        There are none unless this tile's own checkpoint was damaged.
        """
        for later in range(index + 1, self.tiling.count):
            remove_checkpoint(tile_checkpoint(self._folder, later))

    def _empty_tile(self, index: int) -> Collage:
        renderer = build_renderer(tile_config(self.config, self.tiling, index), self._tile)
        renderer.init(population_of(self.config), torch.Generator().manual_seed(0))
        return cast(Collage, renderer.to(self._tools.device))

    def _note(self, index: int, renderer: Collage, smoothed: torch.Tensor | None) -> None:
        """Add the best candidate of a tile to those that are done."""
        best = 0 if smoothed is None else int(smoothed.argmin())
        single = cast(Collage, renderer.candidate(best))
        single.forget_textures()
        self._done.append(PlacedTile(single, self.tiling.window(index, self._tile)))
        self._losses.append(float("nan") if smoothed is None else float(smoothed[best]))

    def _open(self, index: int, should_stop: Callable[[], bool]) -> LoopState:
        """Prepare a tile upon those that are done: as its checkpoint has it, or from its start."""
        workshop = self._workshop(index) if index else self._tools
        below = None
        if self._done:
            join(self._whole, self._done)
            below = self._whole
        colour = seen_below(self._ground, below, self.canvas, self.tiling.window(index, self._tile))
        background = dataclasses.replace(workshop.stage.background, colour=colour)
        objective = workshop.stage.objective
        objective.context = dataclasses.replace(objective.context, background=colour)
        stage = dataclasses.replace(workshop.stage, background=background)
        self._tools = dataclasses.replace(workshop, stage=stage)
        config = tile_config(self.config, self.tiling, index)
        path = tile_checkpoint(self._folder, index)
        if has_checkpoint(path):
            checkpoint = load_newest(path, self._listener)
            stage.objective.views_per_pass = Facts.of(checkpoint).views_per_pass
            state = restore(checkpoint, self._tools, config)
            if not lacks_sketch(self._tools):
                return state
        streams = Streams(config.seed)
        start_candidates(self._tools, config, streams["init"])
        return first_state(self._tools, config, streams, self._listener, should_stop)[0]

    def _optimise(self, index: int, state: LoopState, should_stop: Callable[[], bool]) -> Outcome:
        """Run the loop of one tile, with events that count all tiles' steps."""
        config = tile_config(self.config, self.tiling, index)
        offset, count = index * self.config.steps, self.tiling.count
        self._saved = time.monotonic()
        progress = (index + state.step / config.steps) / count

        def listen(event: object) -> None:
            """Pass events on, with steps counted over all tiles, to the metrics and the film too."""
            nonlocal progress
            if not isinstance(event, Stepped):
                self._listener(event)  # type: ignore[arg-type]
                return
            now = (index + event.progress) / count
            event = Stepped(offset + event.step, now, event.figures)
            self._metrics.note(event)
            self._timelapse.note(event.step, progress, now, lambda side: self._frame(index, state, side))
            progress = now
            self._listener(event)

        def after_step() -> None:
            """Keep checkpoints and pictures when they are due."""
            if time.monotonic() - self._saved >= self.config.snapshots.checkpoint_seconds:
                self._save(index, state)
            every = self.config.snapshots.picture_steps
            if every is not None and (offset + state.step) % every == 0:
                write_pictures(self._folder, self._so_far(index, state), self.config, [0])

        if not offset + state.step:
            self._timelapse.note(0, 0.0, 0.0, lambda side: self._frame(index, state, side))
        asked = (lambda: True) if lacks_sketch(self._tools) else should_stop
        return optimise(self._tools.stage, state, config.steps, config.seconds, listen, asked, after_step)

    def _save(self, index: int, state: LoopState) -> None:
        self._metrics.flush()
        save_checkpoint(tile_checkpoint(self._folder, index), capture(self.config, self._tools, state))
        self._saved = time.monotonic()

    def _close(self, index: int, state: LoopState) -> None:
        """Keep a tile's end; one that was stopped before its first step has nothing to show."""
        self._save(index, state)
        if state.step or not self._done:
            self._note(index, cast(Collage, self._tools.stage.renderer), state.smoothed)

    def _so_far(self, index: int, state: LoopState) -> Workshop:
        """Return the whole with the tile that is being made."""
        best = 0 if state.smoothed is None else int(state.smoothed.argmin())
        tile = cast(Collage, self._tools.stage.renderer.candidate(best))
        return self._joined([*self._done, PlacedTile(tile, self.tiling.window(index, self._tile))])

    def _joined(self, tiles: list[PlacedTile]) -> Workshop:
        """Return tiles in one piece, as a workshop that can be written."""
        join(self._whole, tiles)
        here = self._tools.stage
        stage = Stage(self._whole, here.objective, self.canvas, self._ground, here.optimiser)
        return dataclasses.replace(self._tools, stage=stage, size=export_size(self.config, self.canvas))

    def _frame(self, index: int, state: LoopState, side: int) -> Image:
        return _fitted(self._so_far(index, state), side)

    def _finish(
        self, reason: Outcome, index: int, state: LoopState, elapsed: float, failure: RunError | None
    ) -> RunResult:
        """Write the whole as a run of its own, which can be exported and edited."""
        workshop = self._joined(self._done)
        loss = sum(self._losses) / len(self._losses)
        step = self._steps_done(index, state)
        origin = EditOptions(config=self.config, step=step, steps=0)
        config = self.whole_config.model_copy(update={"steps": max(1, step), "edited": origin})
        end = LoopState(
            make_optimiser(self._whole, config.optimiser), Streams(config.seed), Evolution(config.evolution)
        )
        end.step, end.lowest = step, loss
        end.smoothed = None if loss != loss else torch.tensor([loss])
        save_checkpoint(self._folder / CHECKPOINT, capture(config, workshop, end))
        pictures = write_pictures(self._folder, workshop, self.config, [0])
        seed = self.config.seed
        result = RunResult(self._folder, pictures[0], pictures, reason, loss, [loss], step, elapsed, seed)
        error = str(failure) if failure is not None else None
        report = write_report(result, self.config, workshop, error, self._whole.assets_used())
        write_atomically(self._folder / "run.json", report.encode())
        finish_film(self._timelapse, step, lambda side: _fitted(workshop, side), self._listener)
        return result


def _fitted(workshop: Workshop, side: int) -> Image:
    """Return the whole with a longer side of so many pixels."""
    factor = side / max(workshop.size)
    return finished_picture(workshop, 0, Size(*(max(1, round(each * factor)) for each in workshop.size)))
