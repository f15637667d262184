"""Painting: a configuration in, a folder with the finished picture out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from artgen.config import RunConfig
from artgen.engine.events import Event, Finished, Listener, Notice, Started, Stepped, ignore
from artgen.engine.evolution import Evolution
from artgen.engine.loop import optimise
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState
from artgen.errors import RunError
from artgen.export.timelapse import Timelapse
from artgen.files import write_atomically
from artgen.renderers.base import Renderer
from artgen.runs.checkpoint import CHECKPOINT, load_newest, save_checkpoint
from artgen.runs.folder import claimed, clear_outputs, make_folder
from artgen.runs.inputs import require_known
from artgen.runs.metrics import Metrics
from artgen.runs.pictures import finished_picture, write_level, write_pictures
from artgen.runs.report import Outcome, RunResult, write_report
from artgen.runs.setup import Workshop, make_workshop, population_of, settled, start_candidates
from artgen.runs.sketch import Sketch, lacks_sketch, sketched
from artgen.runs.start import first_state, sketch_late, write_sketch
from artgen.runs.state import Facts, capture, restore
from artgen.types import Image


def paint(
    config: RunConfig,
    out: Path | None = None,
    *,
    force: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run a configuration from the start.

    Args:
        config: what to paint, and how.
        out: the run's own folder; `runs/<date>-<slug>-<seed>` if None.
        force: replace what an earlier run left in `out`.
        listen: told what happens.
        should_stop: asked before every step; the picture of that moment is kept.

    Raises:
        ArtgenError: with one line that names the cure.

    Example:
        >>> result = paint(RunConfig(prompts="a blue rabbit", seed=1))   # doctest: +SKIP
        >>> result.picture                                               # doctest: +SKIP
    """
    config = settled(config)
    if config.edited is not None:
        from artgen.runs.edit import repeat

        return repeat(config, out, force=force, listen=listen, should_stop=should_stop)
    if config.tiling() is not None:
        from artgen.runs.tiled import paint_tiles

        return paint_tiles(config, out, force, listen, should_stop)
    use_threads(config.threads)
    workshop = make_workshop(config)
    streams = Streams(config.seed)
    start_candidates(workshop, config, streams["init"])
    make_optimiser(workshop.stage.renderer, config.optimiser)  # what is wrong shows before anything is made
    folder = make_folder(out, config.title, config.seed, force)
    with claimed(folder):
        state, sketch = first_state(workshop, config, streams, listen, should_stop)
        return _begin(config, folder, workshop, state, listen, should_stop, sketch)


def _begin(
    config: RunConfig,
    folder: Path,
    workshop: Workshop,
    state: LoopState,
    listen: Listener,
    should_stop: Callable[[], bool],
    sketch: Sketch | None,
) -> RunResult:
    """Make a new run in a folder that is claimed."""
    clear_outputs(folder)
    write_atomically(folder / "config.yaml", config.to_yaml().encode())
    write_sketch(folder, sketch)
    return _Run(config, folder, workshop, state, listen).go(should_stop)


