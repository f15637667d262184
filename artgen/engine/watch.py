"""What a run looks at after each step: whether all is finite, and whether anything is gained.

A GPU that is asked for a number first finishes all it was given. So on a GPU the numbers
of several steps are read at once, and what is not finite is noticed some steps late. The
step that brought it is not followed even then: from it on all gradients are zero, and when
it is noticed the run goes back to where the numbers were read last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from artgen.config import OptimiserOptions
from artgen.engine.optimiser import MomentState, load_moments, make_optimiser, moments
from artgen.engine.state import LoopState
from artgen.errors import RunError
from artgen.renderers.base import Feedback, Renderer
from artgen.types import PerCandidate

STEPS_UNREAD = 16
"""After how many steps the numbers on a GPU are read; what is not finite is noticed at most so late."""
SMOOTHING = 0.9
"""How much of the smoothed losses stays at each step; a single step's are noisy."""
SMALLEST_GAIN = 1e-4
"""What counts as a gain for the plateau stop."""


def steps_between_readings(device: torch.device) -> int:
    """Return after how many steps the numbers on a device are read: 1 on a CPU, which does not wait."""
    return 1 if device.type == "cpu" else STEPS_UNREAD


@dataclass(frozen=True)
class _Kept:
    """Everything that steps change, as it was between two of them; see `LoopState`."""

    renderer: Mapping[str, Tensor]
    moments: MomentState
    streams: Mapping[str, Tensor]
    evolution: Mapping[str, Tensor]
    smoothed: Tensor | None
    feedback: Feedback | None
    step: int
    elapsed: float


class Watch:
    """Keeps a run from following what is not finite, and notes its losses.

    Args:
        renderer: what is optimised.
        state: where the run stands; changed in place.
        options: of the optimiser, to make it anew when the run goes back.
        every: steps between two readings. With 1 all is read where it arises, before the
            parameters change.

    Example:
        >>> # in the loop:
        >>> # watch.begin()
        >>> # watch.check("loss", [losses, gradient]); backward; watch.check("gradient", gradients)
        >>> # watch.hold(gradients); optimiser.step()
        >>> # watch.note(losses); state.step += 1; watch.end()
    """

    def __init__(self, renderer: Renderer, state: LoopState, options: OptimiserOptions, every: int) -> None:
        self._renderer = renderer
        self._state = state
        self._options = options
        self._every = every
        self._kept: _Kept | None = None
        self._fine: Tensor | None = None
        self._checks: list[tuple[int, str, Tensor]] = []
        self._lowest: list[Tensor] = []

    def begin(self) -> None:
        """Before a step: keep where the run stands if all is read so far."""
        if self._every > 1 and not self._lowest:
            self._kept, self._fine = self._keep(), None

    def check(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Note whether all is finite.

        Raises:
            RunError: it is not (at once only if each step is read); the parameters are still
                those of the step before.
        """
        fine = torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all()
        if self._every == 1 and not bool(fine):
            raise _not_finite(name, self._state.step, "the picture of the step before is kept")
        if self._every > 1:
            self._fine = fine if self._fine is None else self._fine & fine
            self._checks.append((self._state.step, name, fine))

    @torch.no_grad()
    def hold(self, gradients: Sequence[Tensor]) -> None:
        """Make gradients zero from the first step on that was not finite, if that is not known yet."""
        if self._fine is not None:
            for gradient in gradients:
                gradient.masked_fill_(~self._fine, 0)

    def note(self, losses: PerCandidate) -> None:
        """Add a step's losses to the smoothed ones."""
        now = losses.detach().float().clone()
        before = self._state.smoothed
        smoothed = now if before is None else SMOOTHING * before.to(now.device) + (1 - SMOOTHING) * now
        self._state.smoothed = smoothed
        self._lowest.append(smoothed.min())

    def end(self) -> None:
        """After a step: read what there is if it is time to.

        Raises:
            RunError: see `read`.
        """
        if len(self._lowest) >= self._every:
            self.read()

    def read(self) -> None:
        """Bring the run's figures up to date; the device is waited for once.

        Raises:
            RunError: something was not finite; the run stands where it was read last.
        """
        checks, lowest = self._checks, self._lowest
        if not checks and not lowest:
            return
        self._checks, self._lowest = [], []
        figures = torch.stack([*(fine.float() for *_, fine in checks), *lowest]).tolist()
        for (step, name, _), fine in zip(checks, figures, strict=False):
            if not fine:
                raise self._gone_back(name, step)
        for figure in figures[len(checks) :]:
            _note_gain(self._state, figure, self._options.patience)

    def _keep(self) -> _Kept:
        state = self._state
        copies = moments(self._renderer, state.optimiser)
        return _Kept(
            {name: tensor.detach().clone() for name, tensor in self._renderer.state().items()},
            {name: {key: each.clone() for key, each in own.items()} for name, own in copies.items()},
            state.streams.state(),
            state.evolution.state(),
            state.smoothed.clone() if state.smoothed is not None else None,
            state.feedback,
            state.step,
            state.elapsed,
        )

    def _gone_back(self, name: str, step: int) -> RunError:
        """Give the run the state it was read in last, and return the error that says so."""
        kept, state = self._kept, self._state
        assert kept is not None
        self._renderer.load_state(kept.renderer)
        state.optimiser = make_optimiser(self._renderer, self._options)
        load_moments(self._renderer, state.optimiser, kept.moments)
        state.streams.load_state(kept.streams)
        state.evolution.load_state(kept.evolution)
        state.smoothed, state.feedback = kept.smoothed, kept.feedback
        state.step, state.elapsed = kept.step, kept.elapsed
        return _not_finite(
            name, step, f"the picture of step {kept.step} is kept (looked at every {self._every} steps here)"
        )


def _not_finite(name: str, step: int, kept: str) -> RunError:
    return RunError(
        f"the {name} is not finite at step {step}; {kept}; "
        "try a smaller rate (--set optimiser.rate=0.3) or --set precision=float32"
    )


def _note_gain(state: LoopState, lowest: float, patience: int | None) -> None:
    """Note the lowest smoothed loss of a step; a gain after patience has run out comes too late."""
    if patience is not None and state.waiting >= patience:
        return
    if lowest < state.lowest - SMALLEST_GAIN:
        state.lowest, state.waiting = lowest, 0
    else:
        state.waiting += 1
