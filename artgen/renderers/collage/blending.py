"""The blending modes of a collage: from the patches' pixels in tiles to painted tiles.

The definitions are those of Arnheim 3 (P. Mirowski et al., "CLIP-CLOP: CLIP-Guided Collage
and Photomontage", 2022), with the alpha it left out, so that the result composites on any
background. On black all agree with it:

- `transparency`: colours add like light. Black is clear: alpha is the brightest channel.
- `masked_transparency_clipped`: the mean of the colours, weighted by alpha; the sum of
  the alphas, clipped to 1, is the alpha.
- `masked_transparency_normed`: the same, with the sum divided by its greatest value in
  the picture.
- `opacity`: a mean whose weights are a softmax of the depth orders. A patch that does not
  cover a pixel enters the softmax as a small constant, so that tiles it does not cover
  need not be sampled.
- `over`: exact order, by Porter and Duff's "over".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from artgen.renderers.compositing import over
from artgen.types import Canvas

Blending = Literal[
    "over", "opacity", "transparency", "masked_transparency_clipped", "masked_transparency_normed"
]
TileLayers = Float[Tensor, "pairs channels pixels"]
BlendedTiles = Float[Tensor, "bins channels pixels"]

TEMPERATURE = 0.1
"""Temperature of the softmax over depth orders."""
UNCOVERED = -5.0
"""Logit of a patch that does not cover a pixel; others have their order divided by the temperature."""
COVERED = 0.5
"""Alpha above which a patch covers a pixel, so that its order counts."""
EPSILON = 1e-8
"""Added to a sum of alphas before it divides, so that a clear pixel stays 0."""


def blend_tiles(
    blending: Blending, layers: TileLayers, lengths: Sequence[int], order: Tensor, elements: int
) -> BlendedTiles:
    """Blend the layers of every tile, as far as this is possible tile by tile.

    Args:
        blending: the mode.
        layers: [M, 4, Q] premultiplied, coloured, depth-major.
        lengths: number of tiles with a layer at depth 0, 1, ...
        order: [M, 1] depth order of each layer's element, in [0, 1].
        elements: N, patches per candidate.

    Returns:
        [B, 4, Q] for `finish`; zero where no patch covers a pixel.
    """
    if blending == "over":
        return over(layers, lengths)
    if blending == "opacity":
        return _soft_order(layers, lengths, order, elements)
    return add(layers, lengths)


def finish(blending: Blending, canvas: Canvas, greatest: Tensor | None) -> Canvas:
    """Turn the assembled tiles of `blend_tiles` into premultiplied RGBA.

    Args:
        blending: the mode.
        canvas: [P, 4, H, W] the assembled tiles.
        greatest: [P] the greatest sum of alphas in the whole picture, for `masked_transparency_normed`.
    """
    if blending in ("over", "opacity"):
        return _without_rounding(canvas)

    colour, mask = canvas.split([3, 1], 1)  # [P, 3, H, W], [P, 1, H, W]
    if blending == "transparency":
        light = colour.clamp(0, 1)
        return torch.cat([light, light.amax(1, keepdim=True)], 1)  # [P, 4, H, W]

    divisor = 1 if greatest is None else greatest.view(-1, 1, 1, 1) + EPSILON  # [P, 1, 1, 1]
    alpha = (mask / divisor).clamp(0, 1)
    mean = _without_rounding(colour / (mask + EPSILON))
    return torch.cat([mean * alpha, alpha], 1)  # [P, 4, H, W]


def as_light(blending: Blending, layers: TileLayers, light: Tensor) -> TileLayers:
    """Return grey layers of the same opacity, whose brightness has a gradient with respect to `light`.

    Args:
        blending: the mode.
        layers: [M, 4, Q] premultiplied, coloured.
        light: [M] 1 for each layer.
    """
    layers = layers.detach()
    clear_if_black = blending == "transparency"
    amount = layers[:, :3].amax(1, keepdim=True) if clear_if_black else layers[:, 3:]  # [M, 1, Q]
    grey = (amount * light[:, None, None]).expand(-1, 3, -1)  # [M, 3, Q]
    return torch.cat([grey, layers[:, 3:]], 1)


def shares(blending: Blending, canvas: Canvas) -> Tensor:
    """Return [P, H, W] the brightness of grey layers without the clamp of `finish`, where gradients vanish.

    Args:
        blending: the mode.
        canvas: [P, 4, H, W] the assembled tiles of `blend_tiles`.
    """
    brightness, mask = canvas[:, 0], canvas[:, 3]  # [P, H, W] each
    if blending in ("over", "opacity", "transparency"):
        return brightness
    return brightness / (mask + EPSILON) * mask.clamp(max=1)


def _without_rounding(canvas: Tensor) -> Tensor:
    """Clamp to [0, 1] without stopping the gradient; only rounding exceeds the range."""
    return canvas - (canvas - canvas.clamp(0, 1)).detach()


def _soft_order(layers: TileLayers, lengths: Sequence[int], order: Tensor, elements: int) -> BlendedTiles:
    """Return the mean with softmax weights.

    The softmax runs over all N patches. Those that do not touch a tile contribute
    `exp(UNCOVERED)` each to its denominator and nothing to its numerator.
    """
    alpha = layers[:, 3]  # [M, Q]
    logit = torch.where(alpha > COVERED, order * alpha / TEMPERATURE, alpha + UNCOVERED)
    weight = logit.exp()  # [M, Q]

    # the constant of all N patches is added at the end, so each layer adds only its difference to it
    uncovered = math.exp(UNCOVERED)
    numerator = layers * (weight * alpha)[:, None]  # [M, 4, Q]
    denominator = (weight - uncovered)[:, None]  # [M, 1, Q]
    sums = add(torch.cat([numerator, denominator], 1), lengths)  # [B, 5, Q]
    return sums[:, :4] / (sums[:, 4:] + elements * uncovered)


def add(layers: TileLayers, lengths: Sequence[int]) -> BlendedTiles:
    """Add the layers of every tile.

    Args:
        layers: [M, C, Q] depth-major.
        lengths: number of tiles with a layer at depth 0, 1, ...

    Returns:
        [lengths[0], C, Q]
    """
    if not lengths:
        return layers
    return _Add.apply(layers, tuple(lengths))


class _Add(torch.autograd.Function):
    """Slice updates, one per depth; nothing is saved for the backward pass."""

    @staticmethod
    def forward(ctx: Any, layers: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Add each slice of `layers` to the first; slice d has `lengths[d]` rows."""
        ctx.lengths = lengths
        canvas = layers[: lengths[0]].clone()  # [B, C, Q]

        start = lengths[0]
        for length in lengths[1:]:
            canvas[:length].add_(layers[start : start + length])
            start += length
        return canvas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return for each slice the gradient of the rows it was added to."""
        slices = [gradient[:length] for length in ctx.lengths]
        return torch.cat(slices), None  # [M, C, Q]