def resume(
    folder: Path,
    *,
    open_files: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Go on with a run from its checkpoint; it ends with the bits of an uninterrupted run.

    If the checkpoint is damaged, the run continues from the one before it, and a notice says so.

    Args:
        folder: the run's.
        open_files: open the local files the run names even if they are not those it began with.
        listen: told what happens.
        should_stop: asked before every step; the picture of that moment is kept.

    Raises:
        InputError: the folder has no intact checkpoint, or one that does not fit.
        UsageError: it names files with another content than the run began with.
    """
    from artgen.runs.tiled import is_tiled, resume_tiles

    with claimed(folder):
        if is_tiled(folder):
            return resume_tiles(folder, open_files, listen, should_stop)
        return _resume(folder, open_files, listen, should_stop)


def _resume(folder: Path, open_files: bool, listen: Listener, should_stop: Callable[[], bool]) -> RunResult:
    """Go on with a run in one piece; see `resume`."""
    checkpoint = load_newest(folder / CHECKPOINT, listen)
    facts = Facts.of(checkpoint)
    config = facts.configuration()
    if not open_files:
        require_known(config.local_files(), facts.inputs, folder)
    use_threads(facts.threads)
    workshop = make_workshop(config, facts.formats)
    workshop.stage.objective.views_per_pass = facts.views_per_pass
    state = restore(checkpoint, workshop, config)
    if lacks_sketch(workshop):
        state, sketch = sketch_late(workshop, config, state, listen, should_stop)
        write_sketch(folder, sketch)
    return _Run(config, folder, workshop, state, listen).go(should_stop)


def continue_from(
    start: Renderer,
    config: RunConfig,
    out: Path | None = None,
    *,
    step: int = 0,
    force: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run a configuration from candidates that there are already, with fresh moments and random numbers.

    Args:
        start: the candidates, of the configuration's renderer; copied.
        config: what to paint, and how.
        out: as in `paint`.
        step: number of steps that count as done; with `config.steps` the pictures are only written.
        force: as in `paint`.
        listen: as in `paint`.
        should_stop: as in `paint`.

    Raises:
        ArtgenError: as `paint` does, or the candidates do not fit the configuration.
    """
    use_threads(config.threads)
    workshop = make_workshop(config)
    renderer = workshop.stage.renderer
    renderer.init(population_of(config), torch.Generator().manual_seed(config.seed))
    renderer.load_state(start.state())
    renderer.to(workshop.device)
    optimiser = make_optimiser(renderer, config.optimiser)
    state = LoopState(optimiser, Streams(config.seed), Evolution(config.evolution), step=step)
    folder = make_folder(out, config.title, config.seed, force)
    with claimed(folder):
        sketch = sketched(workshop, config, listen, should_stop)
        return _begin(config, folder, workshop, state, listen, should_stop, sketch)


class _Run:
    """One sitting of a run: the loop, with its checkpoints and files.

    Args:
        config: the run's description.
        folder: where its files go.
        workshop: what it works with.
        state: where it stands.
        listen: told what happens.
    """

    def __init__(
        self, config: RunConfig, folder: Path, workshop: Workshop, state: LoopState, listen: Listener
    ) -> None:
        self.config = config
        self.folder = folder
        self.workshop = workshop
        self.state = state
        self.metrics = Metrics(folder / "metrics.jsonl", config.steps, state.step)
        self.timelapse = Timelapse(folder, config.timelapse, state.step)
        self._listener = listen
        self._last_checkpoint = time.monotonic()
        self._progress = (
            state.step / config.steps if config.seconds is None else state.elapsed / config.seconds
        )

    def go(self, should_stop: Callable[[], bool]) -> RunResult:
        """Optimise to the end, and write everything."""
        self._listener(Started(self.folder, self.config.seed, self.state.step, self.config.steps))
        failure: RunError | None = None
        reason: Outcome
        try:
            self.timelapse.note(self.state.step, 0.0, 0.0, self._frame)
            reason = optimise(
                self.workshop.stage,
                self.state,
                self.config.steps,
                self.config.seconds,
                self._listen,
                (lambda: True) if lacks_sketch(self.workshop) else should_stop,
                self._after_step,
            )
        except RunError as error:
            failure, reason = error, "failed"
        result = self._finish(reason, failure)
        if failure is not None:
            raise failure
        self._listener(Finished(self.folder, reason))
        return result

    def _listen(self, event: Event) -> None:
        if isinstance(event, Stepped):
            self.metrics.note(event)
            self.timelapse.note(event.step, self._progress, event.progress, self._frame)
            self._note_level(self._progress, event.progress)
            self._progress = event.progress
        self._listener(event)

    def _note_level(self, before: float, now: float) -> None:
        """Write a picture where a level of a growing renderer ends."""
        levels = self.workshop.stage.renderer.levels
        ended = min(int(now * len(levels) + 1e-9), len(levels))
        if len(levels) > 1 and ended > int(before * len(levels) + 1e-9):
            index = _best_first(self.state)[0]
            write_level(self.folder, self.workshop, self.config, index, levels[ended - 1])

    def _frame(self, side: int) -> Image:
        """Return the best candidate of this moment, with the film's longer side."""
        size = self.workshop.size
        factor = side / max(size)
        fitted = type(size)(*(max(1, round(each * factor)) for each in size))
        return finished_picture(self.workshop, _best_first(self.state)[0], fitted)

    def _after_step(self) -> None:
        if time.monotonic() - self._last_checkpoint >= self.config.snapshots.checkpoint_seconds:
            self.checkpoint()
        every = self.config.snapshots.picture_steps
        if every is not None and self.state.step % every == 0:
            self._write_pictures()

    def checkpoint(self) -> None:
        """Write the metrics so far and a checkpoint."""
        self.metrics.flush()
        save_checkpoint(self.folder / CHECKPOINT, capture(self.config, self.workshop, self.state))
        self._last_checkpoint = time.monotonic()

    def _write_pictures(self) -> list[Path]:
        order = _best_first(self.state)
        return write_pictures(self.folder, self.workshop, self.config, order)

    def _finish(self, reason: Outcome, failure: RunError | None) -> RunResult:
        self.checkpoint()
        pictures = self._write_pictures()
        order = _best_first(self.state)
        smoothed = self.state.smoothed
        losses = (
            [float(smoothed[index]) for index in order]
            if smoothed is not None
            else [float("nan")] * len(order)
        )
        result = RunResult(
            self.folder,
            pictures[0],
            pictures,
            reason,
            losses[0],
            losses,
            self.state.step,
            self.state.elapsed,
            self.config.seed,
        )
        credits = self.workshop.stage.renderer.candidate(order[0]).assets_used()
        report = write_report(result, self.config, self.workshop, str(failure) if failure else None, credits)
        write_atomically(self.folder / "run.json", report.encode())
        finish_film(self.timelapse, self.state.step, self._frame, self._listener)
        return result


def finish_film(timelapse: Timelapse, step: int, draw: Callable[[int], Image], listen: Listener) -> None:
    """Write the film; a film that fails does not spoil a picture that is done."""
    try:
        timelapse.add(step, draw)
        timelapse.finish()
    except RunError as error:
        listen(Notice(str(error)))


def _best_first(state: LoopState) -> list[int]:
    if state.smoothed is None:
        return [0]
    return [int(index) for index in state.smoothed.argsort(stable=True)]


def use_threads(threads: int | None) -> None:
    """Compute on so many CPU threads; leave it to torch if None."""
    if threads is not None:
        torch.set_num_threads(threads)
