"""A sketch: a quick picture of the same words, which the elements of the run's own picture start from and follow.

Few large elements, moved by gradients from where chance put them, end in the nearest picture that the guides like,
ragged and full of what does not disturb them. A grid of cells finds a calm one in seconds; painters begin with an
underpainting for the same reason. The sketch is the picture that `artgen --renderer pixel` paints of the same
configuration and seed, with the renderer's own defaults. Its weight is that of the loss `sketch`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from artgen.config import RunConfig
from artgen.config.sections import EvolutionOptions
from artgen.engine.events import Listener, Notice, ignore
from artgen.engine.evolution import Evolution
from artgen.engine.loop import optimise
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState
from artgen.errors import InputError, RunError
from artgen.guides.precision import format_name
from artgen.runs.setup import Workshop, make_workshop, start_candidates
from artgen.types import Image

RENDERER = "pixel"
STEPS = 200
"""Most steps of a sketch; a run of fewer steps has a sketch of as many."""
SHARE = 0.2
"""Part of the time that a sketch takes of a run that is given seconds."""
ROLE = "sketch"
"""Name of the picture among those that losses look at."""


@dataclass(frozen=True)
class Sketch:
    """A finished sketch.

    Args:
        picture: [1, 3, h, w] in [0, 1], rounded to 8 bits as its file is.
        config: it can be painted with again.
        seconds: time it took.
    """

    picture: Image
    config: RunConfig
    seconds: float


def sketch_config(config: RunConfig, workshop: Workshop) -> RunConfig:
    """Return the configuration of the sketch for a run."""
    canvas = workshop.stage.canvas
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
        "losses": {name: weight for name, weight in config.losses.items() if name != ROLE},
        "edited": None,
    }
    return config.model_copy(update=values)


def sketched(
    workshop: Workshop,
    config: RunConfig,
    listen: Listener,
    should_stop: Callable[[], bool],
) -> Sketch | None:
    """Paint the sketch for a run and put it among the pictures its losses look at.

    Args:
        workshop: the run's, with the background it will be painted on.
        config: the run's.
        listen: told that there is a sketch.
        should_stop: asked before every step.

    Returns:
        The sketch, or None if the run wants none or was asked to stop before it was finished.
    """
    if not workshop.sketched:
        return None
    listen(Notice("a sketch first, in pixel art (--loss sketch=0 goes without)"))
    begun = time.monotonic()
    own = sketch_config(config, workshop)
    formats = {guide.name: format_name(guide.precision) for guide in workshop.guides}
    tools = make_workshop(own, formats, workshop.guides)
    stage = replace(tools.stage, background=workshop.stage.background)
    streams = Streams(own.seed)
    start_candidates(tools, own, streams["init"])
    state = LoopState(make_optimiser(stage.renderer, own.optimiser), streams, Evolution(own.evolution))
    try:
        reason = optimise(stage, state, own.steps, own.seconds, ignore, should_stop, lambda: None)
    except RunError as error:  # the candidates are whole; if it happens again, the run itself will fail
        listen(Notice(f"the sketch ended early: {error}"))
    else:
        if reason == "stopped":
            return None
    with torch.no_grad():
        picture = stage.background.opaque(stage.renderer(stage.canvas)).clamp(0, 1)
    pixels = (picture * 255).round().to(torch.uint8)
    lay_sketch(workshop, pixels)
    return Sketch(pixels.float().cpu() / 255, own, time.monotonic() - begun)


def lay_sketch(workshop: Workshop, pixels: Tensor) -> None:
    """Put a sketch, uint8 [1, 3, h, w], among the pictures that a run's losses look at.

    Raises:
        InputError: it is no picture.
    """
    if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[:2] != (1, 3) or not pixels.numel():
        raise InputError("the checkpoint's sketch is no picture; start the run again")
    objective = workshop.stage.objective
    picture = pixels.to(workshop.device).float() / 255
    pictures = {**objective.context.pictures, ROLE: picture}
    objective.context = replace(objective.context, pictures=pictures)


def lacks_sketch(workshop: Workshop) -> bool:
    """Return whether a run wants a sketch and has none yet."""
    return workshop.sketched and ROLE not in workshop.stage.objective.context.pictures


def sketch_of(workshop: Workshop) -> dict[str, Tensor]:
    """Return the sketch as a checkpoint keeps it, {} if there is none."""
    picture = workshop.stage.objective.context.pictures.get(ROLE)
    return {} if picture is None else {"picture": (picture * 255).round().to(torch.uint8)}
