"""The first state of a run: random candidates, candidates on a sketch, or the best of many."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch

from artgen.engine.events import Event, StopRequested
from artgen.engine.evolution import initial_search
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState, initial_state
from artgen.renderers.base import Renderer
from artgen.runs.context import RunContext
from artgen.runs.sketch import paint_sketch, write_sketch
from artgen.runs.steering import Steering
from artgen.types import PerCandidate


def begin(
    context: RunContext,
    streams: Streams,
    steering: Steering,
    folder: Path | None = None,
    *,
    keep_candidates: bool = False,
) -> Generator[Event, None, tuple[RunContext, LoopState]]:
    """Paint the sketch if the run wants one, and return what the run works with and its first state.

    If a stop is requested while the sketch is painted, the context lacks its sketch.

    Args:
        context: the run's; its renderer has its first candidates.
        streams: random number generators, from which the candidates were drawn.
        steering: the run's turns, those in the sketch among them.
        folder: where the sketch is written, None to keep it in memory only.
        keep_candidates: start from the candidates as they are, not from the sketch.
    """
    settings = context.settings
    config, problem = settings.config, context.problem
    elapsed = 0.0

    if settings.wants_sketch:
        try:
            sketch = yield from paint_sketch(settings, problem.background, steering, folder)
        except StopRequested:
            return context, initial_state(problem, config.evolution, streams)

        context, elapsed = context.with_sketch(sketch.picture), sketch.seconds
        if folder is not None:
            write_sketch(folder, sketch)
        if not keep_candidates and config.init is None and config.evolution.search <= 1:
            problem.renderer.init_from(sketch.picture, streams["init"])
            problem.renderer.to(settings.device)

    if not keep_candidates:
        search_start(context, streams)
    state = initial_state(context.problem, config.evolution, streams)
    state.elapsed = elapsed
    return context, state


def search_start(context: RunContext, streams: Streams) -> None:
    """Try many random populations, all with the same cutouts, if the configuration asks for it."""
    config, problem = context.settings.config, context.problem
    if config.evolution.search <= 1 or config.init is not None:
        return
    seed = Streams(config.seed)["search"].initial_seed()

    def evaluate(renderer: Renderer) -> PerCandidate:
        """Return the losses of the renderer's candidates."""
        generators = [torch.Generator().manual_seed(seed) for _ in range(renderer.population)]
        return problem.objective(problem.background.opaque(renderer(problem.canvas)), generators).losses

    initial_search(problem.renderer, evaluate, config.evolution.search, streams["init"])
