"""The last turns of a run, kept in memory so that they can be taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from artgen.runs.checkpoint import Checkpoint
from artgen.runs.context import RunContext
from artgen.runs.state import restore
from artgen.runs.work import Work

MOST_UNDONE = 20
"""Most turns that can be taken back."""
MOST_BYTES = 256 << 20
"""Most memory for the states before them; older ones are dropped."""


@dataclass(frozen=True)
class Moment:
    """A run just before a turn.

    Args:
        context: what it worked with.
        checkpoint: copy of its state.
        step: number of steps done.
        turns: number of turns made before.
        elapsed: seconds spent so far.
    """

    context: RunContext
    checkpoint: Checkpoint
    step: int
    turns: int
    elapsed: float

    @classmethod
    def of(cls, work: Work, checkpoint: Checkpoint) -> Moment:
        """Return the present moment of a run, with a copy of its state."""
        copies = {group: _copies(tensors) for group, tensors in checkpoint.tensors.items()}
        state = work.state
        return cls(work.context, Checkpoint(checkpoint.facts, copies), state.step, state.turns, state.elapsed)

    def restore(self, work: Work) -> None:
        """Bring a run back to this moment."""
        renderer = self.context.problem.renderer
        renderer.surroundings = self.context.settings.surroundings
        work.context = self.context
        work.state = restore(self.checkpoint, self.context)
        work.state.elapsed = self.elapsed

    @property
    def bytes(self) -> int:
        """Memory of the state."""
        total = 0
        for tensors in self.checkpoint.tensors.values():
            total += sum(tensor.nbytes for tensor in tensors.values())
        return total


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


class History:
    """The moments before the last turns, the newest last."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque(maxlen=MOST_UNDONE)

    def add(self, moment: Moment) -> None:
        """Keep a moment, and drop the oldest ones if they take too much memory."""
        self._moments.append(moment)
        while len(self._moments) > 1 and sum(each.bytes for each in self._moments) > MOST_BYTES:
            self._moments.popleft()

    def take(self) -> Moment | None:
        """Remove and return the newest moment, None without one."""
        return self._moments.pop() if self._moments else None
