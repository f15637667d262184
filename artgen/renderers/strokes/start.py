"""Initial strokes: at random, on a picture's edges, or where a map is high.

All lengths are in the renderer's unit, the shorter side of the canvas. Letters: P population,
N strokes, S curves of a stroke, K control points of a stroke.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from artgen.geometry import WHOLE, Region, Size

LARGEST_STEP = 0.05
"""Largest step between control points of a random stroke, as in CLIPDraw."""
EVENLY_PLACED = 0.15
"""Fraction of the strokes on a picture that are placed evenly instead of on its edges."""
BLOB_WOBBLE = 0.1
"""Standard deviation of a blob's control points, relative to its radius."""
LARGEST_BLOB = 0.2
"""Largest typical radius of a blob, however few there are."""
SAMPLED_SIDE = 224
"""Shorter side, in pixels, that a picture is reduced to before its edges are found."""


class InitialStrokes(NamedTuple):
    """Strokes that a renderer starts with, or adds.

    Args:
        points: [P, N, K, 2] control points, x and y.
        width: [P, N].
        colour: [P, N, 3] in [0, 1].
        opacity: [P, N] in [0, 1].
    """

    points: Float[Tensor, "population elements points 2"]
    width: Float[Tensor, "population elements"]
    colour: Float[Tensor, "population elements 3"]
    opacity: Float[Tensor, "population elements"]


class StrokeShape(NamedTuple):
    """The shape and typical size of the strokes to make.

    Args:
        segments: curves per stroke.
        closed: whether strokes are filled shapes.
        width: typical width.
        extent: width and height of the canvas.
        spread: fraction of the canvas's sides, around its centre, where random strokes start.
    """

    segments: int
    closed: bool
    width: float
    extent: tuple[float, float]
    spread: float = 1.0


def random_strokes(
    shape: StrokeShape,
    population: int,
    count: int,
    generator: torch.Generator,
    region: Region = WHOLE,
) -> InitialStrokes:
    """Return short random strokes, uniform over the canvas, its centre, or a region of it.

    Each control point is a small random step from the one before, as in K. Frans et al.,
    "CLIPDraw", 2021 (arXiv 2106.14843).

    Args:
        shape: of the strokes.
        population: P.
        count: N.
        generator: source of the randomness.
        region: where they start, if it is not the whole canvas.
    """
    place = (_uniform(generator, population, count, 2) - 0.5) * shape.spread + 0.5  # [P, N, 2] in [0, 1]
    if region != WHOLE:
        corner = torch.tensor([region.left, region.top])
        place = corner + place * torch.tensor([region.right - region.left, region.bottom - region.top])
    start = place * torch.tensor(shape.extent)
    colour = _uniform(generator, population, count, 3)  # [P, N, 3]
    return strokes_at(shape, start, colour, generator)


def strokes_at(
    shape: StrokeShape,
    start: Float[Tensor, "population elements 2"],
    colour: Float[Tensor, "population elements 3"],
    generator: torch.Generator,
    direction: Float[Tensor, "population elements"] | None = None,
) -> InitialStrokes:
    """Return strokes around given places, in given colours.

    Args:
        shape: of the strokes.
        start: [P, N, 2] middle of each stroke.
        colour: [P, N, 3] of each stroke.
        generator: source of the rest.
        direction: [P, N] angle of each stroke in radians; a random walk if None.
    """
    population, count = start.shape[:2]
    if shape.closed:
        offset = _blobs(shape, population, count, generator)
    elif direction is None:
        offset = _random_walks(shape, population, count, generator)
    else:
        offset = _lines(shape, direction, generator)

    width = shape.width * (0.5 + _uniform(generator, population, count))  # [P, N]
    opacity = 0.5 + 0.5 * _uniform(generator, population, count)
    points = start[:, :, None] + offset  # [P, N, K, 2]
    return InitialStrokes(points, width, colour, opacity)


def _random_walks(shape: StrokeShape, population: int, count: int, generator: torch.Generator) -> Tensor:
    """Return [P, N, 3 S + 1, 2] control points around the origin, each a random step from the one before."""
    step = (_uniform(generator, population, count, 3 * shape.segments, 2) * 2 - 1) * LARGEST_STEP
    offset = torch.cat([torch.zeros(population, count, 1, 2), step.cumsum(2)], 2)  # [P, N, 3 S + 1, 2]
    return offset - offset.mean(2, keepdim=True)


def _lines(shape: StrokeShape, direction: Tensor, generator: torch.Generator) -> Tensor:
    """Return [P, N, 3 S + 1, 2] control points on nearly straight lines through the origin."""
    along = torch.linspace(-0.5, 0.5, 3 * shape.segments + 1) * LARGEST_STEP * 2.5  # [3 S + 1]
    axis = torch.stack([direction.cos(), direction.sin()], -1)  # [P, N, 2]
    offset = along[:, None] * axis[:, :, None]  # [P, N, 3 S + 1, 2]
    return offset + torch.randn(offset.shape, generator=generator) * LARGEST_STEP / 20


