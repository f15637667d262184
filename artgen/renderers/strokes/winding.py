"""Winding numbers of closed outlines around each pixel's centre; no gradient here.

Every chord that crosses the line through a row's pixel centres adds +1 (downwards) or -1 at
the first pixel to the right of the crossing. A running sum along the row is the winding
number. These are integers, so the result is exact. The cost grows with outline length plus area.

Letters: E elements, C chords, X pairs of (element, tile), K crossings, Q pixels of a tile.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artgen.devices import tensor_on
from artgen.renderers.binning import TileGrid, spread, tiles_in_boxes
from artgen.renderers.strokes.chords import Chords

FARTHEST_PIXEL = 1e9
"""Coordinates are clamped to this before they become integers, so that a huge value cannot overflow."""
BEYOND_ANY_TILE = 2**40
"""Row or column beyond any tile; where a minimum starts."""


class Winding(NamedTuple):
    """Winding numbers in the tiles that each element's box overlaps.

    Args:
        numbers: flat, the elements' rectangles one after the other, row by row.
        first: [E] index of each rectangle's first number.
        width: [E] of the rectangles in pixels, one column more than their tiles.
        corner: [E, 2] row and column of their upper left tile.
        element: [X] element of the (element, tile) pairs in all rectangles.
        bins: [X] their bins.
    """

    numbers: Tensor
    first: Tensor
    width: Tensor
    corner: Tensor
    element: Tensor
    bins: Tensor

    def at(self, grid: TileGrid, element: Tensor, bins: Tensor) -> Tensor:
        """Return [G, Q] the winding numbers of elements [G] in bins [G] of their rectangles."""
        row, column = grid.place(bins)  # [G]
        down = (row - self.corner[element, 0]) * grid.tile
        across = (column - self.corner[element, 1]) * grid.tile
        width = self.width[element]
        start = self.first[element] + down * width + across

        pixel = torch.arange(grid.tile**2, device=bins.device)  # [Q]
        pixel_row = torch.div(pixel, grid.tile, rounding_mode="floor")
        index = start[:, None] + pixel_row * width[:, None] + pixel % grid.tile  # [G, Q]
        return self.numbers[index]


@torch.no_grad()
def wind(chords: Chords, grid: TileGrid, candidate: Tensor) -> Winding:
    """Return the winding numbers of closed outlines.

    Args:
        chords: of closed outlines, in order along each.
        grid: the tiles.
        candidate: [E] the candidate of each element.
    """
    count = len(candidate)
    boxes = _boxes(chords, count)  # [E, 4]
    element, bins = tiles_in_boxes(grid, boxes, candidate)  # [X]

    # the rectangle of tiles around each element
    row, column = grid.place(bins)
    corner = torch.stack([_least(row, element, count), _least(column, element, count)], 1)  # [E, 2]
    tall = (_greatest(row, element, count) - corner[:, 0] + 1) * grid.tile  # [E]
    wide = (_greatest(column, element, count) - corner[:, 1] + 1) * grid.tile + 1

    empty = torch.bincount(element, minlength=count) == 0
    area = (tall * wide).masked_fill(empty, 0)
    first = area.cumsum(0) - area

    numbers = torch.zeros(int(area.sum()), dtype=torch.int32, device=bins.device)
    index, sign = _crossings(chords, grid, corner, tall.masked_fill(empty, 0), wide, first)
    numbers.index_add_(0, index, sign)

    # each row sums to zero, so one running sum over all rows serves every row
    return Winding(numbers.cumsum(0), first, wide, corner, element, bins)


def _crossings(
    chords: Chords, grid: TileGrid, corner: Tensor, tall: Tensor, wide: Tensor, first: Tensor
) -> tuple[Tensor, Tensor]:
    """Return [K] where in the flat rectangles chords cross rows, and [K] +1 (downwards) or -1.

    Args:
        chords: of closed outlines.
        grid: the tiles.
        corner: [E, 2] row and column of each rectangle's upper left tile.
        tall: [E] height of the rectangles in pixels, 0 for an empty one.
        wide: [E] width of the rectangles in pixels.
        first: [E] index of each rectangle's first number.
    """
    element = chords.element
    end = chords.ends[:, 2:]  # [C, 2]
    start = _joined_starts(chords)

    # the rows of pixel centres between a chord's ends, counted from the rectangle's top
    upper = torch.minimum(start, end)[:, 1]  # [C]
    lower = torch.maximum(start, end)[:, 1]
    top = corner[element, 0] * grid.tile + grid.window.top
    begin = (_first_centre_from(upper) - top).clamp(min=0)
    stop = torch.minimum(_first_centre_from(lower) - top, tall[element])

    chord, item = spread((stop - begin).clamp(min=0))  # [K]
    row = begin[chord] + item
    y = (row + top[chord]).to(end.dtype) + 0.5

    # where the chord is at that height
    a, b = start[chord], end[chord]  # [K, 2]
    x = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])

    # a crossing left of the rectangle counts in its first column, one right of it in the spare column
    owner = element[chord]
    left = corner[owner, 1] * grid.tile + grid.window.left
    column = (_first_centre_from(x) - left).clamp(min=0)
    column = torch.minimum(column, wide[owner] - 1)

    sign = torch.where(b[:, 1] > a[:, 1], 1, -1).to(torch.int32)
    return first[owner] + row * wide[owner] + column, sign


def _first_centre_from(coordinate: Tensor) -> Tensor:
    """Return the index of the first pixel whose centre is at or beyond a coordinate."""
    return (coordinate - 0.5).ceil().clamp(-FARTHEST_PIXEL, FARTHEST_PIXEL).long()


def _joined_starts(chords: Chords) -> Tensor:
    """Return [C, 2] the chords' starts, bit for bit equal to the end of the chord before."""
    change = torch.ones_like(chords.element, dtype=torch.bool)  # [C]
    change[1:] = chords.element[1:] != chords.element[:-1]
    begins = change.nonzero()[:, 0]  # [E with chords]

    # before the first chord of an outline comes its last
    previous = torch.arange(len(chords.element), device=chords.element.device) - 1
    next_begins = torch.cat([begins[1:], tensor_on([len(previous)], begins.device)])
    previous[begins] = next_begins - 1
    return chords.ends[previous, 2:]


def _boxes(chords: Chords, count: int) -> Tensor:
    """Return [E, 4] left, top, right, bottom of the elements, with half a pixel around them."""
    low = torch.minimum(chords.ends[:, :2], chords.ends[:, 2:]) - 0.5  # [C, 2]
    high = torch.maximum(chords.ends[:, :2], chords.ends[:, 2:]) + 0.5

    index = chords.element[:, None].expand(-1, 2)  # [C, 2]
    infinite = low.new_full((count, 2), torch.inf)
    least = infinite.scatter_reduce(0, index, low, "amin")  # [E, 2]
    greatest = (-infinite).scatter_reduce(0, index, high, "amax")
    return torch.cat([least, greatest], 1)


def _least(value: Tensor, element: Tensor, count: int) -> Tensor:
    """Return [E] the least value of each element."""
    start = value.new_full((count,), BEYOND_ANY_TILE)
    return start.scatter_reduce(0, element, value, "amin")


def _greatest(value: Tensor, element: Tensor, count: int) -> Tensor:
    """Return [E] the greatest value of each element."""
    start = value.new_full((count,), -BEYOND_ANY_TILE)
    return start.scatter_reduce(0, element, value, "amax")
