"""Pruning of strokes that no longer matter, and new strokes where the loss is steep."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from artgen.renderers.base import Feedback
from artgen.renderers.strokes.rasterise import Paths, paint
from artgen.renderers.strokes.start import (
    InitialStrokes,
    StrokeShape,
    places_in_pixels,
    random_strokes,
    strokes_at,
)
from artgen.types import WHOLE, Region, Size, Window

LEAST_INK = 2.0
"""A stroke is pruned if less than this many pixels of it are visible."""
COLOUR_STEP = 0.5
"""Largest difference between a new stroke's colour and the picture's, in any channel."""
SMOOTHED_SIDE = 9
"""Side, in pixels, of the square that the gradient is averaged over before places are drawn."""
LEAST_WEIGHT = 1e-30
"""Added where a sum may be zero."""


def visible_ink(
    paths: Paths, window: Window, weight: Float[Tensor, "height width"] | None = None
) -> Float[Tensor, "population elements"]:
    """Return [P, N] the visible area of each path, in pixels: covered, opaque and not painted over.

    This is the gradient of the picture's sum with respect to the path's colour.

    Args:
        paths: in pixels of the whole picture.
        window: the part of the picture to look at.
        weight: how much each pixel of the window counts; each counts once if None.
    """
    brightness = torch.ones_like(paths.paint[..., :1], requires_grad=True)  # [P, N, 1]
    with torch.enable_grad():
        alpha = paths.paint[..., 3:].detach()  # [P, N, 1]
        grey = torch.cat([brightness * alpha, alpha, alpha, alpha], -1)  # [P, N, 4]
        still = paths._replace(curves=paths.curves.detach(), radii=paths.radii.detach(), paint=grey)
        first_channel = paint(still, window)[:, 0]  # [P, h, w]
        if weight is not None:
            first_channel = first_channel * weight.to(first_channel)
        (ink,) = torch.autograd.grad(first_channel.sum(), brightness)
    return ink[..., 0]


def kept(ink: Float[Tensor, "population elements"], locked: Bool[Tensor, "population elements"]) -> Tensor:
    """Return the indices of elements that are visible in any candidate, or locked; at least one."""
    matters = ((ink >= LEAST_INK) | locked).any(0)  # [N]
    if not bool(matters.any()):
        strongest = int(ink.sum(0).argmax())
        matters[strongest] = True
    return matters.nonzero()[:, 0]


def new_strokes(
    shape: StrokeShape,
    population: int,
    count: int,
    generator: torch.Generator,
    feedback: Feedback | None,
    region: Region = WHOLE,
) -> InitialStrokes:
    """Return strokes where the loss is steepest, in colours that lower it.

    LIVE (X. Ma et al., 2022) adds paths where the picture differs most from its target. With a
    prompt there is no target, but the gradient says where a change would help.

    Args:
        shape: of the strokes.
        population: P.
        count: N, for each candidate.
        generator: source of the randomness.
        feedback: picture and gradient of the last step; strokes are random without it.
        region: where they start.
    """
    if feedback is None or not bool(feedback.gradient.abs().sum() > 0):
        return random_strokes(shape, population, count, generator, region)

    margin = SMOOTHED_SIDE // 2
    gradient = functional.avg_pool2d(
        feedback.gradient.float(), SMOOTHED_SIDE, 1, padding=margin, count_include_pad=False
    ).cpu()  # [P, 3, H, W]

    # places, drawn in proportion to the square of the steepness
    steepness = gradient.square().sum(1).sqrt()  # [P, H, W]
    weights = steepness.double() ** 2 + LEAST_WEIGHT
    weights = (weights * _inside(region, Size(*steepness.shape[1:]))).flatten(1)  # [P, H W]
    pixel = torch.multinomial(weights, count, replacement=True, generator=generator)  # [P, N]
    start = places_in_pixels(pixel, Size(*steepness.shape[1:]), shape.extent, generator)

    # colours: the picture's, one step down the gradient
    index = pixel[:, None].expand(-1, 3, -1)  # [P, 3, N]
    slope = gradient.flatten(2).gather(2, index)
    present = feedback.image.cpu().float().flatten(2).gather(2, index)
    step = slope / slope.abs().amax(1, keepdim=True).clamp(min=LEAST_WEIGHT)
    colour = (present - COLOUR_STEP * step).clamp(0, 1).movedim(1, 2)  # [P, N, 3]
    return strokes_at(shape, start, colour, generator)


def _inside(region: Region, size: Size) -> Float[Tensor, "height width"]:
    """Return 1 for the pixels of a region, 0 for the others; the region has at least one."""
    top, bottom = _span(region.top, region.bottom, size.height)
    left, right = _span(region.left, region.right, size.width)
    inside = torch.zeros(size, dtype=torch.double)
    inside[top:bottom, left:right] = 1
    return inside


def _span(first: float, last: float, length: int) -> tuple[int, int]:
    """Return the first pixel and the one after the last between two fractions of a side."""
    begin = min(int(first * length), length - 1)
    return begin, max(begin + 1, round(last * length))
