"""Strokes as vector paths and as picture layers."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.renderers.base import Layer
from artgen.renderers.strokes.outline import tapered_outline
from artgen.renderers.strokes.rasterise import Paths, paint, to_srgb
from artgen.svg.write import Drawing, VectorPath
from artgen.types import Size, Window

Colour = tuple[float, float, float]


def drawing_of(
    paths: Paths,
    colour: Float[Tensor, "population elements 3"],
    opacity: Float[Tensor, "population elements"],
    layers: Sequence[str],
    size: Size,
    paper: Colour | None,
) -> Drawing:
    """Return the first candidate as a vector drawing.

    Args:
        paths: in pixels of a picture of this size.
        colour: sRGB in [0, 1].
        opacity: in [0, 1].
        layers: name of each path's layer.
        size: of the drawing.
        paper: colour of the ground, None for a clear one.
    """
    vectors = []
    for n, layer in enumerate(layers):
        curves = paths.curves[0, n].detach().cpu()
        width = float(2 * paths.radii[0, n])
        tapered = paths.taper > 0 and not paths.closed

        path = VectorPath(
            curves=curves,
            colour=triple(colour[0, n]),
            opacity=float(opacity[0, n]),
            width=width,
            closed=paths.closed,
            rule=paths.rule,
            taper=paths.taper,
            outline=tapered_outline(curves, width, paths.taper) if tapered else None,
            layer=layer,
        )
        vectors.append(path)

    return Drawing(size, vectors, paper)


def layer_names(levels: Sequence[int]) -> list[str]:
    """Return the layer of each stroke: one per step of a growing series, with the strokes there are by then.

    Example:
        >>> layer_names([0, 1, 1])
        ['strokes, step 1: 1', 'strokes, step 2: 3', 'strokes, step 2: 3']
    """
    if not any(levels):
        return ["strokes"] * len(levels)
    first = sorted(levels)
    return [f"strokes, step {level + 1}: {bisect.bisect_right(first, level)}" for level in levels]


def layers_of(paths: Paths, size: Size, paper: Tensor | None, linear: bool) -> list[Layer]:
    """Return the paper and each path of the first candidate, cropped to what it covers.

    Args:
        paths: in pixels of a picture of this size.
        size: of the picture.
        paper: [3] colour of the ground, None for a clear one.
        linear: the paths' colours are in linear light.
    """
    result = []
    if paper is not None:
        ground = torch.cat([paper, paper.new_ones(1)])[:, None, None].expand(4, *size)
        result.append(Layer("paper", ground, 0, 0))
    for n in range(paths.radii.shape[1]):
        one = slice(n, n + 1)
        box = _box(paths.curves[0, n], float(paths.radii[0, n]), size)
        if box is None:
            continue
        alone = paths._replace(
            curves=paths.curves[:1, one], radii=paths.radii[:1, one], paint=paths.paint[:1, one]
        )
        image = paint(alone, box)
        image = to_srgb(image)[0] if linear else image[0]
        result.append(Layer(f"stroke {n}", image, box.top, box.left, {"element": n}))
    return result


def triple(colour: Tensor) -> Colour:
    """Return a [3] colour as numbers."""
    red, green, blue = colour.tolist()
    return red, green, blue


def _box(curves: Tensor, radius: float, size: Size) -> Window | None:
    """Return the window that control points and width may touch, None outside of the picture."""
    low = (curves.amin((0, 1)) - radius - 1).floor().clamp(min=0).long().tolist()
    high = (curves.amax((0, 1)) + radius + 1).ceil().long().tolist()
    right, bottom = min(high[0], size.width), min(high[1], size.height)
    return Window(low[1], low[0], bottom, right) if low[0] < right and low[1] < bottom else None