def _blobs(shape: StrokeShape, population: int, count: int, generator: torch.Generator) -> Tensor:
    """Return [P, N, 3 S, 2] control points of wobbly circles around the origin."""
    points = 3 * shape.segments
    angle = torch.arange(points) / points * 2 * math.pi  # [3 S]

    # blobs of this radius about fill the canvas
    area = shape.extent[0] * shape.extent[1] / count
    typical = min(LARGEST_BLOB, 0.5 * math.sqrt(area))
    radius = typical * (0.5 + _uniform(generator, population, count, 1))  # [P, N, 1]

    # control points between the nodes are moved outwards, so that the curve is a circle
    reach = 1 / math.cos(math.pi / points) if points > 3 else 1.0
    push = torch.where(torch.arange(points) % 3 == 0, 1.0, reach)  # [3 S]
    wobble = 1 + BLOB_WOBBLE * torch.randn(population, count, points, generator=generator)  # [P, N, 3 S]

    circle = torch.stack([angle.cos(), angle.sin()], -1)  # [3 S, 2]
    return circle * (radius * push * wobble)[..., None]  # [P, N, 3 S, 2]


def strokes_on_picture(
    shape: StrokeShape,
    picture: Float[Tensor, "1 3 h w"],
    population: int,
    count: int,
    generator: torch.Generator,
) -> InitialStrokes:
    """Return strokes along the edges of a picture, in its colours.

    Y. Vinker et al., "CLIPasso", 2022, section 3.3 places strokes where the guide looks and where
    edges are. Here only the edges count; `strokes_on_map` takes any map.

    Args:
        shape: of the strokes.
        picture: sRGB in [0, 1].
        population: P.
        count: N.
        generator: source of the randomness.
    """
    small = functional.interpolate(picture.cpu().float(), _reduced_size(picture), mode="area")
    return strokes_on_map(shape, small, edge_strength(small), population, count, generator)


def strokes_on_map(
    shape: StrokeShape,
    picture: Float[Tensor, "1 3 h w"],
    saliency: Float[Tensor, "1 1 h w"],
    population: int,
    count: int,
    generator: torch.Generator,
) -> InitialStrokes:
    """Return strokes where a map (edges, a guide's saliency) is high, along the picture's edges.

    Args:
        shape: of the strokes.
        picture: sRGB in [0, 1].
        saliency: the map, of the picture's size; negative values count as 0.
        population: P.
        count: N.
        generator: source of the randomness.
    """
    weights = saliency.flatten().clamp(min=0).double()  # [h w]
    weights = weights / weights.sum().clamp(min=1e-12)
    weights = (1 - EVENLY_PLACED) * weights + EVENLY_PLACED / weights.numel()
    weights = weights.expand(population, -1)  # [P, h w]

    pixel = torch.multinomial(weights, count, replacement=True, generator=generator)  # [P, N]
    start = places_in_pixels(pixel, Size(*picture.shape[-2:]), shape.extent, generator)
    colour = picture[0].flatten(1).T[pixel]  # [P, N, 3]
    direction = _edge_direction(picture).flatten()[pixel]  # [P, N]
    return strokes_at(shape, start, colour, generator, direction)


def places_in_pixels(
    pixel: Int[Tensor, "population elements"],
    size: Size,
    extent: tuple[float, float],
    generator: torch.Generator,
) -> Float[Tensor, "population elements 2"]:
    """Return [P, N, 2] a random place inside each pixel, in the unit of the extent.

    Args:
        pixel: [P, N] flat index of the pixels, row by row.
        size: of the picture.
        extent: width and height of the canvas.
        generator: source of the randomness.
    """
    row = torch.div(pixel, size.width, rounding_mode="floor")
    column = pixel % size.width
    place = torch.stack([column, row], -1) + _uniform(generator, *pixel.shape, 2)  # [P, N, 2]
    return place * torch.tensor(extent) / torch.tensor([size.width, size.height])


def edge_strength(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    """Return [1, 1, h, w] the strength of edges, smoothed over 5 x 5 pixels."""
    slope = _slopes(picture).square().sum(1, keepdim=True).sqrt()  # [1, 1, h, w]
    padded = functional.pad(slope, (2, 2, 2, 2), mode="replicate")
    return functional.avg_pool2d(padded, 5, 1)


def _edge_direction(picture: Tensor) -> Tensor:
    """Return [1, 1, h, w] the angle of edges in radians, from the structure tensor of 7 x 7 pixels."""
    x, y = _slopes(picture).unbind(1)  # [1, h, w]
    products = torch.stack([x * x, y * y, x * y], 1)  # [1, 3, h, w]
    padded = functional.pad(products, (3, 3, 3, 3), mode="replicate")
    xx, yy, xy = functional.avg_pool2d(padded, 7, 1).unbind(1)

    # the gradient's main direction, turned by a right angle
    across = 0.5 * torch.atan2(2 * xy, xx - yy)
    return (across + math.pi / 2)[:, None]


def _slopes(picture: Tensor) -> Tensor:
    """Return [1, 2, h, w] the slope of the brightness along x and y."""
    from kornia.filters import spatial_gradient

    brightness = picture.mean(1, keepdim=True)  # [1, 1, h, w]
    return spatial_gradient(brightness, mode="sobel")[:, 0]


def _reduced_size(picture: Tensor) -> Size:
    """Return the size to find edges at: the picture's own, or smaller."""
    height, width = picture.shape[-2:]
    scale = min(1.0, SAMPLED_SIDE / min(height, width))
    return Size(max(3, round(height * scale)), max(3, round(width * scale)))


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator)
