"""How much of each pixel a stroke covers, with its gradient.

Letters: G groups of (stroke, tile), Q pixels of a tile, C chords, K pixels at an edge.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from artgen.devices import tensor_on
from artgen.renderers.binning import TileGrid
from artgen.renderers.strokes.chords import Chords
from artgen.renderers.strokes.frames import ChordFrame, best_place, frame
from artgen.renderers.strokes.groups import Groups
from artgen.renderers.strokes.nearest import Nearest

LEAST_LENGTH = 1e-12
"""Smallest divisor, in pixels, where a distance or a length may be zero."""


class TileHits(NamedTuple):
    """The nearest chords of each group, and the order of the rows in the result.

    Args:
        nearest: [G, Q] distances, radii and depths.
        inside: [G, Q] for filled shapes, whether the pixel's centre is inside; None for strokes.
        groups: pairs of (stroke, tile) with their chords.
        rows: [G] the group of each row of the result, in any order.
        grid: the tiles.
    """

    nearest: Nearest
    inside: Tensor | None
    groups: Groups
    rows: Tensor
    grid: TileGrid


def coverage(chords: Chords, hits: TileHits) -> Tensor:
    """Return [G, Q] the fraction of each pixel that is covered, in the order of `hits.rows`.

    An open stroke of radius r at distance d covers `min(r, d + ½) - max(-r, d - ½)`, the
    overlap of the stroke's and the pixel's intervals across the stroke, so that hairs
    fade instead of breaking up and zero width paints nothing. A filled shape covers
    `½ ± d`. The nearest place is held fixed for the gradient, which is exact by the
    envelope theorem (the distance is stationary in it) except at ties.

    Args:
        chords: receive the gradient.
        hits: from `artgen.renderers.strokes.nearest.search`.
    """
    return _Coverage.apply(chords.ends, chords.radii, hits)


class _Coverage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ends: Tensor, radii: Tensor, hits: TileHits) -> Tensor:
        """Return [G, Q] coverage in [0, 1], and save the pixels at an edge for the gradient."""
        distance = hits.nearest.distance[hits.rows]  # [G, Q]
        radius = hits.nearest.radius[hits.rows]

        if hits.inside is None:
            far = torch.minimum(radius, distance + 0.5)
            near = torch.maximum(-radius, distance - 0.5)
            covered = far.sub_(near).clamp_(min=0)
            at_outline = (distance - radius).abs_() <= 0.5
            at_hair = (radius < 0.5) & (distance <= radius + 0.5)
            edge = at_outline | at_hair
        else:
            sign = hits.inside[hits.rows].to(distance.dtype).mul_(2).sub_(1)  # 1 inside, -1 outside
            covered = (sign * distance + 0.5).clamp_(0, 1)
            edge = distance < 0.5

        # coverage is constant everywhere else, so only pixels at an edge have a gradient
        cell = edge.flatten().nonzero()[:, 0]  # [K]
        depth = hits.nearest.depth[hits.rows].flatten()[cell]
        ctx.save_for_backward(ends, radii, cell, depth)
        ctx.where = hits.inside, hits.groups, hits.rows, hits.grid
        return covered

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of the chords' ends [C, 4] and radii [C, 2]."""
        ends, radii, cell, depth = ctx.saved_tensors
        inside, groups, rows, grid = ctx.where
        incoming = gradient.flatten()[cell]  # [K]

        # the nearest chord of each pixel, as seen from the pixel's tile
        group = rows[torch.div(cell, grid.tile**2, rounding_mode="floor")]  # [K]
        chord = _chord_at(groups, group, depth)
        seen = frame(ends, radii, grid, chord, groups.bins[group])

        # where the pixel is along and across the chord, and the nearest place on the chord
        along, across = _position(seen, cell, grid.tile)
        place = best_place(along, across, seen.half, seen.slope)
        excess = along - place
        distance = torch.hypot(excess, across)
        radius = seen.radius + seen.slope * place

        if inside is None:
            # a hair thinner than the pixel is covered by its full width, whatever the distance
            thin = distance - 0.5 <= -radius
            by_distance = torch.where(thin, 0, -incoming)
            by_radius = incoming * (1 + thin.to(radius.dtype)) * (radius >= 0)
        else:
            pixels = grid.tile**2
            sign = inside.flatten()[group * pixels + cell % pixels].to(radius.dtype) * 2 - 1
            by_distance, by_radius = incoming * sign, None

        # the foot moves against the direction from it to the pixel
        pull = by_distance / distance.clamp(min=LEAST_LENGTH)
        ux, uy = seen.along[1], seen.along[2]
        foot_x = -pull * (excess * ux - across * uy)
        foot_y = -pull * (excess * uy + across * ux)

        # both ends move the foot, in proportion to how near it is to them
        share = (0.5 + place / (2 * seen.half).clamp(min=LEAST_LENGTH)).clamp(0, 1)
        rest = 1 - share
        by_ends = [foot_x * rest, foot_y * rest, foot_x * share, foot_y * share]
        ends_gradient = _collect(by_ends, chord, len(ends))  # [C, 4]
        if by_radius is None:
            return ends_gradient, torch.zeros_like(radii), None

        by_radii = [by_radius * rest, by_radius * share]
        return ends_gradient, _collect(by_radii, chord, len(ends)), None


def _chord_at(groups: Groups, group: Tensor, depth: Tensor) -> Tensor:
    """Return [K] the chords at depths of groups."""
    starts = tensor_on([0, *groups.lengths], group.device).cumsum(0)  # [depths + 1]
    return groups.chord[starts[depth.long()] + group]


def _position(seen: ChordFrame, cell: Tensor, tile: int) -> tuple[Tensor, Tensor]:
    """Return [K] where pixels are along and across their chords.

    Args:
        seen: the chords, one for each pixel.
        cell: [K] flat index of the pixels in [G, Q].
        tile: side of a tile in pixels.
    """
    x = cell % tile
    y = torch.div(cell % tile**2, tile, rounding_mode="floor")
    along = seen.along[0] + seen.along[1] * x + seen.along[2] * y
    across = seen.across[0] + seen.across[1] * x + seen.across[2] * y
    return along, across


def _collect(values: list[Tensor], index: Tensor, count: int) -> Tensor:
    """Return [count, len(values)] sums of the [K] values by index, added in a fixed order."""
    sums = [values[0].new_zeros(count).index_add_(0, index, value) for value in values]
    return torch.stack(sums, 1)
