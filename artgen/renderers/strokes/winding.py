"""How often closed outlines wind around each pixel's centre; no gradient here.

Every chord that crosses the line through a row's pixel centres leaves +1 (downwards) or
-1 at the first pixel to the right of the crossing; a running sum along the row is the
winding number. Integers, so it is exact, and its cost follows outline length plus area.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artgen.renderers.binning import TileGrid, spread, tiles_in_boxes
from artgen.renderers.strokes.chords import Chords


class Winding(NamedTuple):
    """Winding numbers in the tiles that each element's box meets.

    Args:
        numbers: flat, the elements' rectangles one after the other, row by row.
        first: [E] where each element's rectangle begins.
        width: [E] of the rectangles, one column more than their tiles.
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
        """Return [G, Q] the winding numbers of elements in tiles of their rectangles."""
        tile = bins % (grid.rows * grid.columns)
        row = torch.div(tile, grid.columns, rounding_mode="floor") - self.corner[element, 0]
        column = tile % grid.columns - self.corner[element, 1]
        width = self.width[element]
        start = self.first[element] + row * grid.tile * width + column * grid.tile
        pixel = torch.arange(grid.tile**2, device=bins.device)
        down = torch.div(pixel, grid.tile, rounding_mode="floor")
        return self.numbers[start[:, None] + down * width[:, None] + pixel % grid.tile]


@torch.no_grad()
def wind(chords: Chords, grid: TileGrid, candidate: Tensor) -> Winding:
    """Return the winding numbers of closed outlines.

    Args:
        chords: of closed outlines, in order along each.
        grid: the tiles.
        candidate: [E] the candidate of each element.
    """
    count = len(candidate)
    boxes = _boxes(chords, count)
    element, bins = tiles_in_boxes(grid, boxes, candidate)
    tile = bins % (grid.rows * grid.columns)
    row, column = torch.div(tile, grid.columns, rounding_mode="floor"), tile % grid.columns
    corner = torch.stack([_least(row, element, count), _least(column, element, count)], 1)
    tall = (_most(row, element, count) - corner[:, 0] + 1) * grid.tile
    wide = (_most(column, element, count) - corner[:, 1] + 1) * grid.tile + 1
    empty = torch.bincount(element, minlength=count) == 0
    area = (tall * wide).masked_fill(empty, 0)
    first = area.cumsum(0) - area
    numbers = torch.zeros(int(area.sum()), dtype=torch.int32, device=bins.device)
    place, sign = _crossings(chords, grid, corner, tall.masked_fill(empty, 0), wide, first)
    numbers.index_add_(0, place, sign)
    # each row sums to zero, so one running sum over all rows serves every row
    return Winding(numbers.cumsum(0), first, wide, corner, element, bins)


def _crossings(
    chords: Chords, grid: TileGrid, corner: Tensor, tall: Tensor, wide: Tensor, first: Tensor
) -> tuple[Tensor, Tensor]:
    """Return where in the flat rectangles chords cross rows, and +1 for each going down."""
    element = chords.element
    end = chords.ends[:, 2:]
    start = _joined(chords)
    upper, lower = torch.minimum(start, end)[:, 1], torch.maximum(start, end)[:, 1]
    top = corner[element, 0] * grid.tile + grid.window.top
    begin = (upper - 0.5).ceil().clamp(-1e9, 1e9).long() - top
    stop = (lower - 0.5).ceil().clamp(-1e9, 1e9).long() - top
    begin, stop = begin.clamp(min=0), torch.minimum(stop, tall[element])
    chord, item = spread((stop - begin).clamp(min=0))
    row = begin[chord] + item
    y = (row + top[chord]).to(end.dtype) + 0.5
    a, b = start[chord], end[chord]
    x = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    owner = element[chord]
    left = corner[owner, 1] * grid.tile + grid.window.left
    column = (x - 0.5).ceil().clamp(-1e9, 1e9).long() - left
    column = torch.minimum(column.clamp(min=0), wide[owner] - 1)
    sign = torch.where(b[:, 1] > a[:, 1], 1, -1).to(torch.int32)
    return first[owner] + row * wide[owner] + column, sign


def _joined(chords: Chords) -> Tensor:
    """Return [C, 2] starts that equal, bit for bit, the end of the chord before."""
    previous = torch.arange(len(chords.element), device=chords.element.device) - 1
    change = torch.ones_like(chords.element, dtype=torch.bool)
    change[1:] = chords.element[1:] != chords.element[:-1]
    begins = change.nonzero()[:, 0]
    previous[begins] = torch.cat([begins[1:], begins.new_tensor([len(previous)])]) - 1
    return chords.ends[previous, 2:]


def _boxes(chords: Chords, count: int) -> Tensor:
    low = torch.minimum(chords.ends[:, :2], chords.ends[:, 2:]) - 0.5
    high = torch.maximum(chords.ends[:, :2], chords.ends[:, 2:]) + 0.5
    index = chords.element[:, None].expand(-1, 2)
    none = low.new_full((count, 2), torch.inf)
    least = none.scatter_reduce(0, index, low, "amin")
    return torch.cat([least, (-none).scatter_reduce(0, index, high, "amax")], 1)


def _least(value: Tensor, element: Tensor, count: int) -> Tensor:
    return value.new_full((count,), 2**40).scatter_reduce(0, element, value, "amin")


def _most(value: Tensor, element: Tensor, count: int) -> Tensor:
    return value.new_full((count,), -(2**40)).scatter_reduce(0, element, value, "amax")
