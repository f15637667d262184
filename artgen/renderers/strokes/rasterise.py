"""Strokes and shapes to pixels: cut, bin, search, cover, composite."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

from artgen.renderers.binning import TILE_SIDE, TileGrid, assemble, stack
from artgen.renderers.compositing import over
from artgen.renderers.strokes.chords import Chords, chord_counts, cut
from artgen.renderers.strokes.coverage import Found, coverage
from artgen.renderers.strokes.nearest import group, search
from artgen.renderers.strokes.winding import wind
from artgen.types import Canvas, Size, Window

Rule = Literal["nonzero", "evenodd"]


class Paths(NamedTuple):
    """What is to be painted, in pixels of the whole picture.

    Args:
        curves: [P, N, S, 4, 2] control points; the curves of a path join.
        radii: [P, N] half the full width (open strokes only).
        paint: [P, N, 4] premultiplied colour and opacity.
        closed: fill the paths instead of stroking them.
        rule: what counts as inside a closed path that crosses itself.
        taper: part of a stroke over which each end narrows to a point.
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
    curves = paths.curves.flatten(0, 2)
    taper = 0.0 if paths.closed else paths.taper
    radii = torch.zeros_like(paths.radii) if paths.closed else paths.radii
    chords = cut(curves, radii.flatten(), chord_counts(curves), taper)
    candidate = torch.arange(population, device=curves.device).repeat_interleave(elements)
    found, element, lengths, bins = _find(paths, chords, grid, candidate)
    covered = coverage(chords, found)
    layers = covered[:, None] * paths.paint.flatten(0, 1).index_select(0, element)[:, :, None]
    return assemble(over(layers, lengths), bins, grid)


def curves_of(
    points: Float[Tensor, "population elements points 2"], size: Size, extent: tuple[float, float]
) -> Float[Tensor, "population elements segments 4 2"]:
    """Return joining curves in pixels; 3 S + 1 points are open paths, 3 S closed ones.

    Args:
        points: control points; those that curves share only once.
        size: of the picture.
        extent: its width and height in the points' unit.
    """
    count = points.shape[2]
    scale = points.new_tensor([size.width / extent[0], size.height / extent[1]])
    index = torch.arange(count // 3, device=points.device)[:, None] * 3
    index = (index + torch.arange(4, device=points.device)) % count
    return (points * scale)[:, :, index.flatten()].unflatten(2, (-1, 4))


def premultiplied(
    colour: Float[Tensor, "population elements 3"],
    opacity: Float[Tensor, "population elements"],
    linear: bool,
) -> Float[Tensor, "population elements 4"]:
    """Return sRGB colours as they are mixed: times opacity, in linear light if wanted."""
    mixed = to_linear(colour) if linear else colour
    return torch.cat([mixed * opacity[..., None], opacity[..., None]], -1)


def on_paper(canvas: Canvas, paper: Float[Tensor, "population 3"] | None, linear: bool) -> Canvas:
    """Return what was painted in sRGB, on opaque paper or clear.

    Args:
        canvas: premultiplied, in linear light if `linear`.
        paper: sRGB, None for none.
        linear: whether colours mix in linear light.
    """
    if paper is not None:
        ground = (to_linear(paper) if linear else paper)[:, :, None, None]
        colour = canvas[:, :3] + (1 - canvas[:, 3:]) * ground
        canvas = torch.cat([colour, torch.ones_like(colour[:, :1])], 1)
    return to_srgb(canvas) if linear else canvas


def _find(
    paths: Paths, chords: Chords, grid: TileGrid, candidate: Tensor
) -> tuple[Found, Tensor, list[int], Tensor]:
    """Return what covers what, the element of each layer, and how layers stack in which bins."""
    if paths.closed:
        winding = wind(chords, grid, candidate)
        numbers = winding.at(grid, winding.element, winding.bins)
        filled = _filled(numbers, paths.rule).any(1)
        extra = winding.element[filled], winding.bins[filled]
        groups = group(chords, grid, candidate, extra, cull=paths.rule == "evenodd")
        numbers = winding.at(grid, groups.element, groups.bins)
        around = numbers if paths.rule == "nonzero" else None
        nearest = search(chords, groups, grid, winding=around)
        inside = _filled(numbers, paths.rule)
    else:
        groups = group(chords, grid, candidate)
        nearest, inside = search(chords, groups, grid, paths.taper > 0), None
    stacks = stack(groups.bins[groups.paint])
    rows = groups.paint[stacks.order]
    return Found(nearest, inside, groups, rows, grid), groups.element[rows], stacks.lengths, stacks.bins


def _filled(numbers: Tensor, rule: Rule) -> Tensor:
    return numbers % 2 != 0 if rule == "evenodd" else numbers != 0


CLEAR = 1e-4
"""Below this alpha a pixel's colour is not told from black."""


def to_linear(colour: Tensor) -> Tensor:
    """Return [..., 3] sRGB colours in linear light."""
    return rgb_to_linear_rgb(colour.reshape(-1, 3, 1, 1)).reshape(colour.shape)


def to_srgb(canvas: Canvas) -> Canvas:
    """Return a premultiplied picture in linear light as premultiplied sRGB."""
    alpha = canvas[:, 3:]
    colour = linear_rgb_to_rgb((canvas[:, :3] / alpha.clamp(min=CLEAR)).clamp(0, 1))
    return torch.cat([colour * alpha, alpha], 1)
