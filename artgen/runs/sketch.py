"""A sketch: a quick picture of the same words, on which a collage starts and which it follows.

With only a few large elements, gradient descent stops at the nearest picture the guides accept, often a
ragged one. A grid of cells finds a clean picture in seconds. The sketch is the picture that
`artgen --renderer pixel` paints of the same configuration and seed, with the defaults of that renderer.
Its weight is that of the loss `sketch`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from artgen.config import EvolutionOptions, RunConfig
from artgen.config.steering import of_stage
from artgen.engine.events import Event, Notice, Stage, Stepped
from artgen.engine.randomness import Streams
from artgen.engine.state import initial_state
from artgen.errors import RunError
from artgen.export.png import write_png
from artgen.guides.precision import format_name
from artgen.renderers.background import Background
from artgen.runs.branches import keep_branch
from artgen.runs.checkpoint import Checkpoint
from artgen.runs.context import (
    SKETCH_ROLE,
    RunContext,
    choose_formats,
    make_context,
    start_candidates,
)
from artgen.runs.defaults import ResolvedConfig, resolve
from artgen.runs.folder import write_configuration
from artgen.runs.state import to_bytes
from artgen.runs.steering import Steering, optimise_steered
from artgen.runs.work import Work
from artgen.types import Image

RENDERER = "pixel"
STEPS = 200
"""Most steps of a sketch; a run of fewer steps has a sketch of as many."""
SHARE = 0.2
"""Fraction of the time that a sketch takes in a run limited by seconds."""
FILE = "sketch.png"
"""Name of the sketch's file in the folder of a run."""


@dataclass(frozen=True)
class Sketch:
    """A finished sketch.

    Args:
        picture: [1, 3, h, w] in [0, 1], rounded to 8 bits as its file is.
        config: paints it again.
        seconds: time it took.
    """

    picture: Image
    config: RunConfig
    seconds: float


def sketch_config(settings: ResolvedConfig) -> RunConfig:
    """Return the configuration of the sketch for a run."""
    config, canvas = settings.config, settings.canvas
    values = {
        "renderer": RENDERER,
        "options": {},
        "canvas": None,
        "size": None,
        "aspect": canvas.width / canvas.height,
        "steps": min(STEPS, config.steps),
        "seconds": None if config.seconds is None else SHARE * config.seconds,
        "population": 1,
        "evolution": EvolutionOptions(),
        "init": None,
        "losses": {name: weight for name, weight in config.losses.items() if name != SKETCH_ROLE},
        "edited": None,
        "steering": of_stage(config.steering, "sketch"),
    }
    return config.model_copy(update=values)


def sketch_share(settings: ResolvedConfig) -> float:
    """Return the fraction of a run that its sketch takes."""
    config = settings.config
    if config.seconds is not None:
        return SHARE
    steps = min(STEPS, config.steps)
    return steps / (steps + config.steps)


def paint_sketch(
    settings: ResolvedConfig, background: Background, steering: Steering, folder: Path | None
) -> Generator[Event, None, Sketch]:
    """Paint the sketch for a run, yielding an event after each step.

    Args:
        settings: the run's, which wants a sketch; the number formats of its guides are chosen.
        background: what the run is painted on.
        steering: the run's turns.
        folder: the run's, where turns are written down; None to keep them in memory only.
    """
    yield Notice("a sketch first, in pixel art (--loss sketch=0 goes without)")
    context = _sketch_context(settings, background)
    own = context.settings.config
    streams = Streams(own.seed)
    start_candidates(context.problem.renderer, context.settings, streams["init"])
    work = Work(context, initial_state(context.problem, own.evolution, streams))

    stage, share = Stage("sketch"), sketch_share(settings)
    try:
        for event in optimise_steered(work, steering.of(stage), _SketchKeeper(steering, folder)):
            if isinstance(event, Stepped):
                event = replace(event, stage=stage, overall=share * event.progress)
            yield event
    except RunError as error:
        # The candidates are intact. If the cause is still there, the run itself will fail.
        yield Notice(f"the sketch ended early: {error}")

    own = own.model_copy(update={"steering": steering.turns_of("sketch", None)})
    return Sketch(_picture(work.context), own, work.state.elapsed)


class _SketchKeeper:
    """Writes the configuration when the sketch was steered; see `artgen.runs.steering.Keeper`.

    A sketch has no checkpoints: a run that is killed meanwhile starts it again, with the turns so far.

    Args:
        steering: the run's turns.
        folder: the run's, None to write nothing.
    """

    def __init__(self, steering: Steering, folder: Path | None) -> None:
        self._steering = steering
        self._folder = folder

    def before_turn(self, checkpoint: Checkpoint, name: str) -> None:
        """Keep nothing: a branch paints the sketch again."""

    def after_turn(self) -> None:
        """Write the configuration."""
        if self._folder is not None:
            write_configuration(self._folder, self._steering.config)

    def before_undo(self, checkpoint: Checkpoint) -> None:
        """Keep the configuration with the turn that is taken back."""
        if self._folder is not None:
            keep_branch(self._folder, checkpoint, whole=False)

    def after_undo(self) -> None:
        """Write the configuration."""
        self.after_turn()


def _sketch_context(settings: ResolvedConfig, background: Background) -> RunContext:
    """Return what the sketch works with: its own renderer, and the run's guides and background."""
    own = resolve(sketch_config(settings), guides=settings.guides or None, device=settings.device)
    choose_formats(own, {guide.name: format_name(guide.precision) for guide in settings.guides})
    return make_context(own, own.build_renderer(), {}, background=background)


@torch.no_grad()
def _picture(context: RunContext) -> Image:
    problem = context.problem
    picture = problem.background.opaque(problem.renderer(problem.canvas)).clamp(0, 1)
    return to_bytes(picture).float().cpu() / 255


def write_sketch(folder: Path, sketch: Sketch | None) -> None:
    """Write the sketch of a run as a picture that `artgen rerun` can paint again."""
    if sketch is not None:
        write_png(folder / FILE, sketch.picture[0], sketch.config.to_json())
