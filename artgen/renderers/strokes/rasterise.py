"""Strokes and shapes to pixels: cut, bin, search, cover, composite.

Letters: P population, N paths, S curves of a path, C chords, G groups of (path, tile), Q pixels of a tile.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

from artgen.devices import tensor_on
from artgen.renderers.binning import TILE_SIDE, Stacks, TileGrid, assemble, stack
from artgen.renderers.compositing import over, put_over
from artgen.renderers.strokes.chords import Chords, chord_counts, cut
from artgen.renderers.strokes.coverage import TileHits, coverage
from artgen.renderers.strokes.groups import Groups, group
from artgen.renderers.strokes.nearest import Nearest, search
from artgen.renderers.strokes.winding import wind
from artgen.types import Canvas, Size, Window

Rule = Literal["nonzero", "evenodd"]


class Paths(NamedTuple):
    """The paths to paint, in pixels of the whole picture.

    Args:
        curves: [P, N, S, 4, 2] control points; the curves of a path join.
        radii: [P, N] half the full width (open strokes only).
        paint: [P, N, 4] premultiplied colour and opacity.
        closed: fill the paths instead of stroking them.
        rule: which parts of a closed path that crosses itself are inside.
        taper: fraction of a stroke over which each end narrows to a point.
    """

    curves: Float[Tensor, "population elements segments 4 2"]
    radii: Float[Tensor, "population elements"]
    paint: Float[Tensor, "population elements 4"]
    closed: bool = False
    rule: Rule = "nonzero"
    taper: float = 0.0


def paint(paths: Paths, window: Window, tile: int = TILE_SIDE) -> Canvas:
    """Paint paths over each other, the first the lowest.

    Args:
        paths: what to paint.
        window: the part of the picture to render, in pixels.
        tile: side of the tiles the work is cut into.

    Returns:
        [P, 4, h, w] premultiplied, in the colour space of `paths.paint`.
    """
    population, elements = paths.radii.shape
    grid = TileGrid(population, window, tile)
    candidate = torch.arange(population, device=paths.curves.device).repeat_interleave(elements)  # [P N]

    curves = paths.curves.flatten(0, 2)  # [P N S, 4, 2]
    taper = 0.0 if paths.closed else paths.taper
    radii = torch.zeros_like(paths.radii) if paths.closed else paths.radii
    chords = cut(curves, radii.flatten(), chord_counts(curves), taper)

    hits, element, stacks = _find_hits(paths, chords, grid, candidate)
    covered = coverage(chords, hits)  # [G, Q]
    colour = paths.paint.flatten(0, 1).index_select(0, element)  # [G, 4]
    layers = covered[:, None] * colour[:, :, None]  # [G, 4, Q]
    return assemble(over(layers, stacks.lengths), stacks.bins, grid)  # [P, 4, h, w]


def curves_of(
    points: Float[Tensor, "population elements points 2"], size: Size, extent: tuple[float, float]
) -> Float[Tensor, "population elements segments 4 2"]:
    """Return joined curves in pixels; 3 S + 1 points make open paths, 3 S points make closed ones.

    Args:
        points: [P, N, 3 S + 1 or 3 S, 2] control points; a point that two curves share occurs once.
        size: of the picture.
        extent: width and height of the picture in the points' unit.

    Returns:
        [P, N, S, 4, 2]
    """
    count = points.shape[2]
    scale = tensor_on([size.width / extent[0], size.height / extent[1]], points.device, points.dtype)  # [2]

    first = torch.arange(count // 3, device=points.device)[:, None] * 3  # [S, 1]
    index = (first + torch.arange(4, device=points.device)) % count  # [S, 4]
    return (points * scale)[:, :, index.flatten()].unflatten(2, (-1, 4))  # [P, N, S, 4, 2]


def paint_of(
    colour: Float[Tensor, "population elements 3"],
    opacity: Float[Tensor, "population elements"],
    linear: bool,
) -> Float[Tensor, "population elements 4"]:
    """Return [P, N, 4] premultiplied paint in the colour space that colours mix in.

    Args:
        colour: [P, N, 3] sRGB in [0, 1].
        opacity: [P, N] in [0, 1].
        linear: whether colours mix in linear light.
    """
    mixed = to_linear(colour) if linear else colour
    alpha = opacity[..., None]  # [P, N, 1]
    return torch.cat([mixed * alpha, alpha], -1)  # [P, N, 4]


def on_paper(canvas: Canvas, paper: Float[Tensor, "population 3"] | None, linear: bool) -> Canvas:
    """Return a painted canvas in sRGB, on opaque paper or on nothing.

    Args:
        canvas: [P, 4, H, W] premultiplied, in linear light if `linear`.
        paper: [P, 3] sRGB, None for no paper.
        linear: whether colours mix in linear light.
    """
    if paper is not None:
        behind = (to_linear(paper) if linear else paper)[:, :, None, None]  # [P, 3, 1, 1]
        colour = put_over(canvas, behind)  # [P, 3, H, W]
        canvas = torch.cat([colour, torch.ones_like(colour[:, :1])], 1)  # [P, 4, H, W]
    return to_srgb(canvas) if linear else canvas


def _find_hits(
    paths: Paths, chords: Chords, grid: TileGrid, candidate: Tensor
) -> tuple[TileHits, Tensor, Stacks]:
    """Return the nearest chords, the [G] element of each layer, and how layers stack in bins."""
    if paths.closed:
        groups, nearest, inside = _find_shapes(chords, grid, candidate, paths.rule)
    else:
        groups = group(chords, grid, candidate, taper=paths.taper > 0)
        nearest = search(chords, groups, grid, paths.taper > 0)
        inside = None

    stacks = stack(groups.bins[groups.paint])
    rows = groups.paint[stacks.order]  # [G]
    return TileHits(nearest, inside, groups, rows, grid), groups.element[rows], stacks


def _find_shapes(
    chords: Chords, grid: TileGrid, candidate: Tensor, rule: Rule
) -> tuple[Groups, Nearest, Tensor]:
    """Return for closed paths the groups, their nearest chords, and [G, Q] which pixels are inside."""
    winding = wind(chords, grid, candidate)

    # tiles inside a shape need a group, even if no outline comes near them
    numbers = winding.at(grid, winding.element, winding.bins)
    filled = _filled(numbers, rule).any(1)
    extra = winding.element[filled], winding.bins[filled]
    groups = group(chords, grid, candidate, extra, cull=rule == "evenodd")

    numbers = winding.at(grid, groups.element, groups.bins)  # [G, Q]
    around = numbers if rule == "nonzero" else None
    nearest = search(chords, groups, grid, winding=around)
    return groups, nearest, _filled(numbers, rule)


def _filled(numbers: Tensor, rule: Rule) -> Tensor:
    return numbers % 2 != 0 if rule == "evenodd" else numbers != 0


LEAST_ALPHA = 1e-4
"""Smallest divisor when colours are divided by alpha; below this alpha a pixel's colour is treated as black."""


def to_linear(colour: Tensor) -> Tensor:
    """Return [..., 3] sRGB colours in linear light."""
    return rgb_to_linear_rgb(colour.reshape(-1, 3, 1, 1)).reshape(colour.shape)


def to_srgb(canvas: Canvas) -> Canvas:
    """Return [P, 4, H, W] premultiplied in linear light as premultiplied sRGB."""
    alpha = canvas[:, 3:]  # [P, 1, H, W]
    straight = (canvas[:, :3] / alpha.clamp(min=LEAST_ALPHA)).clamp(0, 1)  # [P, 3, H, W]
    return torch.cat([linear_rgb_to_rgb(straight) * alpha, alpha], 1)
