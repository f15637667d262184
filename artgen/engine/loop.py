"""The only loop: judge, follow the gradient, constrain, evolve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from artgen.config import OptimiserOptions
from artgen.engine.events import Figures, Listener, Notice, Stepped
from artgen.engine.ground import Ground
from artgen.engine.memory import is_out_of_memory, memory_reported
from artgen.engine.optimiser import (
    carry_elements,
    clip_candidates_,
    gradient_squares,
    load_moments,
    make_optimiser,
    moments,
    set_rates,
)
from artgen.engine.state import LoopState, settled_already
from artgen.engine.watch import Watch
from artgen.errors import RunError
from artgen.guides.objective import Judgement, Objective
from artgen.renderers.base import Feedback, Renderer
from artgen.types import Image, Size

LAST_ROUND = 2 / 3
"""Part of a run after which candidates are not replaced: a mutant needs time, and steps that are not yet short."""

Reason = Literal["done", "plateau", "stopped"]


@dataclass(frozen=True)
class Stage:
    """The things a run works with, which do not change.

    Args:
        renderer: makes the pictures.
        objective: judges them.
        canvas: size that is optimised.
        ground: what is behind and around the picture.
        optimiser: rates, schedule, clipping, patience.
        every: steps between two readings of figures from the device; see `artgen.engine.watch`.
    """

    renderer: Renderer
    objective: Objective
    canvas: Size
    ground: Ground
    optimiser: OptimiserOptions
    every: int = 1


def optimise(
    stage: Stage,
    state: LoopState,
    steps: int,
    seconds: float | None,
    listen: Listener,
    should_stop: Callable[[], bool],
    after_step: Callable[[], None],
) -> Reason:
    """Optimise until the steps or seconds are used up, nothing is gained, or a stop is asked for.

    Args:
        stage: what to work with.
        state: where to begin; changed in place.
        steps: number of steps in all.
        seconds: time in all, instead of `steps`.
        listen: told of every step.
        should_stop: asked before every step.
        after_step: called after every step (checkpoints).

    Returns:
        Why it ended.

    Raises:
        RunError: the loss is not finite; the candidates are those of the step before, or on a
            GPU those of the last reading.
    """
    watch = Watch(stage.renderer, state, stage.optimiser, stage.every)
    state.settle = watch.read
    try:
        reason = _repeat(stage, state, watch, steps, seconds, listen, should_stop, after_step)
    except Exception:
        watch.read()  # what is not finite may be why
        raise
    else:
        watch.read()
        return reason
    finally:
        state.settle = settled_already  # in a circle with the watch, textures would stay until a collection


def _repeat(
    stage: Stage,
    state: LoopState,
    watch: Watch,
    steps: int,
    seconds: float | None,
    listen: Listener,
    should_stop: Callable[[], bool],
    after_step: Callable[[], None],
) -> Reason:
    """Make steps until there is a reason to end; see `optimise`."""
    begun = time.monotonic() - state.elapsed
    while True:
        progress = state.step / steps if seconds is None else state.elapsed / seconds
        if progress >= 1:
            return "done"
        if should_stop():
            return "stopped"
        if stage.optimiser.patience is not None and state.waiting >= stage.optimiser.patience:
            return "plateau"
        judgement = _step(stage, state, progress, listen, watch)
        watch.end()
        state.elapsed = time.monotonic() - begun
        done = state.step / steps if seconds is None else min(state.elapsed / seconds, 1.0)
        listen(Stepped(state.step, done, Figures(judgement.losses, judgement.terms)))
        after_step()


def _step(
    stage: Stage, state: LoopState, progress: float, listen: Listener, watch: Watch | None = None
) -> Judgement:
    renderer = stage.renderer
    watch = watch or Watch(renderer, state, stage.optimiser, every=1)
    watch.begin()
    _advance(stage, state, progress)
    set_rates(state.optimiser, stage.optimiser, progress)
    with memory_reported("use a smaller --canvas or --population"):
        canvas = renderer(stage.canvas)
        image = stage.ground.judged(canvas, state.streams.views(len(canvas)))
    judgement = _judge(stage, state, image, listen)
    outcome = [image]
    if stage.ground.transparent:
        excess = stage.ground.opacity_excess(canvas)
        judgement = judgement.with_term("opacity", excess.detach())
        outcome.append(excess)
    watch.check("loss", [judgement.losses, judgement.gradient])
    state.optimiser.zero_grad(set_to_none=True)
    with memory_reported("use a smaller --canvas or --population"):
        torch.autograd.backward(outcome, [judgement.gradient, *map(torch.ones_like, outcome[1:])])
    gradients = [each.grad for each in renderer.parameters() if each.grad is not None]
    watch.check("gradient", gradient_squares(gradients))
    watch.hold([*gradients, judgement.gradient])
    if stage.optimiser.clip is not None:
        clip_candidates_(renderer, stage.optimiser.clip)
    state.optimiser.step()
    renderer.project_()
    watch.note(judgement.losses)
    state.evolution(
        state.step,
        judgement.losses,
        renderer,
        state.optimiser,
        state.streams["evolution"],
        replace=progress < LAST_ROUND,
    )
    state.feedback = Feedback(image.detach(), judgement.gradient)
    state.step += 1
    return judgement


def _advance(stage: Stage, state: LoopState, progress: float) -> None:
    """Let the renderer follow its schedule; carry the optimiser's state to changed elements."""
    before = moments(stage.renderer, state.optimiser)
    change = stage.renderer.advance(progress, state.streams["renderer"], state.feedback)
    if change is None:
        return
    state.optimiser = make_optimiser(stage.renderer, stage.optimiser)
    load_moments(stage.renderer, state.optimiser, carry_elements(before, change))


def _judge(stage: Stage, state: LoopState, image: Image, listen: Listener) -> Judgement:
    """Judge the pictures; when memory runs out, with half as many views per pass."""
    streams = state.streams.views(len(image))
    while True:
        before = [stream.get_state() for stream in streams]
        try:
            return stage.objective(image, streams)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if stage.objective.views_per_pass == 1:
                raise RunError(
                    "out of memory with one view per pass; use a smaller --canvas or guide"
                ) from None
            stage.objective.views_per_pass = (stage.objective.views_per_pass + 1) // 2
            for stream, earlier in zip(streams, before, strict=True):
                stream.set_state(earlier)
            listen(Notice(f"memory is short: going on with {stage.objective.views_per_pass} views per pass"))
