"""Adam over the parameter groups of a renderer: learning rates, clipping, state that follows the elements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from artgen.config import OptimiserOptions
from artgen.errors import UsageError, did_you_mean
from artgen.renderers.base import ElementChange, ParameterGroup, Renderer

MomentState = dict[str, dict[str, Tensor]]
"""Adam's moments by parameter name, then by moment name."""


class GroupedAdam(torch.optim.Adam):
    """Adam, where groups with `shared` have one second moment for each parameter of a candidate.

    Adam has one second moment for every entry, which amplifies entries that hardly matter: cells of an empty
    background would move as fast as those of the subject. One second moment for a block of entries is Zhang et
    al. 2024, "Adam-mini". The state has the shape of the parameter in both cases, so it follows the elements in
    the same way.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step along the current gradients."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["shared"]]
        try:
            super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["shared"]:
                self._step_together(group)

    def _step_together(self, group: dict[str, Any]) -> None:
        first, second = group["betas"]
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"], state["exp_avg_sq"] = (
                    torch.zeros_like(parameter),
                    torch.zeros_like(parameter),
                )
            state["step"] += 1
            count = state["step"]  # stays a tensor: to read it would make a GPU wait
            square = parameter.grad.flatten(1).square().mean(dim=1)
            square = square.view(-1, *[1] * (parameter.dim() - 1)).expand_as(parameter)
            state["exp_avg"].lerp_(parameter.grad, 1 - first)
            state["exp_avg_sq"].lerp_(square, 1 - second)
            scale = (state["exp_avg_sq"] / (1 - second**count)).sqrt_().add_(group["eps"])
            parameter.sub_(state["exp_avg"] / scale * (group["lr"] / (1 - first**count)))


def make_optimiser(renderer: Renderer, options: OptimiserOptions) -> torch.optim.Adam:
    """Return Adam with one group per parameter group of the renderer.

    Raises:
        UsageError: `options.rates` names a group that the renderer does not have.
    """
    groups = renderer.parameter_groups()
    known = [group.name for group in groups]
    for name in options.rates:
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(
                f"the renderer has no parameter group {name!r}{hint} (known: {', '.join(known)})"
            )

    settings = [_group_settings(renderer, group, options) for group in groups]
    return GroupedAdam(settings, betas=(0.9, 0.99))


def _group_settings(renderer: Renderer, group: ParameterGroup, options: OptimiserOptions) -> dict[str, Any]:
    """Return what the optimiser knows of a parameter group; `base` is its learning rate at factor 1."""
    return {
        "params": [renderer.get_parameter(name) for name in group.parameters],
        "lr": group.learning_rate,
        "base": group.learning_rate * options.rate * options.rates.get(group.name, 1.0),
        "shared": group.shared,
    }


def rate_factor(options: OptimiserOptions, progress: float) -> float:
    """Return the factor on all learning rates when `progress` (0 to 1) of the run is done.

    Example:
        >>> rate_factor(OptimiserOptions(schedule="linear", final=0.0, warmup=0.0), 0.5)
        0.5
    """
    if progress < options.warmup:
        return (progress + 1e-3) / (options.warmup + 1e-3)
    done = (progress - options.warmup) / (1 - options.warmup)
    remaining = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * min(done, 1.0))) / 2}
    return options.final + (1 - options.final) * remaining[options.schedule]


def set_rates(optimiser: torch.optim.Adam, options: OptimiserOptions, progress: float) -> None:
    """Set every group's learning rate for this moment of the run."""
    factor = rate_factor(options, progress)
    for group in optimiser.param_groups:
        group["lr"] = group["base"] * factor


def gradient_squares(gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return each gradient's sum of squares, a scalar; it is not finite if the gradient is not.

    The optimiser squares the gradients, so a finite gradient whose square overflows makes the
    parameters NaN one step later.
    """
    return [gradient.detach().square().sum() for gradient in gradients]


@torch.no_grad()
def clip_candidates_(renderer: Renderer, largest: float) -> None:
    """Scale each candidate's gradient, over all its parameters, to at most this norm."""
    gradients = [parameter.grad for parameter in renderer.parameters() if parameter.grad is not None]
    squares = [gradient.flatten(1).square().sum(dim=1) for gradient in gradients]
    norm = torch.stack(squares).sum(dim=0).sqrt()
    factor = (largest / norm.clamp(min=1e-12)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def moments(renderer: Renderer, optimiser: torch.optim.Adam) -> MomentState:
    """Return the optimiser's state by parameter name (no copies)."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in renderer.named_parameters()}
    return {
        names[parameter]: dict(state) for parameter, state in optimiser.state.items() if parameter in names
    }


def load_moments(
    renderer: Renderer, optimiser: torch.optim.Adam, state: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Give the optimiser a state from `moments`."""
    for name, tensors in state.items():
        parameter = renderer.get_parameter(name)
        optimiser.state[parameter] = {
            key: tensor.clone() if key == "step" else tensor.to(parameter.device, copy=True)
            for key, tensor in tensors.items()
        }


def carry_elements(old: MomentState, change: ElementChange) -> MomentState:
    """Return the moments for a renderer whose elements changed.

    Elements that stay keep their moments. New ones start with zero first moments and the mean second moments
    of the old elements, so that their first steps are no longer than those of the others.
    """
    carried: MomentState = {}
    for name, tensors in old.items():
        source = change.source.get(name)
        carried[name] = {
            key: tensor if source is None or tensor.dim() < 2 else _carry(key, tensor, source)
            for key, tensor in tensors.items()
        }
    return carried


def _carry(key: str, tensor: Tensor, source: Tensor) -> Tensor:
    places = source.clamp(min=0).to(tensor.device)
    if source.dim() == 1:
        kept = tensor.index_select(1, places)  # [P, N_new, ...]
    else:
        index = places.view(*places.shape, *[1] * (tensor.dim() - 2))  # [P, N_new, 1, ...]
        kept = tensor.gather(1, index.expand(*places.shape, *tensor.shape[2:]))

    fresh = tensor.mean(dim=1, keepdim=True) if key == "exp_avg_sq" else torch.zeros_like(tensor[:, :1])
    rows = 1 if source.dim() == 1 else len(source)
    is_new = (source < 0).to(tensor.device).view(rows, -1, *[1] * (tensor.dim() - 2))
    return torch.where(is_new, fresh, kept)
