"""The nearest chord of every stroke to every pixel it may cover; no gradient here.

Letters: C chords, G groups of (stroke, tile), T pairs of (group, chord), Q pixels of a tile.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artgen.renderers.binning import TileGrid
from artgen.renderers.strokes.chords import Chords
from artgen.renderers.strokes.frames import ChordFrame, best_place, frame
from artgen.renderers.strokes.groups import Groups


class Nearest(NamedTuple):
    """The nearest chord, for each group and pixel.

    Args:
        distance: [G, Q] to the nearest chord in pixels, infinite without a chord.
        radius: [G, Q] half the width there.
        depth: [G, Q] number of the nearest chord among the group's chords.
    """

    distance: Tensor
    radius: Tensor
    depth: Tensor


@torch.no_grad()
def search(
    chords: Chords, groups: Groups, grid: TileGrid, taper: bool = False, winding: Tensor | None = None
) -> Nearest:
    """Find the nearest chord of each group for each pixel of its tile.

    With taper, "nearest" means least distance minus radius. Groups are the innermost dimension,
    so that every operation runs along memory.

    Args:
        chords: of all strokes.
        groups: which chords to try where.
        grid: the tiles.
        taper: whether the radius varies along chords.
        winding: [G, Q] winding numbers, for shapes filled by the non-zero rule: only a chord
            with winding number zero on one side belongs to their outline.
    """
    seen = frame(chords.ends, chords.radii, grid, groups.chord, groups.bins[_owners(groups)])
    side, count = grid.tile, len(groups.bins)

    best = seen.half.new_full((side, side, count), torch.inf)  # [side, side, G]
    radius = best.new_zeros(best.shape if taper else 0)
    depth = torch.zeros((side, side, count), dtype=torch.int16, device=best.device)
    ramp = torch.arange(side, device=best.device, dtype=best.dtype)[:, None]  # [side, 1]
    around = None if winding is None else winding.t().reshape(side, side, count)

    start = 0
    for k, length in enumerate(groups.lengths):
        part = ChordFrame(*(axis[..., start : start + length] for axis in seen))
        start += length

        if taper:
            score, radius_here = _score_tapered(part, ramp)  # [side, side, length]
        else:
            score = _score(part, ramp)
        if around is not None:
            score.masked_fill_(_within(part, ramp, around[..., :length]), torch.inf)

        better = score < best[..., :length]
        best[..., :length] = torch.minimum(best[..., :length], score)
        depth[..., :length].masked_fill_(better, k)
        if taper:
            radius[..., :length] = torch.where(better, radius_here, radius[..., :length])

    best, depth = best.flatten(0, 1).t(), depth.flatten(0, 1).t()  # [G, Q]
    if taper:
        varying = radius.flatten(0, 1).t()
        return Nearest(best + varying, varying, depth)
    constant = _radius_of(chords, groups)[:, None].expand_as(best)
    return Nearest(best.sqrt(), constant, depth)


def _owners(groups: Groups) -> Tensor:
    """Return [T] the group of each chord in depth-major order."""
    if not groups.lengths:
        return groups.chord
    return torch.cat([torch.arange(length, device=groups.bins.device) for length in groups.lengths])


def _radius_of(chords: Chords, groups: Groups) -> Tensor:
    """Return [G] the constant radius of the groups' strokes (0 for groups without a chord)."""
    with_chord = groups.lengths[0] if groups.lengths else 0
    radius = chords.radii.new_zeros(len(groups.bins))
    radius[:with_chord] = chords.radii[groups.chord[:with_chord], 0]
    return radius


def _rows(axis: Tensor, ramp: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts of an axis that grow along x, [1, side, n], and along y, [side, 1, n]."""
    constant, x, y = axis
    return (constant + x * ramp)[None], (y * ramp)[:, None]


def _on_tile(axis: Tensor, ramp: Tensor) -> Tensor:
    """Return [side, side, n] an axis at every pixel centre of the tile."""
    along_x, along_y = _rows(axis, ramp)
    return torch.add(along_x, along_y)


def _score(seen: ChordFrame, ramp: Tensor) -> Tensor:
    """Return [side, side, n] the squared distance to the chords."""
    beyond = _on_tile(seen.along, ramp).abs_().sub_(seen.half).relu_()  # past the chord's ends
    across = _on_tile(seen.across, ramp)
    return beyond.square_().addcmul_(across, across)


def _within(seen: ChordFrame, ramp: Tensor, winding: Tensor) -> Tensor:
    """Return [side, side, n] whether chords have the inside of the shape on both sides.

    Crossing a chord from its side of positive `across` adds 1 to the winding number.
    """
    side = _on_tile(seen.across, ramp).sign().to(winding.dtype)
    return (winding != 0) & (winding + side != 0)


def _score_tapered(seen: ChordFrame, ramp: Tensor) -> tuple[Tensor, Tensor]:
    """Return [side, side, n] the distance minus the radius at the best place, and that radius."""
    along = _on_tile(seen.along, ramp)
    across = _on_tile(seen.across, ramp)
    place = best_place(along, across, seen.half, seen.slope)
    radius = seen.radius + seen.slope * place
    return torch.hypot(along - place, across) - radius, radius
