"""Keeping a run from following values that are not finite, and noting whether it still gains.

A GPU that is asked for a number first finishes all the work it was given. So on a GPU the figures of several
steps are read at once, and a value that is not finite is noticed some steps late. Even then the step that
produced it is not followed: from that step on all gradients are set to zero, and when the value is noticed
the run goes back to the last reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from artgen.engine.optimiser import MomentState, load_moments, make_optimiser, moments
from artgen.errors import RunError
from artgen.renderers.base import Feedback
from artgen.types import PerCandidate

if TYPE_CHECKING:
    from artgen.engine.problem import Problem
    from artgen.engine.state import LoopState

STEPS_PER_READING = 16
"""Steps between two readings on a GPU. A value that is not finite is noticed at most this many steps late."""
SMOOTHING = 0.9
"""Weight of the old value in the smoothed losses; the loss of a single step is noisy."""
SMALLEST_GAIN = 1e-4
"""Smallest decrease of the loss that counts as a gain for `optimiser.patience`."""


def steps_per_reading(device: torch.device) -> int:
    """Return the steps between two readings of figures on a device: 1 on a CPU, where reading costs nothing."""
    return 1 if device.type == "cpu" else STEPS_PER_READING


@dataclass(frozen=True)
class _Kept:
    """A copy of everything that steps change, as it was between two of them; see `LoopState`."""

    renderer: Mapping[str, Tensor]
    moments: MomentState
    streams: Mapping[str, Tensor]
    evolution: Mapping[str, Tensor]
    smoothed: Tensor | None
    feedback: Feedback | None
    step: int
    elapsed: float


class FiniteCheck:
    """The figures that were not read yet, and the state to go back to if one of them is not finite.

    It refers to neither the problem nor the state, so that a finished run frees its memory at once.

    Example:
        >>> # in the loop:
        >>> # finite.begin(problem, state)
        >>> # finite.check(problem, state, "loss", [losses, gradient]); backward
        >>> # finite.check(problem, state, "gradient", gradients); finite.mask(gradients); optimiser.step()
        >>> # finite.note(state, losses); state.step += 1; finite.end(problem, state)
    """

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._all_finite: Tensor | None = None
        self._checks: list[tuple[int, str, Tensor]] = []
        self._lowest: list[Tensor] = []

    def begin(self, problem: Problem, state: LoopState) -> None:
        """Before a step: keep a copy of the state if all figures so far are read."""
        if problem.steps_per_reading > 1 and not self._lowest:
            self._kept = _copy_of(problem, state)
            self._all_finite = None

    def check(self, problem: Problem, state: LoopState, name: str, tensors: Sequence[Tensor]) -> None:
        """Note whether all values are finite.

        Raises:
            RunError: they are not (at once only if every step is read); the parameters are still those of
                the step before.
        """
        finite = torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all()

        if problem.steps_per_reading == 1:
            if not bool(finite):
                raise _not_finite(name, state.step, "the picture of the step before is kept")
            return

        self._all_finite = finite if self._all_finite is None else self._all_finite & finite
        self._checks.append((state.step, name, finite))

    @torch.no_grad()
    def mask(self, gradients: Sequence[Tensor]) -> None:
        """Set the gradients to zero if a value since the last reading was not finite."""
        if self._all_finite is None:
            return
        for gradient in gradients:
            gradient.masked_fill_(~self._all_finite, 0)

    def note(self, state: LoopState, losses: PerCandidate) -> None:
        """Add the losses of a step to the smoothed ones."""
        now = losses.detach().float().clone()
        before = state.smoothed
        smoothed = now if before is None else SMOOTHING * before.to(now.device) + (1 - SMOOTHING) * now

        state.smoothed = smoothed
        self._lowest.append(smoothed.min())

    def end(self, problem: Problem, state: LoopState) -> None:
        """After a step: read the figures if it is time to.

        Raises:
            RunError: see `read`.
        """
        if len(self._lowest) >= problem.steps_per_reading:
            self.read(problem, state)

    def read(self, problem: Problem, state: LoopState) -> None:
        """Bring `state.lowest` and `state.waiting` up to date; the device is waited for once.

        Raises:
            RunError: a value was not finite; the state is that of the last reading.
        """
        checks, lowest = self._checks, self._lowest
        if not checks and not lowest:
            return
        self._checks, self._lowest = [], []

        # One transfer for all figures: every one of them would make a GPU wait.
        figures = torch.stack([*(finite.float() for *_, finite in checks), *lowest]).tolist()

        for (step, name, _), finite in zip(checks, figures, strict=False):
            if not finite:
                raise self._go_back(problem, state, name, step)
        for figure in figures[len(checks) :]:
            _note_gain(state, figure, problem.optimiser.patience)

    def _go_back(self, problem: Problem, state: LoopState, name: str, step: int) -> RunError:
        """Restore the state of the last reading, and return the error that says so."""
        kept = self._kept
        assert kept is not None

        problem.renderer.load_state(kept.renderer)
        state.optimiser = make_optimiser(problem.renderer, problem.optimiser)
        load_moments(problem.renderer, state.optimiser, kept.moments)
        state.streams.load_state(kept.streams)
        state.evolution.load_state(kept.evolution)
        state.smoothed, state.feedback = kept.smoothed, kept.feedback
        state.step, state.elapsed = kept.step, kept.elapsed

        every = problem.steps_per_reading
        return _not_finite(
            name, step, f"the picture of step {kept.step} is kept (checked every {every} steps here)"
        )


def _copy_of(problem: Problem, state: LoopState) -> _Kept:
    renderer = {name: tensor.detach().clone() for name, tensor in problem.renderer.state().items()}
    copies: MomentState = {}
    for name, own in moments(problem.renderer, state.optimiser).items():
        copies[name] = {key: moment.clone() for key, moment in own.items()}

    return _Kept(
        renderer,
        copies,
        state.streams.state(),
        state.evolution.state(),
        state.smoothed.clone() if state.smoothed is not None else None,
        state.feedback,
        state.step,
        state.elapsed,
    )


def _not_finite(name: str, step: int, kept: str) -> RunError:
    return RunError(
        f"the {name} is not finite at step {step}; {kept}; "
        "try smaller weights, a smaller learning rate (--set optimiser.rate=0.3) or --set precision=float32"
    )


def _note_gain(state: LoopState, lowest: float, patience: int | None) -> None:
    """Note the lowest smoothed loss of a step; a gain after patience has run out comes too late."""
    if patience is not None and state.waiting >= patience:
        return
    if lowest < state.lowest - SMALLEST_GAIN:
        state.lowest, state.waiting = lowest, 0
    else:
        state.waiting += 1
