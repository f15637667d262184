"""Chords in coordinates along and across them, as a tile's pixels need them.

Letters: C chords, T pairs of a chord and a tile.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artgen.devices import tensor_on
from artgen.renderers.binning import TileGrid

SHORTEST = 1e-6
"""Chords shorter than this, in pixels, are treated as points."""
STEEPEST = 0.99
"""Limit of the radius's growth per pixel; at 1 the tangent in `lean` is infinite."""


class ChordFrame(NamedTuple):
    """Chords in coordinates of a tile, `along` and `across` the chord, in pixels.

    Args:
        along: [3, T] constant, x and y part of the signed distance from the chord's middle, along it.
        across: [3, T] the same for the distance from the chord's line.
        half: [T] half the chord's length.
        radius: [T] half the stroke's width at the chord's middle.
        slope: [T] growth of the radius per pixel along the chord.
    """

    along: Tensor
    across: Tensor
    half: Tensor
    radius: Tensor
    slope: Tensor


def frame(ends: Tensor, radii: Tensor, grid: TileGrid, chord: Tensor, bins: Tensor) -> ChordFrame:
    """Return the chords' own axes from the first pixel centre of tiles.

    Args:
        ends: [C, 4].
        radii: [C, 2].
        grid: the tiles.
        chord: [T] index of the chord.
        bins: [T] bin of the tile it is seen from.
    """
    x, y = grid.origin(bins)  # [T]
    ends, radii = ends[chord], radii[chord]  # [T, 4], [T, 2]

    line = ends[:, 2:] - ends[:, :2]  # [T, 2]
    length = line.square().sum(1).sqrt()  # [T]
    point = length < SHORTEST
    rightwards = tensor_on([1.0, 0.0], line.device, line.dtype)
    unit = torch.where(point[:, None], rightwards, line / length[:, None])  # [T, 2]
    ux, uy = unit.unbind(1)

    # from the chord's middle to the tile's first pixel centre
    middle_x = x + 0.5 - (ends[:, 0] + ends[:, 2]) / 2
    middle_y = y + 0.5 - (ends[:, 1] + ends[:, 3]) / 2
    along = torch.stack([middle_x * ux + middle_y * uy, ux, uy])  # [3, T]
    across = torch.stack([middle_y * ux - middle_x * uy, -uy, ux])

    growth = (radii[:, 1] - radii[:, 0]) / length.clamp(min=SHORTEST)
    slope = torch.where(point, 0, growth)
    return ChordFrame(along, across, length / 2, radii.mean(1), slope)


def best_place(along: Tensor, across: Tensor, half: Tensor, slope: Tensor) -> Tensor:
    """Return where along chords, from their middle, the distance minus the radius is least."""
    free = along + lean(slope) * across.abs()
    return torch.minimum(torch.maximum(free, -half), half)


def lean(slope: Tensor) -> Tensor:
    """Return the tangent of the angle between the chord's normal and the outline's, for a growing stroke."""
    steep = slope.clamp(-STEEPEST, STEEPEST)
    return steep / (1 - steep * steep).sqrt()
