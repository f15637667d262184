"""The tiles that each stroke may touch, and the chords that may be nearest in them; no gradient here.

Letters: E strokes, C chords, G groups of (stroke, tile), T pairs of (group, chord).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artgen.renderers.binning import TileGrid, depth_major, tiles_in_boxes
from artgen.renderers.strokes.chords import Chords
from artgen.renderers.strokes.frames import SHORTEST, frame, lean

ROUNDING = 1e-3
"""Pixels added to a tile's reach, so that rounding never drops a chord that is needed."""


class Groups(NamedTuple):
    """Pairs of (stroke, tile), each with the chords that may be nearest in it.

    Chords are depth-major: depth k contains the k-th chord of the first `lengths[k]` groups.

    Args:
        element: [G] stroke of each group, groups with most chords first.
        bins: [G] bin of each group.
        paint: [G] the groups' indices in order of painting.
        chord: [T] chord of each (group, chord) pair, depth-major.
        lengths: number of groups with a chord at depth 0, 1, ...
    """

    element: Tensor
    bins: Tensor
    paint: Tensor
    chord: Tensor
    lengths: list[int]


@torch.no_grad()
def group(
    chords: Chords,
    grid: TileGrid,
    candidate: Tensor,
    extra: tuple[Tensor, Tensor] | None = None,
    cull: bool = True,
    taper: bool = False,
) -> Groups:
    """Find the tiles that strokes may touch, and the chords that may be nearest there.

    Args:
        chords: of all strokes.
        grid: the tiles.
        candidate: [E] the candidate of each stroke.
        extra: [X] element and [X] bin of groups to add, even without chords.
        cull: leave out a chord if another is nearer everywhere in the tile.
        taper: whether the radius varies along chords.
    """
    # chords whose boxes overlap a tile, with half a pixel of antialiasing
    reach = chords.radii.amax(1, keepdim=True).clamp(min=0) + 0.5  # [C, 1]
    low = torch.minimum(chords.ends[:, :2], chords.ends[:, 2:]) - reach  # [C, 2]
    high = torch.maximum(chords.ends[:, :2], chords.ends[:, 2:]) + reach
    chord, bins = tiles_in_boxes(grid, torch.cat([low, high], 1), candidate[chords.element])  # [T]

    # boxes of slanted chords are wide: drop tiles farther away than their outermost pixel centre
    farthest = (grid.tile - 1) * 0.5**0.5 + 0.5
    near = _gap(chords, grid, chord, bins) <= farthest
    chord, bins = _where(near, chord, bins)
    if cull:
        needed = ~_beaten_by_neighbour(chords, grid, chord, bins, taper)
        chord, bins = _where(needed, chord, bins)

    return _grouped(chords, grid, chord, bins, extra)


def _where(kept: Tensor, chord: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
    """Return the chords and bins that are kept; the places are found once, because a GPU is waited for."""
    remaining = kept.nonzero()[:, 0]
    return chord[remaining], bins[remaining]


def _grouped(
    chords: Chords, grid: TileGrid, chord: Tensor, bins: Tensor, extra: tuple[Tensor, Tensor] | None
) -> Groups:
    """Return [T] chords and their [T] bins as groups of the same stroke and tile."""
    key = chords.element[chord] * grid.bins + bins  # [T], in order of painting
    wanted = key
    if extra is not None:
        extra_element, extra_bins = extra
        wanted = torch.cat([key, extra_element * grid.bins + extra_bins])

    groups, index, counts = torch.unique(wanted, return_inverse=True, return_counts=True)  # [G]
    index, by_group = index[: len(key)].sort(stable=True)  # [T]

    if extra is not None:
        counts = torch.bincount(index, minlength=len(groups))  # [G], of chords only
    fullest, lengths, place = depth_major(counts, len(chord))
    ordered = torch.empty_like(chord)  # [T]
    ordered[place] = chord[by_group]

    element = torch.div(groups, grid.bins, rounding_mode="floor")  # [G]
    return Groups(element[fullest], (groups % grid.bins)[fullest], fullest.argsort(), ordered, lengths)


def _gap(chords: Chords, grid: TileGrid, chord: Tensor, bins: Tensor) -> Tensor:
    """Return [T] the distance from tile centres to chords' outlines (negative inside)."""
    x, y = grid.origin(bins)
    centre = torch.stack([x, y], 1) + grid.tile / 2  # [T, 2]
    start, end = chords.ends[chord, :2], chords.ends[chord, 2:]
    line = end - start

    # the foot of the perpendicular, if it is between the ends
    place = ((centre - start) * line).sum(1) / line.square().sum(1).clamp(min=SHORTEST**2)  # [T]
    foot = start + place.clamp(0, 1)[:, None] * line  # [T, 2]
    return (centre - foot).square().sum(1).sqrt() - chords.radii[chord].amax(1)


def _beaten_by_neighbour(chords: Chords, grid: TileGrid, chord: Tensor, bins: Tensor, taper: bool) -> Tensor:
    """Return [T] whether the next or the previous chord of the stroke is nearer everywhere in a tile.

    If a tile is wholly beyond a chord's end, that end is nearest, and the next chord shares it.
    If two chords would both give way to each other, the earlier stays.
    """
    last = torch.ones_like(chords.element, dtype=torch.bool)  # [C] of its stroke
    last[:-1] = chords.element[1:] != chords.element[:-1]
    first = last.roll(1)

    behind, before = _outside(chords, grid, chord, bins, taper)  # [T]
    following = (chord + 1).clamp(max=len(first) - 1)
    _, before_following = _outside(chords, grid, following, bins, taper)
    return (before & ~first[chord]) | (behind & ~last[chord] & ~before_following)


def _outside(
    chords: Chords, grid: TileGrid, chord: Tensor, bins: Tensor, taper: bool
) -> tuple[Tensor, Tensor]:
    """Return [T] whether tiles lie wholly beyond their chords' ends, and before their starts."""
    seen = frame(chords.ends, chords.radii, grid, chord, bins)

    # the tile's centre along the chord, and how far pixel centres are from it in that direction
    middle = (grid.tile - 1) / 2
    along = seen.along[0] + middle * (seen.along[1] + seen.along[2])  # [T]
    reach = middle * (seen.along[1].abs() + seen.along[2].abs()) + ROUNDING

    # a tapered stroke is met at a slant, the farther away the more
    if taper:
        centre_across = seen.across[0] + middle * (seen.across[1] + seen.across[2])
        farthest_across = centre_across.abs() + 1.5 * middle
        reach = reach + lean(seen.slope).abs() * farthest_across
    return along - reach > seen.half, along + reach < -seen.half
