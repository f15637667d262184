"""The only optimisation loop: judge, follow the gradient, constrain, evolve."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

import torch

from artgen.devices import deterministic_mode
from artgen.engine.events import Figures, Notice, Stepped
from artgen.engine.objective import Judgement
from artgen.engine.optimiser import (
    carry_elements,
    clip_candidates_,
    gradient_squares,
    load_moments,
    make_optimiser,
    moments,
    set_rates,
)
from artgen.engine.problem import Budget, Problem
from artgen.engine.state import LoopState
from artgen.engine.view import view_of
from artgen.errors import RunError
from artgen.memory import is_out_of_memory, memory_reported
from artgen.renderers.base import Feedback
from artgen.types import Image

LAST_ROUND = 2 / 3
"""Stop replacing candidates after this fraction of the run: a mutant needs steps at a high learning rate
to catch up."""

Reason = Literal["done", "plateau"]


def optimise(problem: Problem, state: LoopState, budget: Budget) -> Iterator[Stepped | Notice]:
    """Optimise, yielding an event after each step, until `ending` names a reason to end.

    Leaving the loop stops the run after the step that was yielded last. The time between two events
    does not count.

    Args:
        problem: what to optimise.
        state: where to begin; changed in place.
        budget: how long.

    Raises:
        RunError: a value is not finite. The candidates are those of the step before, or on a GPU those of
            the last reading.

    Example:
        >>> # for event in optimise(problem, state, Budget(200)):
        >>> #     note(event.step, min(event.losses))
        >>> # ending(problem, state, Budget(200))   # "done"
    """
    try:
        while ending(problem, state, budget) is None:
            begun = time.monotonic()
            notices: list[Notice] = []
            with deterministic_mode(problem.deterministic):
                judgement = _step(problem, state, budget.progress(state.step, state.elapsed), notices)
            state.finite.end(problem, state)
            seconds = time.monotonic() - begun
            state.elapsed += seconds

            yield from notices
            yield from _reported(problem, state, budget, judgement, seconds)
    except Exception:
        state.finite.read(problem, state)  # a value that is not finite may be the cause, and says more
        raise
    state.finite.read(problem, state)


def _reported(
    problem: Problem, state: LoopState, budget: Budget, judgement: Judgement, seconds: float
) -> Iterator[Stepped]:
    """Yield the event of a step; its view is valid while the run waits here."""
    view = view_of(problem, state)
    done = min(budget.used(state.step, state.elapsed), 1.0)
    figures = Figures(judgement.losses, judgement.terms)
    try:
        yield Stepped(state.step, done, figures, view, overall=done, seconds=seconds)
    finally:
        view.close()


def ending(problem: Problem, state: LoopState, budget: Budget) -> Reason | None:
    """Return why a run is over: its budget is used up, or it gains nothing more; None if it is not over."""
    if budget.used(state.step, state.elapsed) >= 1:
        return "done"
    patience = problem.optimiser.patience
    if patience is not None and state.waiting >= patience:
        return "plateau"
    return None


def _step(problem: Problem, state: LoopState, progress: float, notices: list[Notice]) -> Judgement:
    """Take one step.

    Args:
        problem: what is optimised.
        state: changed in place.
        progress: fraction of the run that is done, in [0, 1].
        notices: what the user should know is appended here.
    """
    renderer, finite = problem.renderer, state.finite
    finite.begin(problem, state)
    _advance(problem, state, progress)
    set_rates(state.optimiser, problem.optimiser, progress)

    with memory_reported("use a smaller --canvas or --population"):
        canvas = renderer(problem.canvas)  # [P, 4, H, W]
        image = problem.background.judged(canvas, state.streams.views(len(canvas)))  # [P, 3, H, W]
    judgement = _judge(problem, state, image, notices)

    outcome = [image]
    if problem.background.transparent:
        excess = problem.background.opacity_excess(canvas)  # [P]
        judgement = judgement.with_term("opacity", excess.detach())
        outcome.append(excess)

    finite.check(problem, state, "loss", [judgement.losses, judgement.gradient])
    state.optimiser.zero_grad(set_to_none=True)
    with memory_reported("use a smaller --canvas or --population"):
        torch.autograd.backward(outcome, [judgement.gradient, *map(torch.ones_like, outcome[1:])])
    gradients = [parameter.grad for parameter in renderer.parameters() if parameter.grad is not None]
    finite.check(problem, state, "gradient", gradient_squares(gradients))
    finite.mask([*gradients, judgement.gradient])

    if problem.optimiser.clip is not None:
        clip_candidates_(renderer, problem.optimiser.clip)
    state.optimiser.step()
    renderer.project_()

    finite.note(state, judgement.losses)
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


def _advance(problem: Problem, state: LoopState, progress: float) -> None:
    """Let the renderer follow its schedule; carry the optimiser's state over to the elements that stay."""
    before = moments(problem.renderer, state.optimiser)
    change = problem.renderer.advance(progress, state.streams["renderer"], state.feedback)
    if change is None:
        return
    state.optimiser = make_optimiser(problem.renderer, problem.optimiser)
    load_moments(problem.renderer, state.optimiser, carry_elements(before, change))


def _judge(problem: Problem, state: LoopState, image: Image, notices: list[Notice]) -> Judgement:
    """Judge the pictures; when memory runs out, with half as many cutouts per pass."""
    streams = state.streams.views(len(image))
    while True:
        before = [stream.get_state() for stream in streams]
        try:
            return problem.objective(image, streams, state.views_per_pass)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if state.views_per_pass == 1:
                raise RunError(
                    "out of memory with one cutout per pass; use a smaller --canvas or guide"
                ) from None

        # Draw the same cutouts again: the result must not depend on the number of passes.
        state.views_per_pass = (state.views_per_pass + 1) // 2
        for stream, earlier in zip(streams, before, strict=True):
            stream.set_state(earlier)
        notices.append(Notice(f"memory is short: continuing with {state.views_per_pass} cutouts per pass"))
