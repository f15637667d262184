"""Trainings that can be stopped at any time and continue with the same bits, and short fits that cannot.

Everything random follows from the step's number (`common.generator`), so a checkpoint contains only
tensors and the step.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from training import common

Figures = dict[str, float]
"""What a step reports, by name."""


@dataclass(frozen=True)
class Cadence:
    """How often a training reports and saves.

    Args:
        log: steps between two lines in the log.
        save: steps between two checkpoints.
        scenes: per step, for the speed in the log.
    """

    log: int
    save: int
    scenes: int


class Training(ABC):
    """A model that is being trained, with everything its next step depends on.

    Args:
        checkpoint: the safetensors file it is saved to.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.step = 0

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors that the next step depends on, by their names in the checkpoint."""

    @abstractmethod
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Copy the tensors of a checkpoint into the model and its optimisers."""

    def save(self) -> None:
        """Write the checkpoint."""
        common.save_tensors(self.tensors(), self.checkpoint, {"step": self.step})

    def load(self) -> None:
        """Read the checkpoint, if there is one."""
        if self.checkpoint.exists():
            self.restore(load_file(self.checkpoint))
            self.step = common.metadata(self.checkpoint)["step"]

    def run(self, until: int, advance: Callable[[], Figures], cadence: Cadence) -> None:
        """Take steps, with reports and checkpoints, until step `until`.

        Args:
            until: the number of the last step.
            advance: takes one step, counts it in `step` and returns its figures.
            cadence: when to report and save; both are done after the last step too.
        """
        began, first = time.monotonic(), self.step

        while self.step < until:
            figures = advance()
            last = self.step == until

            if last or self.step % cadence.log == 0:
                speed = (self.step - first) * cadence.scenes / (time.monotonic() - began)
                report = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
                common.log(f"step {self.step} {report} scenes/s {speed:.0f}")

            if last or self.step % cadence.save == 0:
                self.save()


def selected(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with `prefix`, without it.

    >>> selected({"model.a": 1, "adam.a": 2}, "model.")
    {'a': 1}
    """
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors with `prefix` before their names, the opposite of `selected`."""
    return {prefix + name: value for name, value in tensors.items()}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state, named `<number of the weight>.<name of the tensor>`."""
    tensors: dict[str, Tensor] = {}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{number}.{name}": value for name, value in state.items()}
    return tensors


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser the state that `optimiser_tensors` returned."""
    weights: list[Tensor] = []
    for group in optimiser.param_groups:
        weights += group["params"]

    description = optimiser.state_dict()
    for key, value in tensors.items():
        number, name = key.split(".")
        weight = weights[int(number)]
        if value.shape == weight.shape:  # a fused step needs the weight's own memory layout
            value = torch.empty_like(weight).copy_(value)
        description["state"].setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(description)


def rate(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of a short fit: up for 50 steps, then down to zero along a cosine."""
    return peak * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))


def fit(
    name: str,
    parameters: Iterable[nn.Parameter],
    steps: int,
    loss_of: Callable[[int], tuple[Tensor, float]],
    *,
    peak: float = 2e-3,
    decay: float = 0.2,
) -> None:
    """Run AdamW from start to end; it takes minutes, so it has no checkpoint.

    Args:
        name: of the model, for the log.
        parameters: to fit.
        steps: how many.
        loss_of: returns the loss of a step, and the fraction of right answers for the log.
        peak: highest learning rate.
        decay: weight decay.
    """
    optimiser = torch.optim.AdamW(list(parameters), lr=peak, weight_decay=decay, fused=True)

    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate(step, steps, peak)
        loss, right = loss_of(step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

        if step % 100 == 0 or step == steps - 1:
            common.log(f"{name} step {step} loss {loss.item():.3f} right {right:.3f}")
