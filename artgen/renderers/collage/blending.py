"""The blending modes of a collage: from the patches' pixels in tiles to painted tiles.

The definitions are those of Arnheim 3 (P. Mirowski et al., "CLIP-CLOP: CLIP-Guided Collage
and Photomontage", 2022), with the alpha it left out, so that the result composites on any
background. On black all agree with it:

- `transparency`: colours add like light. Black is clear: alpha is the brightest channel.
- `masked_transparency_clipped`: the mean of the colours, weighted by alpha; the sum of
  the alphas, clipped to 1, is the alpha.
- `masked_transparency_normed`: the same, with the sum divided by its greatest value in
  the picture.
- `opacity`: a mean whose weights are a softmax of the depth orders; a patch that does not
  cover a pixel takes part in the softmax with a small constant, which is why only tiles
  that are covered need to be looked at.
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
Layers = Float[Tensor, "pairs channels pixels"]
Tiles = Float[Tensor, "bins channels pixels"]

TEMPERATURE = 0.1
"""Of the softmax over depth orders."""
UNCOVERED = -5.0
"""What a patch that does not cover a pixel has instead of its order over the temperature."""
COVERED = 0.5
"""Alpha above which a patch counts with its order."""
EPSILON = 1e-8


def blend_tiles(
    blending: Blending, layers: Layers, lengths: Sequence[int], order: Tensor, elements: int
) -> Tiles:
    """Blend the layers of every tile as far as it needs no other tile.

    Args:
        blending: the mode.
        layers: [M, 4, Q] premultiplied, coloured, depth-major.
        lengths: tiles that hold a layer at depth 0, 1, ...
        order: [M, 1] depth order of each layer's element, in [0, 1].
        elements: N, patches per candidate.

    Returns:
        [B, 4, Q] for `finish`; zero where nothing is covered.
    """
    if blending == "over":
        return over(layers, lengths)
    if blending == "opacity":
        return _soft_order(layers, lengths, order, elements)
    return add(layers, lengths)


def finish(blending: Blending, canvas: Canvas, greatest: Tensor | None) -> Canvas:
    """Turn what `blend_tiles` gave, put together, into premultiplied RGBA.

    Args:
        blending: the mode.
        canvas: [P, 4, H, W].
        greatest: [P] the greatest sum of alphas in the whole picture, for `normed`.
    """
    if blending in ("over", "opacity"):
        return _within(canvas)
    colour, mask = canvas.split([3, 1], 1)
    if blending == "transparency":
        light = colour.clamp(0, 1)
        return torch.cat([light, light.amax(1, keepdim=True)], 1)
    divisor = 1 if greatest is None else greatest.view(-1, 1, 1, 1) + EPSILON
    alpha = (mask / divisor).clamp(0, 1)
    mean = _within(colour / (mask + EPSILON))
    return torch.cat([mean * alpha, alpha], 1)


def _within(canvas: Tensor) -> Tensor:
    """Cut off what rounding put beyond [0, 1], and let the gradient pass."""
    return canvas - (canvas - canvas.clamp(0, 1)).detach()


def _soft_order(layers: Layers, lengths: Sequence[int], order: Tensor, elements: int) -> Tiles:
    """Return the mean with softmax weights.

    The softmax runs over all N patches. Those that do not touch a tile contribute
    `exp(UNCOVERED)` each to its denominator and nothing to its numerator.
    """
    alpha = layers[:, 3]
    logit = torch.where(alpha > COVERED, order * alpha / TEMPERATURE, alpha + UNCOVERED)
    weight = logit.exp()
    nothing = math.exp(UNCOVERED)
    terms = torch.cat([layers * (weight * alpha)[:, None], (weight - nothing)[:, None]], 1)
    sums = add(terms, lengths)
    return sums[:, :4] / (sums[:, 4:] + elements * nothing)


def add(layers: Layers, lengths: Sequence[int]) -> Tiles:
    """Add the layers of every tile.

    Args:
        layers: [M, C, Q] depth-major.
        lengths: number of tiles that hold a layer at depth 0, 1, ...

    Returns:
        [lengths[0], C, Q]
    """
    if not lengths:
        return layers
    return _Add.apply(layers, tuple(lengths))


class _Add(torch.autograd.Function):
    """A loop over depth of slice updates; nothing is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, layers: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Add the slices of `layers`, `lengths` rows each, onto the first."""
        ctx.lengths = lengths
        canvas = layers[: lengths[0]].clone()
        start = lengths[0]
        for length in lengths[1:]:
            canvas[:length].add_(layers[start : start + length])
            start += length
        return canvas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Give every slice the gradient of the rows it was added to."""
        return torch.cat([gradient[:length] for length in ctx.lengths]), None
