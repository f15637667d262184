"""A run in one piece: from a configuration, from a checkpoint, or from given candidates."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from artgen.config import RunConfig
from artgen.engine.events import Event, Notice, Requests, Stage, Started, Stepped
from artgen.engine.loop import ending
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState, initial_state
from artgen.engine.view import candidate_picture
from artgen.renderers.base import Renderer
from artgen.runs.checkpoint import CHECKPOINT, load_newest, save_checkpoint
from artgen.runs.context import (
    RunContext,
    check_sizes,
    choose_formats,
    empty_renderer,
    make_context,
    start_candidates,
    use_threads,
)
from artgen.runs.defaults import resolve
from artgen.runs.device import device_notices, device_or_best
from artgen.runs.folder import claimed, make_folder, prepare_folder, write_configuration
from artgen.runs.inputs import fingerprints, require_known
from artgen.runs.metrics import Metrics
from artgen.runs.pictures import write_level, write_pictures
from artgen.runs.recorder import Recorder, Run, Summary, announce, conclude, optimise_recorded
from artgen.runs.report import Outcome
from artgen.runs.setting import Setting
from artgen.runs.sketch import sketch_share
from artgen.runs.start import begin
from artgen.runs.state import CheckpointHeader, capture, restore, saved_sketch
from artgen.runs.steering import Steering
from artgen.runs.work import Work
from artgen.types import Image


def paint_single(config: RunConfig, out: Path | None, force: bool, setting: Setting) -> Run:
    """Run a configuration from the start; see `artgen.runs.paint.painting`."""
    use_threads(config.threads)
    settings = resolve(config, guides=setting.guides)
    check_sizes(settings)
    choose_formats(settings)

    streams = Streams(config.seed)
    renderer = settings.build_renderer()
    start_candidates(renderer, settings, streams["init"])
    context = make_context(settings, renderer, fingerprints(config.local_files()))
    make_optimiser(renderer, config.optimiser)  # an unknown name shows before anything is written

    folder = make_folder(out, config.title, config.seed, force)
    return (yield from _paint_in(folder, context, streams, setting.requests))


def continue_from(
    start: Renderer,
    config: RunConfig,
    out: Path | None,
    setting: Setting,
    *,
    step: int = 0,
    force: bool = False,
) -> Run:
    """Run a configuration from given candidates, with fresh moments and random numbers.

    Args:
        start: the candidates, of the configuration's renderer; copied.
        config: what to paint.
        out: the run's own folder, or None for a new one in `runs`.
        setting: what the caller provides.
        step: number of steps that count as done; with `config.steps` only the pictures are written.
        force: replace what an earlier run left in `out`.

    Raises:
        ArtgenError: as `painting` does, or the candidates do not fit the configuration.
    """
    use_threads(config.threads)
    settings = resolve(config, guides=setting.guides)
    check_sizes(settings)
    choose_formats(settings)

    renderer = empty_renderer(settings)
    renderer.load_state(start.state())
    renderer.to(settings.device)
    context = make_context(settings, renderer, fingerprints(config.local_files()))

    folder = make_folder(out, config.title, config.seed, force)
    streams, requests = Streams(config.seed), setting.requests
    return (yield from _paint_in(folder, context, streams, requests, step, keep_candidates=True))


def _paint_in(
    folder: Path,
    context: RunContext,
    streams: Streams,
    requests: Requests,
    step: int = 0,
    keep_candidates: bool = False,
) -> Run:
    """Paint a new run in its folder."""
    config = context.settings.config
    steering = Steering(config, requests)
    with claimed(folder):
        prepare_folder(folder, config)
        idle = device_notices(config, context.settings.device)
        stopped = yield from announce(Started(folder, config.seed, step, config.steps), *idle)
        if stopped:
            state = initial_state(context.problem, config.evolution, streams)
        else:
            context, state = yield from begin(
                context, streams, steering, folder, keep_candidates=keep_candidates
            )
        state.step = step
        metrics = Metrics(folder, config.steps, step)
        return (yield from _run(folder, Work(context, state), steering, metrics, stopped))


def resume_single(folder: Path, open_files: bool, setting: Setting) -> Run:
    """Continue a run in one piece from its checkpoint; see `artgen.runs.paint.resuming`."""
    checkpoint = load_newest(folder / CHECKPOINT)
    header = CheckpointHeader.of(checkpoint)
    config = header.configuration()
    if not open_files:
        require_known(config.local_files(), header.inputs, folder)

    use_threads(header.threads)
    now = config.steered(header.turns)
    settings = resolve(now, guides=setting.guides, device=device_or_best(config.device))
    check_sizes(settings)
    choose_formats(settings, header.formats)
    header.require_guides(settings.guides)

    context = make_context(settings, empty_renderer(settings), fingerprints(config.local_files()))
    context = replace(context, budget=header.budget(now))
    sketch = saved_sketch(checkpoint, settings.wants_sketch)
    if sketch is not None:
        context = context.with_sketch(sketch)
    state = restore(checkpoint, context)
    steering = Steering(config, setting.requests)
    if config.steering:
        write_configuration(folder, config)  # a run killed at a turn may have written only its checkpoint

    metrics = Metrics(folder, config.steps, state.step)  # a damaged file shows before the run starts
    notices = device_notices(config, settings.device)
    if checkpoint.notice is not None:
        notices.append(Notice(checkpoint.notice))
    stopped = yield from announce(Started(folder, config.seed, state.step, config.steps), *notices)
    if context.lacks_sketch and not stopped:
        context, state = yield from _begin_again(folder, context, state, steering)
    return (yield from _run(folder, Work(context, state), steering, metrics, stopped))


def _begin_again(
    folder: Path, context: RunContext, state: LoopState, steering: Steering
) -> Generator[Event, None, tuple[RunContext, LoopState]]:
    """Begin a run that was stopped at its sketch; an edited run keeps its candidates."""
    config = context.settings.config
    if config.edited is not None:
        begun = yield from begin(context, state.streams, steering, folder, keep_candidates=True)
        begun[1].step = state.step
        return begun

    streams = Streams(config.seed)
    start_candidates(context.problem.renderer, context.settings, streams["init"])
    return (yield from begin(context, streams, steering, folder))


def _run(folder: Path, work: Work, steering: Steering, metrics: Metrics, stopped: bool) -> Run:
    """Optimise to the end, unless the run was stopped already, and write everything."""
    recorder = Recorder(folder, _SingleRun(folder, work, steering), metrics)

    reason: Outcome = "stopped"
    failure = None
    if not stopped and not work.context.lacks_sketch:
        placed = _placed_after_sketch(work.context)
        reason, failure = yield from optimise_recorded(work, recorder, steering.of(Stage()), placed)
    if reason == "stopped" and not work.context.lacks_sketch:
        reason = ending(work.context.problem, work.state, work.context.budget) or "stopped"
    return (yield from conclude(recorder, folder, reason, failure))


def _placed_after_sketch(context: RunContext) -> Callable[[Stepped], Stepped]:
    """Return a function that gives the event of a step its place in a run that began with a sketch."""
    share = sketch_share(context.settings) if context.sketch is not None else 0.0
    return lambda event: replace(event, overall=share + (1 - share) * event.progress)


class _SingleRun:
    """A run in one piece, as the recorder sees it; see `artgen.runs.recorder.Recorded`.

    Args:
        folder: the run's.
        work: the run.
        steering: its turns.
    """

    is_whole = True

    def __init__(self, folder: Path, work: Work, steering: Steering) -> None:
        self._folder = folder
        self._work = work
        self._steering = steering

    @property
    def config(self) -> RunConfig:
        """The configuration, with the turns so far."""
        return self._steering.config

    @property
    def step(self) -> int:
        """Number of steps done."""
        return self._work.state.step

    @property
    def used(self) -> float:
        """Fraction of the run that is done."""
        return self._work.used

    def frame(self, side: int) -> Image:
        """Return the best candidate of this moment."""
        return candidate_picture(self._work.context.problem, self._work.state.best_first()[0], side)

    def save(self) -> None:
        """Write a checkpoint."""
        save_checkpoint(self._folder / CHECKPOINT, capture(self.config, self._work.context, self._work.state))

    def write_pictures(self) -> list[Path]:
        """Write a picture of each candidate."""
        return write_pictures(self._folder, self._work.context, self.config, self._work.state.best_first())

    def write_level(self, before: float, now: float) -> None:
        """Write a picture where a level of a growing renderer ends."""
        levels = self._work.context.problem.renderer.levels
        if len(levels) < 2:
            return
        budget, step = self._work.context.budget, self._work.state.step
        if budget.since:  # the schedule no longer follows the used fraction
            before, now = budget.progress(step - 1, 0.0), budget.progress(step, 0.0)
        ended = min(int(now * len(levels) + 1e-9), len(levels))
        if ended > int(before * len(levels) + 1e-9):
            best = self._work.state.best_first()[0]
            write_level(self._folder, self._work.context, self.config, best, levels[ended - 1])

    def conclude(self) -> Summary:
        """Return what the report says."""
        state, order = self._work.state, self._work.state.best_first()
        losses = [float("nan")] * len(order)
        if state.smoothed is not None:
            losses = [float(state.smoothed[index]) for index in order]

        best = self._work.context.problem.renderer.candidate(order[0])
        return Summary(
            self._work.context, state.views_per_pass, losses, state.step, state.elapsed, best.assets_used()
        )
