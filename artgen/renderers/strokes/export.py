"""Strokes as vector paths and as layers."""

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
    ids: Sequence[int],
) -> Drawing:
    """Return the first candidate as a vector drawing.

    Args:
        paths: in pixels of a picture of this size.
        colour: sRGB in [0, 1].
        opacity: in [0, 1].
        layers: name of each path's layer.
        size: of the drawing.
        paper: colour of the paper, None for a clear one.
        ids: number of each path.
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
            number=ids[n],
        )
        vectors.append(path)

    return Drawing(size, vectors, paper)


def layer_names(levels: Sequence[int]) -> list[str]:
    """Return each stroke's layer name; every growth step is one layer, named with the number of strokes so far.

    Example:
        >>> layer_names([0, 1, 1])
        ['strokes, step 1: 1', 'strokes, step 2: 3', 'strokes, step 2: 3']
    """
    if not any(levels):
        return ["strokes"] * len(levels)

    ordered = sorted(levels)
    names = []
    for level in levels:
        strokes_so_far = bisect.bisect_right(ordered, level)
        names.append(f"strokes, step {level + 1}: {strokes_so_far}")
    return names


def layers_of(
    paths: Paths, size: Size, paper: Tensor | None, linear: bool, ids: Sequence[int]
) -> list[Layer]:
    """Return the paper and each path of the first candidate, cropped to the path.

    Args:
        paths: in pixels of a picture of this size.
        size: of the picture.
        paper: [3] colour of the paper, None for a clear one.
        linear: whether the paths' colours are in linear light.
        ids: number of each path.
    """
    result = []
    if paper is not None:
        opaque = torch.cat([paper, paper.new_ones(1)])  # [4]
        result.append(Layer("paper", opaque[:, None, None].expand(4, *size), 0, 0))

    for n in range(paths.radii.shape[1]):
        box = _box(paths.curves[0, n], float(paths.radii[0, n]), size)
        if box is None:
            continue

        only = slice(n, n + 1)
        single = paths._replace(
            curves=paths.curves[:1, only], radii=paths.radii[:1, only], paint=paths.paint[:1, only]
        )
        canvas = paint(single, box)  # [1, 4, h, w]
        image = to_srgb(canvas)[0] if linear else canvas[0]
        result.append(Layer(f"stroke {ids[n]}", image, box.top, box.left, {"element": ids[n]}))
    return result


def triple(colour: Tensor) -> Colour:
    """Return a [3] colour as three numbers."""
    red, green, blue = colour.tolist()
    return red, green, blue


def _box(curves: Tensor, radius: float, size: Size) -> Window | None:
    """Return the window around control points and width, None if it is outside the picture."""
    low = (curves.amin((0, 1)) - radius - 1).floor().clamp(min=0).long()  # [2] x, y
    high = (curves.amax((0, 1)) + radius + 1).ceil().long()
    left, top = low.tolist()
    right, bottom = high.tolist()

    right, bottom = min(right, size.width), min(bottom, size.height)
    if left >= right or top >= bottom:
        return None
    return Window(top, left, bottom, right)
