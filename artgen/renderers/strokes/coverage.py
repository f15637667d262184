"""How much of each pixel a stroke covers, with its gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from artgen.renderers.binning import TileGrid
from artgen.renderers.strokes.chords import Chords
from artgen.renderers.strokes.nearest import Groups, Nearest, best_place, frame


class Found(NamedTuple):
    """All the coverage needs besides the chords; rows in order of painting or any other.

    Args:
        nearest: [G, Q] distances, radii and depths.
        inside: [G, Q] for filled shapes, whether the pixel's centre is; None for strokes.
        groups: where the chords of each group are found.
        rows: [G] the group of each row of the result.
        grid: the tiles.
    """

    nearest: Nearest
    inside: Tensor | None
    groups: Groups
    rows: Tensor
    grid: TileGrid


def coverage(chords: Chords, found: Found) -> Tensor:
    """Return [G, Q] the part of each pixel that is covered, rows as `found.rows` says.

    An open stroke of radius r at distance d covers `min(r, d + ½) - max(-r, d - ½)`, the
    overlap of the stroke's and the pixel's intervals across the stroke, so that hairs
    fade instead of breaking up and zero width paints nothing. A filled shape covers
    `½ ± d`. The nearest place is held fixed for the gradient, which is exact by the
    envelope theorem (the distance is stationary in it) except at ties.

    Args:
        chords: get the gradient.
        found: by `artgen.renderers.strokes.nearest.search`.
    """
    return _Coverage.apply(chords.ends, chords.radii, found)


class _Coverage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ends: Tensor, radii: Tensor, found: Found) -> Tensor:
        """Return how far each pixel of a row is covered, in [0, 1], and keep the pixels at an edge."""
        distance, radius = found.nearest.distance[found.rows], found.nearest.radius[found.rows]
        if found.inside is None:
            covered = torch.minimum(radius, distance + 0.5).sub_(torch.maximum(-radius, distance - 0.5))
            covered.clamp_(min=0)
            edge = ((distance - radius).abs_() <= 0.5) | ((radius < 0.5) & (distance <= radius + 0.5))
        else:
            sign = found.inside[found.rows].to(distance.dtype).mul_(2).sub_(1)
            covered = (sign * distance + 0.5).clamp_(0, 1)
            edge = distance < 0.5
        cell = edge.flatten().nonzero()[:, 0]
        depth = found.nearest.depth[found.rows].flatten()[cell]
        ctx.save_for_backward(ends, radii, cell, depth)
        ctx.where = found.inside, found.groups, found.rows, found.grid
        return covered

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients to the segments' ends and radii, from the pixels at an edge alone."""
        ends, radii, cell, depth = ctx.saved_tensors
        inside, groups, rows, grid = ctx.where
        pixels = grid.tile**2
        row = torch.div(cell, pixels, rounding_mode="floor")
        group = rows[row]
        starts = torch.tensor([0, *groups.lengths], device=cell.device).cumsum(0)
        chord = groups.chord[starts[depth.long()] + group]
        seen = frame(ends, radii, grid, chord, groups.bins[group])
        x, y = cell % grid.tile, torch.div(cell % pixels, grid.tile, rounding_mode="floor")
        along = seen.along[0] + seen.along[1] * x + seen.along[2] * y
        across = seen.across[0] + seen.across[1] * x + seen.across[2] * y
        place = best_place(along, across, seen.half, seen.slope)
        excess = along - place
        distance = torch.hypot(excess, across)
        radius = seen.radius + seen.slope * place
        if inside is None:
            thin = distance - 0.5 <= -radius
            by_distance = torch.where(thin, 0, -gradient.flatten()[cell])
            by_radius = gradient.flatten()[cell] * (1 + thin.to(radius.dtype)) * (radius >= 0)
        else:
            sign = inside.flatten()[group * pixels + cell % pixels].to(radius.dtype) * 2 - 1
            by_distance, by_radius = gradient.flatten()[cell] * sign, None
        # the foot moves against the direction from it to the pixel
        pull = by_distance / distance.clamp(min=1e-12)
        ux, uy = seen.along[1], seen.along[2]
        foot_x = -pull * (excess * ux - across * uy)
        foot_y = -pull * (excess * uy + across * ux)
        share = (0.5 + place / (2 * seen.half).clamp(min=1e-12)).clamp(0, 1)
        grad_ends = _collect(
            [foot_x * (1 - share), foot_y * (1 - share), foot_x * share, foot_y * share], chord, len(ends)
        )
        if by_radius is None:
            return grad_ends, torch.zeros_like(radii), None
        return grad_ends, _collect([by_radius * (1 - share), by_radius * share], chord, len(ends)), None


def _collect(values: list[Tensor], index: Tensor, count: int) -> Tensor:
    """Return [count, len(values)] sums of the values by index; in a fixed order."""
    sums = [values[0].new_zeros(count).index_add_(0, index, value) for value in values]
    return torch.stack(sums, 1)
