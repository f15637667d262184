"""Where strokes begin: at random, on a picture's edges, or where they are wanted.

All in the renderer's unit, the shorter side of the canvas.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

STEP = 0.05
"""Largest step between control points of a random stroke, as CLIPDraw's."""
SPREAD_OF_EDGES = 0.15
"""Part of a picture's strokes that are spread evenly instead of put on its edges."""


class Beginning(NamedTuple):
    """Strokes to begin with.

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


class Kind(NamedTuple):
    """What sort of strokes are made.

    Args:
        segments: curves per stroke.
        closed: filled shapes.
        width: typical width.
        extent: width and height of the canvas.
        spread: part of the canvas's sides, around its middle, that random strokes begin in.
    """

    segments: int
    closed: bool
    width: float
    extent: tuple[float, float]
    spread: float = 1.0


def random_strokes(kind: Kind, population: int, count: int, generator: torch.Generator) -> Beginning:
    """Return short random strokes, spread uniformly over the canvas or its middle.

    Each control point is a small random step from the last, as in K. Frans et al.,
    "CLIPDraw", 2021 (arXiv 2106.14843).
    """
    place = (_uniform(generator, population, count, 2) - 0.5) * kind.spread + 0.5
    start = place * torch.tensor(kind.extent)
    colour = _uniform(generator, population, count, 3)
    return strokes_at(kind, start, colour, generator)


def strokes_at(
    kind: Kind,
    start: Float[Tensor, "population elements 2"],
    colour: Float[Tensor, "population elements 3"],
    generator: torch.Generator,
    direction: Float[Tensor, "population elements"] | None = None,
) -> Beginning:
    """Return strokes that begin near given places, with given colours.

    Args:
        kind: what sort.
        start: middle of each stroke.
        colour: of each stroke.
        generator: for the rest.
        direction: angle of each stroke in radians; wandering at random if None.
    """
    population, count = start.shape[:2]
    if kind.closed:
        offset = _blobs(kind, population, count, generator)
    elif direction is None:
        step = (_uniform(generator, population, count, 3 * kind.segments, 2) * 2 - 1) * STEP
        offset = torch.cat([torch.zeros(population, count, 1, 2), step.cumsum(2)], 2)
        offset = offset - offset.mean(2, keepdim=True)
    else:
        along = torch.linspace(-0.5, 0.5, 3 * kind.segments + 1) * STEP * 2.5
        axis = torch.stack([direction.cos(), direction.sin()], -1)
        offset = along[:, None] * axis[:, :, None]
        offset = offset + torch.randn(offset.shape, generator=generator) * STEP / 20
    spread = 0.5 + _uniform(generator, population, count)
    opacity = 0.5 + 0.5 * _uniform(generator, population, count)
    return Beginning(start[:, :, None] + offset, kind.width * spread, colour, opacity)


def _blobs(kind: Kind, population: int, count: int, generator: torch.Generator) -> Tensor:
    """Return [P, N, 3 S, 2] roundish outlines about the origin."""
    points = 3 * kind.segments
    angle = torch.arange(points) / points * 2 * math.pi
    area = kind.extent[0] * kind.extent[1] / count
    radius = min(0.2, 0.5 * math.sqrt(area)) * (0.5 + _uniform(generator, population, count, 1))
    # control points off the curve stand out so far that a circle results
    reach = 1 / math.cos(math.pi / points) if points > 3 else 1.0
    push = torch.where(torch.arange(points) % 3 == 0, 1.0, reach)
    wobble = 1 + 0.1 * torch.randn(population, count, points, generator=generator)
    return torch.stack([angle.cos(), angle.sin()], -1) * (radius * push * wobble)[..., None]


def strokes_on_picture(
    kind: Kind, picture: Float[Tensor, "1 3 h w"], population: int, count: int, generator: torch.Generator
) -> Beginning:
    """Return strokes along the edges of a picture, in its colours.

    Y. Vinker et al., "CLIPasso", 2022, section 3.3 puts strokes where the guide looks and
    edges are; here the edges alone decide, `strokes_on_map` takes any map.
    """
    small = functional.interpolate(picture.cpu().float(), _small(picture), mode="area")
    return strokes_on_map(kind, small, edge_strength(small), population, count, generator)


def strokes_on_map(
    kind: Kind,
    picture: Float[Tensor, "1 3 h w"],
    saliency: Float[Tensor, "1 1 h w"],
    population: int,
    count: int,
    generator: torch.Generator,
) -> Beginning:
    """Return strokes where a map (edges, a guide's saliency) is high, along the picture's edges."""
    height, width = picture.shape[-2:]
    weights = saliency.flatten().clamp(min=0).double()
    weights = weights / weights.sum().clamp(min=1e-12)
    weights = (1 - SPREAD_OF_EDGES) * weights + SPREAD_OF_EDGES / weights.numel()
    cell = torch.multinomial(weights.expand(population, -1), count, replacement=True, generator=generator)
    row, column = torch.div(cell, width, rounding_mode="floor"), cell % width
    place = torch.stack([column, row], -1) + _uniform(generator, population, count, 2)
    start = place * torch.tensor(kind.extent) / torch.tensor([width, height])
    colour = picture[0].flatten(1).T[cell]
    return strokes_at(kind, start, colour, generator, _edge_direction(picture).flatten()[cell])


def edge_strength(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    """Return how strong the edges are, smoothed over a few pixels."""
    slope = _slopes(picture).square().sum(1, keepdim=True).sqrt()
    return functional.avg_pool2d(functional.pad(slope, (2, 2, 2, 2), mode="replicate"), 5, 1)


def _edge_direction(picture: Tensor) -> Tensor:
    """Return [1, 1, h, w] the angle edges run along, from the structure tensor around."""
    x, y = _slopes(picture).unbind(1)
    products = torch.stack([x * x, y * y, x * y], 1)
    xx, yy, xy = functional.avg_pool2d(functional.pad(products, (3, 3, 3, 3), mode="replicate"), 7, 1).unbind(
        1
    )
    return (0.5 * torch.atan2(2 * xy, xx - yy) + math.pi / 2)[:, None]


def _slopes(picture: Tensor) -> Tensor:
    """Return [1, 2, h, w] how the brightness grows along x and y."""
    from kornia.filters import spatial_gradient

    return spatial_gradient(picture.mean(1, keepdim=True), mode="sobel")[:, 0]


def _small(picture: Tensor, side: int = 224) -> tuple[int, int]:
    height, width = picture.shape[-2:]
    scale = min(1.0, side / min(height, width))
    return max(3, round(height * scale)), max(3, round(width * scale))


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator)
