"""The nearest chord of every stroke to every pixel it may cover; no gradient here."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artgen.renderers.binning import TileGrid, depth_major, tiles_in_boxes
from artgen.renderers.strokes.chords import Chords

SHORTEST = 1e-6
"""Chords shorter than this, in pixels, are taken for points."""


class Groups(NamedTuple):
    """Pairs of (stroke, tile), and for each the chords that may be nearest in it.

    Chords are depth-major: depth k holds the k-th chord of the first `lengths[k]` groups.

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


class Frame(NamedTuple):
    """Chords as seen from a tile, `along` and `across` them, in pixels.

    Args:
        along: [T, 3] constant, x and y part of the signed distance from the middle along the chord.
        across: [T, 3] the same of the distance from the chord's line.
        half: [T] half the chord's length.
        radius: [T] half the stroke's width in the middle.
        slope: [T] growth of the radius per pixel along.
    """

    along: Tensor
    across: Tensor
    half: Tensor
    radius: Tensor
    slope: Tensor


class Nearest(NamedTuple):
    """What the search found, per group and pixel.

    Args:
        distance: [G, Q] to the nearest chord in pixels, infinite if none is near.
        radius: [G, Q] half the width there.
        depth: [G, Q] which of the group's chords it is.
    """

    distance: Tensor
    radius: Tensor
    depth: Tensor


@torch.no_grad()
def group(
    chords: Chords,
    grid: TileGrid,
    candidate: Tensor,
    extra: tuple[Tensor, Tensor] | None = None,
    cull: bool = True,
) -> Groups:
    """Find the tiles that strokes may touch, and the chords that may be nearest there.

    Args:
        chords: of all strokes.
        grid: the tiles.
        candidate: [E] the candidate of each stroke.
        extra: [X] element and [X] bin of groups wanted in any case.
        cull: leave out chords that another is nearer than wherever in the tile.
    """
    reach = chords.radii.amax(1, keepdim=True).clamp(min=0) + 0.5
    low = torch.minimum(chords.ends[:, :2], chords.ends[:, 2:]) - reach
    high = torch.maximum(chords.ends[:, :2], chords.ends[:, 2:]) + reach
    chord, bins = tiles_in_boxes(grid, torch.cat([low, high], 1), candidate[chords.element])
    near = _gap(chords, grid, chord, bins) <= (grid.tile - 1) * 0.5**0.5 + 0.5
    chord, bins = chord[near], bins[near]
    if cull:
        needed = ~_beaten_by_neighbour(chords, grid, chord, bins)
        chord, bins = chord[needed], bins[needed]
    key = chords.element[chord] * grid.bins + bins
    wanted = key if extra is None else torch.cat([key, extra[0] * grid.bins + extra[1]])
    groups, index = torch.unique(wanted, return_inverse=True)
    index = index[: len(key)]
    index, by_group = index.sort(stable=True)
    fullest, lengths, place = depth_major(torch.bincount(index, minlength=len(groups)))
    ordered = torch.empty_like(chord)
    ordered[place] = chord[by_group]
    element = torch.div(groups, grid.bins, rounding_mode="floor")
    return Groups(element[fullest], (groups % grid.bins)[fullest], fullest.argsort(), ordered, lengths)


def _gap(chords: Chords, grid: TileGrid, chord: Tensor, bins: Tensor) -> Tensor:
    """Return [T] the distance from tile centres to chords' outlines (negative inside)."""
    x, y = grid.origin(bins)
    centre = torch.stack([x, y], 1) + grid.tile / 2
    start, end = chords.ends[chord, :2], chords.ends[chord, 2:]
    line = end - start
    place = ((centre - start) * line).sum(1) / line.square().sum(1).clamp(min=SHORTEST**2)
    foot = start + place.clamp(0, 1)[:, None] * line
    return (centre - foot).square().sum(1).sqrt() - chords.radii[chord].amax(1)


def _beaten_by_neighbour(chords: Chords, grid: TileGrid, chord: Tensor, bins: Tensor) -> Tensor:
    """Return [T] where the next or the last chord of the stroke is nearer to all of a tile.

    Where a tile lies wholly beyond a chord's end, the node there is nearest, and the
    next chord has that too. Of two chords that would both give way to each other the
    earlier stays.
    """
    last = torch.ones_like(chords.element, dtype=torch.bool)
    last[:-1] = chords.element[1:] != chords.element[:-1]
    first = last.roll(1)
    behind, before = _outside(chords, grid, chord, bins)
    following = (chord + 1).clamp(max=len(first) - 1)
    _, before_following = _outside(chords, grid, following, bins)
    return (before & ~first[chord]) | (behind & ~last[chord] & ~before_following)


