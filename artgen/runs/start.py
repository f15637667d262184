"""The first state of a run: candidates at random, on a sketch, or the best of many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from artgen.config import RunConfig
from artgen.engine.events import Listener
from artgen.engine.evolution import Evolution, initial_search
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState
from artgen.export.png import write_png
from artgen.runs.setup import Workshop, start_candidates
from artgen.runs.sketch import Sketch, lacks_sketch, sketched

SKETCH = "sketch.png"
"""Name of the sketch's file in a run's folder."""


def first_state(
    workshop: Workshop,
    config: RunConfig,
    streams: Streams,
    listen: Listener,
    should_stop: Callable[[], bool],
) -> tuple[LoopState, Sketch | None]:
    """Return where a run begins, and the sketch if it wants one; None too if that was stopped.

    Args:
        workshop: the run's, with the first candidates.
        config: what to paint, and how.
        streams: new ones, from which the first candidates were drawn.
        listen: told what happens.
        should_stop: asked before every step of the sketch.
    """
    renderer = workshop.stage.renderer
    sketch = sketched(workshop, config, listen, should_stop)
    if sketch is not None and config.init is None and config.evolution.search <= 1:
        renderer.init_from(sketch.picture, streams["init"])
        renderer.to(workshop.device)
    if not lacks_sketch(workshop):
        search_start(workshop, config, streams)
    state = LoopState(make_optimiser(renderer, config.optimiser), streams, Evolution(config.evolution))
    state.elapsed = 0.0 if sketch is None else sketch.seconds
    return state, sketch


def sketch_late(
    workshop: Workshop,
    config: RunConfig,
    state: LoopState,
    listen: Listener,
    should_stop: Callable[[], bool],
) -> tuple[LoopState, Sketch | None]:
    """Return the same for a run that was stopped at its sketch; an edited run keeps its candidates."""
    if config.edited is not None:
        return state, sketched(workshop, config, listen, should_stop)
    streams = Streams(config.seed)
    start_candidates(workshop, config, streams["init"])
    return first_state(workshop, config, streams, listen, should_stop)


def write_sketch(folder: Path, sketch: Sketch | None) -> None:
    """Write a run's sketch, which `artgen rerun` can paint again."""
    if sketch is not None:
        write_png(folder / SKETCH, sketch.picture[0], sketch.config.to_json())


def search_start(workshop: Workshop, config: RunConfig, streams: Streams) -> None:
    """Try many random populations first, all with the same views, if asked to."""
    if config.evolution.search <= 1 or config.init is not None:
        return
    stage = workshop.stage
    shared = Streams(config.seed)

    def evaluate(renderer: Any) -> torch.Tensor:
        """Return [P] the losses of the renderer's candidates."""
        seed = shared["search"].initial_seed()
        views = [torch.Generator().manual_seed(seed) for _ in range(renderer.population)]
        return stage.objective(stage.background.opaque(renderer(stage.canvas)), views).losses

    initial_search(stage.renderer, evaluate, config.evolution.search, streams["init"])
