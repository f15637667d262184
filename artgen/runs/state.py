"""The state of a run as a checkpoint, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import ConfigDict, Field, ValidationError
from torch import Tensor

from artgen.config import RunConfig
from artgen.engine.optimiser import load_moments, moments
from artgen.engine.problem import Budget
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState, initial_state
from artgen.errors import InputError, broken_input
from artgen.guides.base import Guide
from artgen.guides.precision import format_name
from artgen.options import Options
from artgen.renderers.base import Feedback, Renderer
from artgen.runs.candidates import check_finite
from artgen.runs.checkpoint import Checkpoint
from artgen.runs.context import RunContext
from artgen.runs.report import versions
from artgen.types import Image, Size


class CheckpointHeader(Options):
    """What a checkpoint says besides its tensors; validated before it is used."""

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
    turns: int = Field(0, ge=0)
    since: int = Field(0, ge=0)
    reached: float = Field(0.0, ge=0, le=1)
    inputs: dict[str, str] = Field({})
    versions: dict[str, str]

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> CheckpointHeader:
        """Return the header of a checkpoint.

        Raises:
            InputError: it is not that of a run.
        """
        try:
            return cls.model_validate(dict(checkpoint.facts))
        except ValidationError as error:
            wrong = ", ".join(str(each["loc"][0]) for each in error.errors(include_url=False)[:3])
            raise InputError(
                f"the checkpoint is damaged or of another program (in: {wrong}); start again"
            ) from None

    def configuration(self) -> RunConfig:
        """Return the configuration of the run.

        Raises:
            UsageError: it is invalid.
            InputError: the step of the checkpoint is not one of this run.
        """
        config = RunConfig.from_text(json.dumps(self.config))
        self.require_step_of(config)
        return config

    def require_step_of(self, config: RunConfig) -> None:
        """Refuse a step past the end of the run; a run that is limited by time has no last step.

        Raises:
            InputError: the step is larger than the number of steps.
        """
        if config.seconds is None and self.step > config.most_steps:
            raise InputError(
                f"the checkpoint is at step {self.step} of a run of {config.most_steps} steps, so it is "
                "damaged; start the run again"
            )

    def budget(self, config: RunConfig) -> Budget:
        """Return how long the run takes, and how far its schedules are.

        Args:
            config: the configuration after the turns that were made.
        """
        return Budget(config.steps, config.seconds, self.since, self.reached)

    def require_guides(self, guides: list[Guide]) -> None:
        """Refuse guides other than those the run began with.

        Raises:
            InputError: a guide has other weights.
        """
        for guide in guides:
            # Checkpoints of earlier versions know a guide by its weights alone.
            if self.digests.get(guide.name) not in (guide.digest, guide.weights_digest):
                raise InputError(
                    f"the guide {guide.name!r} is not the one this run began with; use artgen rerun instead"
                )


def capture(config: RunConfig, context: RunContext, state: LoopState) -> Checkpoint:
    """Return everything the run needs to continue and end with the same bits.

    Args:
        config: what the checkpoint records as its configuration; for a tile that of the whole picture.
        context: what the run works with.
        state: its state between two steps.

    Raises:
        RunError: the last steps were not finite; the state is then one that was.
    """
    problem = context.problem
    state.finite.read(problem, state)

    header = CheckpointHeader(
        config=json.loads(config.to_json()),
        canvas=problem.canvas,
        step=state.step,
        lowest=state.lowest if math.isfinite(state.lowest) else None,
        waiting=state.waiting,
        elapsed=state.elapsed if config.seconds is not None else 0.0,
        threads=torch.get_num_threads(),
        formats={guide.name: format_name(guide.precision) for guide in context.guides},
        digests={guide.name: guide.digest for guide in context.guides},
        views_per_pass=state.views_per_pass,
        turns=state.turns,
        since=context.budget.since,
        reached=context.budget.reached,
        inputs=dict(context.inputs),
        versions=versions(),
    )
    groups = {
        "renderer": problem.renderer.state(),
        "optimiser": _flat_moments(problem.renderer, state),
        "streams": state.streams.state(),
        "evolution": state.evolution.state(),
        "loop": _loop_tensors(state),
        "sketch": {} if context.sketch is None else {"picture": to_bytes(context.sketch)},
    }
    return Checkpoint(header.model_dump(), groups)


def _flat_moments(renderer: Renderer, state: LoopState) -> dict[str, Tensor]:
    flat = {}
    for name, tensors in moments(renderer, state.optimiser).items():
        for key, tensor in tensors.items():
            flat[f"{name}/{key}"] = tensor
    return flat


def _loop_tensors(state: LoopState) -> dict[str, Tensor]:
    loop = {}
    if state.smoothed is not None:
        loop["smoothed"] = state.smoothed
    if state.feedback is not None:
        loop |= {"image": state.feedback.image, "gradient": state.feedback.gradient}
    return loop


def to_bytes(picture: Image) -> Tensor:
    """Return a picture in [0, 1] as uint8."""
    return (picture * 255).round().to(torch.uint8)


def saved_sketch(checkpoint: Checkpoint, wanted: bool) -> Image | None:
    """Return the sketch in a checkpoint, [1, 3, h, w] in [0, 1]; None if the run had none yet.

    Args:
        checkpoint: of the run.
        wanted: whether a loss compares the picture with it now; a turn may have ended that.

    Raises:
        InputError: it is missing although the run has taken steps, or it is not a picture.
    """
    tensors = checkpoint.tensors
    if "sketch" not in tensors and ("loop" not in tensors or not wanted):
        return None

    pixels = tensors.get("sketch", {}).get("picture")
    is_picture = (
        pixels is not None
        and pixels.dtype == torch.uint8
        and pixels.dim() == 4
        and pixels.shape[:2] == (1, 3)
        and pixels.numel() > 0
    )
    if pixels is None or not is_picture:
        raise InputError("the sketch in the checkpoint is not a picture; start the run again")
    return pixels.float() / 255


def restore(checkpoint: Checkpoint, context: RunContext) -> LoopState:
    """Give the renderer of the context, which has placeholder candidates, the saved state.

    Returns:
        The state of the loop.

    Raises:
        InputError: the state does not fit the configuration.
    """
    header = CheckpointHeader.of(checkpoint)
    settings, problem = context.settings, context.problem
    header.require_step_of(settings.config)

    with broken_input("the checkpoint does not fit its configuration", "start the run again"):
        take_state(problem.renderer, checkpoint.tensors["renderer"], settings.population)
        state = initial_state(problem, settings.config.evolution, Streams(settings.config.seed))
        _load_moments(problem.renderer, state, checkpoint.tensors.get("optimiser", {}))
        state.streams.load_state(checkpoint.tensors.get("streams", {}))
        state.evolution.load_state(checkpoint.tensors.get("evolution", {}))

        state.smoothed = smoothed_losses(checkpoint, settings.population)
        loop = checkpoint.tensors.get("loop", {})
        if "image" in loop:
            image, gradient = loop["image"], loop["gradient"]
            if image.shape != gradient.shape or image.shape[:2] != (settings.population, 3):
                raise InputError("the checkpoint's last picture does not fit; start the run again")
            state.feedback = Feedback(image.to(settings.device), gradient.to(settings.device))

    state.views_per_pass = header.views_per_pass
    state.step, state.elapsed, state.waiting = header.step, header.elapsed, header.waiting
    state.turns = header.turns
    if header.lowest is not None:
        state.lowest = header.lowest
    return state


def smoothed_losses(checkpoint: Checkpoint, population: int) -> Tensor | None:
    """Return the smoothed losses in a checkpoint, [P]; None if the run had taken no steps.

    Raises:
        InputError: they are not one number for each candidate.
    """
    losses = checkpoint.tensors.get("loop", {}).get("smoothed")
    if losses is not None and (losses.shape != (population,) or not losses.is_floating_point()):
        raise InputError("the losses in the checkpoint do not fit its configuration; start the run again")
    return losses


def take_state(renderer: Renderer, state: Mapping[str, Tensor], population: int) -> None:
    """Load the state of a renderer, and render it once as a check.

    Raises:
        ArtgenError: the state is not one of this renderer's.
    """
    expected = renderer.state()
    for name, tensor in state.items():
        if name not in expected:
            continue  # `load_state` names the wrong ones
        if not _fits(tensor, expected[name], population, name in renderer.elastic):
            raise InputError(f"the checkpoint's {name!r} does not fit its configuration; start the run again")
    renderer.load_state(state)
    check_finite(renderer)


def _fits(tensor: Tensor, expected: Tensor, population: int, elastic: bool) -> bool:
    """Return whether a saved tensor can take the place of another.

    Only the number of elements may differ, and for elastic tensors the length of each.
    """
    same_kind = tensor.dtype == expected.dtype and tensor.dim() == expected.dim()
    first = 3 if elastic else 2
    return same_kind and len(tensor) == population and tensor.shape[first:] == expected.shape[first:]


def _load_moments(renderer: Renderer, state: LoopState, saved: Mapping[str, Tensor]) -> None:
    by_parameter: dict[str, dict[str, Tensor]] = {}
    for name, tensor in saved.items():
        parameter, _, key = name.rpartition("/")
        if tensor.dim() and tensor.shape != renderer.get_parameter(parameter).shape:
            raise InputError(f"the checkpoint's moments of {parameter!r} do not fit; start the run again")
        by_parameter.setdefault(parameter, {})[key] = tensor
    load_moments(renderer, state.optimiser, by_parameter)
