"""A run's state as a checkpoint, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import ConfigDict, Field, ValidationError
from torch import Tensor

from artgen.config import RunConfig
from artgen.engine.evolution import Evolution
from artgen.engine.optimiser import load_moments, make_optimiser, moments
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState
from artgen.errors import InputError, broken_input
from artgen.guides.precision import format_name
from artgen.options import Options
from artgen.renderers.base import Feedback, Renderer
from artgen.runs.candidates import check_finite
from artgen.runs.checkpoint import Checkpoint
from artgen.runs.report import versions
from artgen.runs.setup import Workshop, population_of, settled, start_candidates
from artgen.runs.sketch import lay_sketch, sketch_of
from artgen.types import Size


class Facts(Options):
    """What a checkpoint says besides its tensors; checked before it is believed."""

    model_config = ConfigDict(extra="ignore")

    config: dict[str, Any]
    canvas: Size
    step: int = Field(ge=0)
    lowest: float | None
    waiting: int = Field(ge=0)
    elapsed: float = Field(ge=0)
    threads: int = Field(ge=1, le=1024)
    formats: dict[str, Literal["float32", "bfloat16"]]
    digests: dict[str, str]
    views_per_pass: int = Field(ge=1)
    inputs: dict[str, str] = Field({})
    versions: dict[str, str]

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Facts:
        """Return a checkpoint's facts.

        Raises:
            InputError: they are not those of a run.
        """
        try:
            return cls.model_validate(dict(checkpoint.facts))
        except ValidationError as error:
            wrong = ", ".join(str(each["loc"][0]) for each in error.errors(include_url=False)[:3])
            raise InputError(
                f"the checkpoint is damaged or of another program (in: {wrong}); start again"
            ) from None

    def configuration(self) -> RunConfig:
        """Return the description of the run.

        Raises:
            UsageError: it is of no use.
            InputError: the checkpoint's step is not one of this run.
        """
        config = settled(RunConfig.from_text(json.dumps(self.config)))
        self.require_step_of(config)
        return config

    def require_step_of(self, config: RunConfig) -> None:
        """Refuse a step past the end of the run; a run that is limited by time has no last step.

        Raises:
            InputError: the step is larger than the number of steps.
        """
        if config.seconds is None and self.step > config.steps:
            raise InputError(
                f"the checkpoint is at step {self.step} of a run of {config.steps} steps, so it is damaged; "
                "start the run again"
            )


def capture(config: RunConfig, workshop: Workshop, state: LoopState) -> Checkpoint:
    """Return everything the run needs to go on and end with the same bits.

    Raises:
        RunError: the last steps were not finite; the state is then one that was.
    """
    state.settle()
    stage = workshop.stage
    optimiser = {
        f"{name}/{key}": tensor
        for name, tensors in moments(stage.renderer, state.optimiser).items()
        for key, tensor in tensors.items()
    }
    loop = {} if state.smoothed is None else {"smoothed": state.smoothed}
    if state.feedback is not None:
        loop |= {"image": state.feedback.image, "gradient": state.feedback.gradient}
    facts = Facts(
        config=json.loads(config.to_json()),
        canvas=stage.canvas,
        step=state.step,
        lowest=state.lowest if state.smoothed is not None else None,
        waiting=state.waiting,
        elapsed=state.elapsed if config.seconds is not None else 0.0,
        threads=torch.get_num_threads(),
        formats={guide.name: format_name(guide.precision) for guide in workshop.guides},
        digests={guide.name: guide.digest for guide in workshop.guides},
        views_per_pass=stage.objective.views_per_pass,
        inputs=dict(workshop.inputs),
        versions=versions(),
    )
    groups = {
        "renderer": stage.renderer.state(),
        "optimiser": optimiser,
        "streams": state.streams.state(),
        "evolution": state.evolution.state(),
        "loop": loop,
        "sketch": sketch_of(workshop),
    }
    return Checkpoint(facts.model_dump(), groups)


def restore(checkpoint: Checkpoint, workshop: Workshop, config: RunConfig) -> LoopState:
    """Give the workshop's renderer the saved state, and return where the run stands.

    Raises:
        InputError: another guide, or a state that does not fit the configuration.
    """
    facts = Facts.of(checkpoint)
    facts.require_step_of(config)
    for guide in workshop.guides:
        # Checkpoints of earlier versions know a guide by its weights alone.
        if facts.digests.get(guide.name) not in (guide.digest, guide.weights_digest):
            raise InputError(
                f"the guide {guide.name!r} is not the one this run began with; use artgen rerun instead"
            )
    start_candidates(workshop, config.model_copy(update={"init": None}), torch.Generator().manual_seed(0))
    with broken_input("the checkpoint does not fit its configuration", "start the run again"):
        take_state(workshop.stage.renderer, checkpoint.tensors["renderer"], population_of(config))
        if workshop.sketched and ("loop" in checkpoint.tensors or "sketch" in checkpoint.tensors):
            lay_sketch(workshop, checkpoint.tensors["sketch"]["picture"])
        return _loop_state(checkpoint.tensors, facts, workshop, config)


def take_state(renderer: Renderer, state: Mapping[str, Tensor], population: int) -> None:
    """Load a renderer's state, and try it out.

    Raises:
        ArtgenError: the state is not one of this renderer's.
    """
    expected = renderer.state()
    for name, tensor in state.items():
        if name in expected and not _alike(tensor, expected[name], population, name in renderer.elastic):
            raise InputError(f"the checkpoint's {name!r} does not fit its configuration; start the run again")
    renderer.load_state(state)
    check_finite(renderer)


def _alike(tensor: Tensor, expected: Tensor, population: int, elastic: bool) -> bool:
    """Return whether a saved tensor may stand for this one.

    Only the number of elements may differ, and if it is elastic the length of each.
    """
    same_kind = tensor.dtype == expected.dtype and tensor.dim() == expected.dim()
    first = 3 if elastic else 2
    return same_kind and len(tensor) == population and tensor.shape[first:] == expected.shape[first:]


def _loop_state(
    tensors: Mapping[str, Mapping[str, Tensor]], facts: Facts, workshop: Workshop, config: RunConfig
) -> LoopState:
    renderer = workshop.stage.renderer
    optimiser = make_optimiser(renderer, config.optimiser)
    by_parameter: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.get("optimiser", {}).items():
        parameter, _, key = name.rpartition("/")
        if tensor.dim() and tensor.shape != renderer.get_parameter(parameter).shape:
            raise InputError(f"the checkpoint's moments of {parameter!r} do not fit; start the run again")
        by_parameter.setdefault(parameter, {})[key] = tensor
    load_moments(renderer, optimiser, by_parameter)
    streams, evolution = Streams(config.seed), Evolution(config.evolution)
    streams.load_state(tensors.get("streams", {}))
    evolution.load_state(tensors.get("evolution", {}))
    loop = tensors.get("loop", {})
    state = LoopState(optimiser, streams, evolution, facts.step, facts.elapsed, loop.get("smoothed"))
    if "image" in loop:
        state.feedback = Feedback(loop["image"].to(workshop.device), loop["gradient"].to(workshop.device))
    return replace(
        state, lowest=float("inf") if facts.lowest is None else facts.lowest, waiting=facts.waiting
    )
