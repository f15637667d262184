"""What a turn does to the elements of a run and to its optimiser."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from artgen.config import OptimiserOptions, Turn
from artgen.engine.optimiser import carry_elements, load_moments, make_optimiser, moments
from artgen.engine.state import LoopState
from artgen.errors import UsageError
from artgen.renderers.base import Feedback, Renderer
from artgen.renderers.editing import Addition, ElementChange

STREAM = "turns"
"""Name of the random numbers that turns draw from."""


def keep_candidate(renderer: Renderer, state: LoopState, candidate: int, options: OptimiserOptions) -> None:
    """Drop all candidates but one; its moments stay.

    Raises:
        UsageError: there is no such candidate.
    """
    population = renderer.population
    if candidate >= population:
        raise UsageError(f"there is no candidate {candidate}; they are numbered 0 to {population - 1}")

    before = moments(renderer, state.optimiser)
    row = slice(candidate, candidate + 1)
    renderer.load_state({name: tensor[row] for name, tensor in renderer.state().items()})

    kept = {}
    for name, tensors in before.items():
        kept[name] = {key: tensor[row] if tensor.dim() else tensor for key, tensor in tensors.items()}
    state.optimiser = make_optimiser(renderer, options)
    load_moments(renderer, state.optimiser, kept)

    if state.smoothed is not None:
        state.smoothed = state.smoothed[row].clone()
    if state.feedback is not None:
        state.feedback = Feedback(state.feedback.image[row], state.feedback.gradient[row])


def change_elements(
    renderer: Renderer,
    state: LoopState,
    turn: Turn,
    colours: Mapping[int, Tensor],
    options: OptimiserOptions,
) -> None:
    """Make the changes of a turn to the elements; moments stay with their elements.

    Args:
        renderer: changed in place.
        state: of its run; changed in place.
        turn: the changes.
        colours: [3] sRGB in [0, 1] for each element that the turn recolours.
        options: of the optimiser.

    Raises:
        UsageError: there is no such element or candidate, or the renderer cannot do it.
    """
    generator = state.streams[STREAM] if turn.add else torch.Generator()

    for operation in _operations(renderer, turn, colours, generator, state.feedback):
        before = moments(renderer, state.optimiser)
        change = operation()
        state.optimiser = make_optimiser(renderer, options)
        load_moments(renderer, state.optimiser, before if change is None else carry_elements(before, change))


Operation = Callable[[], ElementChange | None]


def _operations(
    renderer: Renderer,
    turn: Turn,
    colours: Mapping[int, Tensor],
    generator: torch.Generator,
    feedback: Feedback | None,
) -> list[Operation]:
    """Return the changes of a turn in the order in which they are made."""
    by_field = {
        "unlock": renderer.unlock,
        "lock": renderer.lock,
        "delete": renderer.remove,
        "duplicate": renderer.duplicate,
        "front": renderer.to_front,
        "back": renderer.to_back,
    }
    operations: list[Operation] = []
    for name, method in by_field.items():
        elements = getattr(turn, name)
        if elements:
            operations.append(functools.partial(method, elements, turn.candidate))

    for element, colour in colours.items():
        operations.append(functools.partial(renderer.recolour, [element], colour, turn.candidate))
    for addition in turn.add:
        wanted = Addition(addition.count, addition.place(), generator, feedback)
        operations.append(functools.partial(renderer.add, wanted, turn.candidate))
    return operations
