"""Which strokes no longer matter, and where new ones are wanted."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from artgen.renderers.base import Feedback
from artgen.renderers.strokes.rasterise import Paths, paint
from artgen.renderers.strokes.start import Beginning, Kind, random_strokes, strokes_at
from artgen.types import Window

LEAST_INK = 2.0
"""A stroke with less visible ink than this many pixels is pruned."""
COLOUR_STEP = 0.5
"""How far a new stroke's colour lies from the picture's, at most."""


def visible_ink(paths: Paths, window: Window) -> Float[Tensor, "population elements"]:
    """Return how much of each path is seen, in pixels: covered, opaque and not painted over.

    That is the gradient of the picture's sum to the path's colour.
    """
    brightness = torch.ones_like(paths.paint[..., :1], requires_grad=True)
    with torch.enable_grad():
        alpha = paths.paint[..., 3:].detach()
        grey = torch.cat([brightness * alpha, alpha, alpha, alpha], -1)
        still = paths._replace(curves=paths.curves.detach(), radii=paths.radii.detach(), paint=grey)
        (ink,) = torch.autograd.grad(paint(still, window)[:, 0].sum(), brightness)
    return ink[..., 0]


def kept(ink: Float[Tensor, "population elements"], locked: Bool[Tensor, "population elements"]) -> Tensor:
    """Return the indices of elements that matter in any candidate, or are locked; at least one."""
    matters = ((ink >= LEAST_INK) | locked).any(0)
    if not bool(matters.any()):
        matters[int(ink.sum(0).argmax())] = True
    return matters.nonzero()[:, 0]


def new_strokes(
    kind: Kind, population: int, count: int, generator: torch.Generator, feedback: Feedback | None
) -> Beginning:
    """Return strokes where the loss is steepest, in colours that lower it.

    LIVE (X. Ma et al., 2022) adds paths where the picture differs most from its target;
    with a prompt there is no target, but the gradient says the same.

    Args:
        kind: what sort of strokes.
        population: P.
        count: how many per candidate.
        generator: for the choice.
        feedback: what the last step showed; strokes are random without it.
    """
    if feedback is None or not bool(feedback.gradient.abs().sum() > 0):
        return random_strokes(kind, population, count, generator)
    gradient = functional.avg_pool2d(
        feedback.gradient.float(), 9, 1, padding=4, count_include_pad=False
    ).cpu()
    steepness = gradient.square().sum(1).sqrt()
    height, width = steepness.shape[1:]
    weights = steepness.flatten(1).double() ** 2 + 1e-30
    cell = torch.multinomial(weights, count, replacement=True, generator=generator)
    row, column = torch.div(cell, width, rounding_mode="floor"), cell % width
    place = torch.stack([column, row], -1) + torch.rand(population, count, 2, generator=generator)
    start = place * torch.tensor(kind.extent) / torch.tensor([width, height])
    index = cell[:, None].expand(-1, 3, -1)
    slope = gradient.flatten(2).gather(2, index)
    now = feedback.image.cpu().float().flatten(2).gather(2, index)
    step = slope / slope.abs().amax(1, keepdim=True).clamp(min=1e-30)
    return strokes_at(kind, start, (now - COLOUR_STEP * step).clamp(0, 1).movedim(1, 2), generator)