def _outside(chords: Chords, grid: TileGrid, chord: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
    """Return [T] whether tiles lie wholly beyond their chords' ends, and before their starts."""
    seen = frame(chords.ends, chords.radii, grid, chord, bins)
    middle = (grid.tile - 1) / 2
    along = seen.along[0] + middle * (seen.along[1] + seen.along[2])
    reach = middle * (seen.along[1].abs() + seen.along[2].abs()) + 1e-3
    if bool((seen.slope != 0).any()):
        across = (seen.across[0] + middle * (seen.across[1] + seen.across[2])).abs() + 1.5 * middle
        reach = reach + lean(seen.slope).abs() * across
    return along - reach > seen.half, along + reach < -seen.half


def frame(ends: Tensor, radii: Tensor, grid: TileGrid, chord: Tensor, bins: Tensor) -> Frame:
    """Return the chords' own axes from the first pixel centre of tiles.

    Args:
        ends: [C, 4].
        radii: [C, 2].
        grid: the tiles.
        chord: [T] index of the chord.
        bins: [T] bin of the tile it is seen from.
    """
    x, y = grid.origin(bins)
    ends, radii = ends[chord], radii[chord]
    line = ends[:, 2:] - ends[:, :2]
    length = line.square().sum(1).sqrt()
    point = length < SHORTEST
    unit = torch.where(point[:, None], line.new_tensor([1.0, 0.0]), line / length[:, None])
    middle_x = x + 0.5 - (ends[:, 0] + ends[:, 2]) / 2
    middle_y = y + 0.5 - (ends[:, 1] + ends[:, 3]) / 2
    ux, uy = unit.unbind(1)
    along = torch.stack([middle_x * ux + middle_y * uy, ux, uy])
    across = torch.stack([middle_y * ux - middle_x * uy, -uy, ux])
    slope = torch.where(point, 0, (radii[:, 1] - radii[:, 0]) / length.clamp(min=SHORTEST))
    return Frame(along, across, length / 2, radii.mean(1), slope)


@torch.no_grad()
def search(
    chords: Chords, groups: Groups, grid: TileGrid, taper: bool = False, winding: Tensor | None = None
) -> Nearest:
    """Find the nearest chord of each group for each pixel of its tile.

    With taper, "nearest" is by the distance less the radius. Works with the groups as
    the innermost dimension, so that every operation runs along memory.

    Args:
        chords: of all strokes.
        groups: which chords to try where.
        grid: the tiles.
        taper: the radius varies along chords.
        winding: [G, Q] winding numbers, for shapes filled by the non-zero rule: their
            outline is only what has zero on one side.
    """
    owner = torch.cat([torch.arange(n, device=groups.bins.device) for n in groups.lengths] or [groups.chord])
    seen = frame(chords.ends, chords.radii, grid, groups.chord, groups.bins[owner])
    side, count = grid.tile, len(groups.bins)
    best = seen.half.new_full((side, side, count), torch.inf)
    radius = torch.zeros_like(best) if taper else None
    depth = torch.zeros((side, side, count), dtype=torch.int16, device=best.device)
    ramp = torch.arange(side, device=best.device, dtype=best.dtype)[:, None]
    around = None if winding is None else winding.t().reshape(side, side, count)
    start = 0
    for k, length in enumerate(groups.lengths):
        part = Frame(*(t[..., start : start + length] for t in seen))
        score, here = _score_tapered(part, ramp) if radius is not None else (_score(part, ramp), None)
        if around is not None:
            score.masked_fill_(_within(part, ramp, around[..., :length]), torch.inf)
        better = score < best[..., :length]
        best[..., :length] = torch.minimum(best[..., :length], score)
        depth[..., :length].masked_fill_(better, k)
        if radius is not None and here is not None:
            radius[..., :length] = torch.where(better, here, radius[..., :length])
        start += length
    best, depth = best.flatten(0, 1).t(), depth.flatten(0, 1).t()
    if radius is not None:
        wide = radius.flatten(0, 1).t()
        return Nearest(best + wide, wide, depth)
    return Nearest(best.sqrt(), _radius_of(chords, groups)[:, None].expand_as(best), depth)


def _radius_of(chords: Chords, groups: Groups) -> Tensor:
    """Return [G] the constant radius of the groups' strokes (0 for groups without a chord)."""
    first = groups.lengths[0] if groups.lengths else 0
    radius = chords.radii.new_zeros(len(groups.bins))
    radius[:first] = chords.radii[groups.chord[:first], 0]
    return radius


def _rows(axis: Tensor, ramp: Tensor) -> tuple[Tensor, Tensor]:
    constant, x, y = axis
    return (constant + x * ramp)[None], (y * ramp)[:, None]


def _score(seen: Frame, ramp: Tensor) -> Tensor:
    """Return [side, side, n] the squared distance to the chords."""
    beyond = torch.add(*_rows(seen.along, ramp)).abs_().sub_(seen.half).relu_()
    across = torch.add(*_rows(seen.across, ramp))
    return beyond.square_().addcmul_(across, across)


def _within(seen: Frame, ramp: Tensor, winding: Tensor) -> Tensor:
    """Return [side, side, n] where chords have the inside of the shape on both sides.

    Crossing a chord from its side of positive `across` adds 1 to the winding number.
    """
    side = torch.add(*_rows(seen.across, ramp)).sign().to(winding.dtype)
    return (winding != 0) & (winding + side != 0)


def _score_tapered(seen: Frame, ramp: Tensor) -> tuple[Tensor, Tensor]:
    """Return [side, side, n] the distance less the radius at the best place, and that radius."""
    along, across = torch.add(*_rows(seen.along, ramp)), torch.add(*_rows(seen.across, ramp))
    place = best_place(along, across, seen.half, seen.slope)
    radius = seen.radius + seen.slope * place
    return torch.hypot(along - place, across) - radius, radius


def best_place(along: Tensor, across: Tensor, half: Tensor, slope: Tensor) -> Tensor:
    """Return where along chords (from their middle) distance less radius is least."""
    return torch.minimum(torch.maximum(along + lean(slope) * across.abs(), -half), half)


def lean(slope: Tensor) -> Tensor:
    """Return the tangent of the angle at which the outline of a growing stroke is met."""
    steep = slope.clamp(-0.99, 0.99)
    return steep / (1 - steep * steep).sqrt()
