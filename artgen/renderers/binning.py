"""Sort elements into square tiles, so that cost grows with the pixels they cover.

The window of a picture is cut into tiles. A tile of one candidate is a *bin*. An element
makes one *pair* with every bin it may touch. `stack` sorts the pairs into the depth-major
order that `artgen.renderers.compositing.over` takes, and `assemble` joins the painted bins:

    grid = TileGrid(population, window)
    element, bin = tiles_in_boxes(grid, boxes, candidate)      # [M], in order of painting
    stacks = stack(bin)
    element, bin = element[stacks.order], bin[stacks.order]    # [M], depth-major
    canvas = over(layers_of(element, bin), stacks.lengths)     # [B, 4, Q]
    picture = assemble(canvas, stacks.bins, grid)              # [P, 4, h, w]

Letters: E elements of all candidates, M pairs, B bins with at least one pair, Q pixels of a tile.

Source of the idea: B. Kerbl et al., "3D Gaussian Splatting", 2023 (tile lists). The
depth-major order replaces their loop per tile by slices that a CPU can vectorise.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from artgen.devices import send, tensor_on
from artgen.types import Canvas, Window

ElementIndices = Int[Tensor, " elements"]
PairIndices = Int[Tensor, " pairs"]
BinIndices = Int[Tensor, " bins"]

TILE_SIDE = 8
"""Side of a tile in pixels; measured fastest on CPUs for strokes a few pixels wide."""


class TileGrid(NamedTuple):
    """The tiles of a window, for each candidate.

    Args:
        population: P.
        window: the part of the picture that is rendered.
        tile: side of a tile in pixels.
    """

    population: int
    window: Window
    tile: int = TILE_SIDE

    @property
    def rows(self) -> int:
        """Rows of tiles; the last may extend beyond the window."""
        return -(-self.window.size.height // self.tile)

    @property
    def columns(self) -> int:
        """Columns of tiles; the last may extend beyond the window."""
        return -(-self.window.size.width // self.tile)

    @property
    def bins(self) -> int:
        """Number of bins: tiles times candidates."""
        return self.population * self.rows * self.columns

    def place(self, bins: PairIndices) -> tuple[PairIndices, PairIndices]:
        """Return the [M] row and [M] column of the bins' tiles in the grid."""
        tile = bins % (self.rows * self.columns)
        row = torch.div(tile, self.columns, rounding_mode="floor")
        return row, tile % self.columns

    def origin(self, bins: PairIndices) -> tuple[PairIndices, PairIndices]:
        """Return [M] x and [M] y of the bins' upper left corners, in pixels of the whole picture."""
        row, column = self.place(bins)
        x = column * self.tile + self.window.left
        y = row * self.tile + self.window.top
        return x, y


class Stacks(NamedTuple):
    """Pairs in depth-major order.

    Args:
        order: [M] old index of each pair, in the new order.
        lengths: number of bins with a pair at depth 0, 1, ...
        bins: [B] the bins with at least one pair, fullest first.
    """

    order: PairIndices
    lengths: list[int]
    bins: BinIndices


def spread(counts: ElementIndices, total: int | None = None) -> tuple[PairIndices, PairIndices]:
    """Enumerate ragged rows: item i of row r for every i below `counts[r]`.

    Args:
        counts: [E] number of items in each row.
        total: M, the sum of the counts; read from the device if None, for which a GPU has to be waited for.

    Returns:
        [M] row and [M] item, row by row.

    Example:
        >>> spread(torch.tensor([2, 0, 1]))
        (tensor([0, 0, 2]), tensor([0, 1, 0]))
    """
    row = torch.repeat_interleave(counts, output_size=total)  # [M]
    first = counts.cumsum(0) - counts  # [E]
    item = torch.arange(len(row), device=counts.device) - first[row]
    return row, item


def tiles_in_boxes(
    grid: TileGrid, boxes: Float[Tensor, "elements 4"], candidate: ElementIndices
) -> tuple[PairIndices, PairIndices]:
    """Pair each element with the bins that its box overlaps.

    Args:
        grid: the tiles.
        boxes: [E, 4] left, top, right, bottom in pixels of the whole picture; a box that is
            empty, inverted or not finite touches nothing.
        candidate: [E] index of the candidate each element belongs to.

    Returns:
        [M] element and [M] bin, elements in the order given.
    """
    valid = boxes.isfinite().all(1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # [E]

    # boxes in tiles instead of pixels, clipped to the grid
    top, left = grid.window.top, grid.window.left
    corner = tensor_on([left, top, left, top], boxes.device, boxes.dtype)  # [4]
    limit = tensor_on([grid.columns, grid.rows, grid.columns, grid.rows], boxes.device, boxes.dtype)
    in_tiles = ((boxes.detach() - corner) / grid.tile).nan_to_num()  # [E, 4]
    in_tiles = torch.minimum(in_tiles.clamp(min=0), limit)

    first = in_tiles[:, :2].floor().long()  # [E, 2] column, row
    last = in_tiles[:, 2:].ceil().long()
    span = (last - first).clamp(min=0) * valid[:, None]

    element, item = spread(span[:, 0] * span[:, 1])  # [M]
    width = span[element, 0]
    row = torch.div(item, width, rounding_mode="floor") + first[element, 1]
    column = item % width + first[element, 0]
    return element, (candidate[element] * grid.rows + row) * grid.columns + column


def depth_major(counts: BinIndices, total: int) -> tuple[BinIndices, list[int], PairIndices]:
    """Lay out the pairs of bins depth by depth.

    Args:
        counts: [B] number of pairs in each bin.
        total: M, the sum of the counts.

    Returns:
        [B] the bins, fullest first; the number of bins with a pair at depth 0, 1, ...;
        [M] the place in depth-major order of each pair, where pairs are sorted by bin.
    """
    if not total:
        return torch.arange(len(counts), device=counts.device), [], counts[:0]

    descending, fullest = counts.sort(descending=True, stable=True)  # [B]
    rank = torch.empty_like(fullest)
    rank[fullest] = torch.arange(len(fullest), device=counts.device)

    # bins with more than k pairs reach depth k; counted on the host, which reads the device only once
    lengths = torch.bincount(descending.cpu()).flip(0).cumsum(0).flip(0)[1:]  # [depths]
    start = send(lengths.cumsum(0) - lengths, counts.device)

    bin_of_pair, depth = spread(counts, total)  # [M]
    place = start[depth] + rank[bin_of_pair]
    return fullest, lengths.tolist(), place


def stack(bins: PairIndices) -> Stacks:
    """Sort pairs into depth-major order.

    Args:
        bins: [M] the bin of each pair; pairs of one bin in the order of painting.

    Example:
        >>> stack(torch.tensor([5, 3, 5])).order, stack(torch.tensor([5, 3, 5])).lengths
        (tensor([0, 1, 2]), [2, 1])
    """
    ordered, by_bin = bins.sort(stable=True)  # [M]
    filled, counts = torch.unique_consecutive(ordered, return_counts=True)  # [B]
    fullest, lengths, place = depth_major(counts, len(bins))

    order = torch.empty_like(by_bin)  # [M]
    order[place] = by_bin
    return Stacks(order, lengths, filled[fullest])


def assemble(canvas: Float[Tensor, "bins 4 pixels"], bins: BinIndices, grid: TileGrid) -> Canvas:
    """Join painted bins to pictures; the other bins are clear.

    Args:
        canvas: [B, 4, Q] premultiplied RGBA, Q = tile * tile, row by row.
        bins: [B] their bins, each at most once.
        grid: the tiles.

    Returns:
        [P, 4, h, w] of the grid's window.
    """
    side = grid.tile
    every_bin = canvas.new_zeros(grid.bins, 4, side * side).index_copy(0, bins, canvas)  # [bins, 4, Q]
    tiles = every_bin.view(grid.population, grid.rows, grid.columns, 4, side, side)
    tiles = tiles.permute(0, 3, 1, 4, 2, 5)  # [P, 4, rows, side, columns, side]
    picture = tiles.reshape(grid.population, 4, grid.rows * side, grid.columns * side)

    height, width = grid.window.size
    return picture[:, :, :height, :width]  # [P, 4, h, w]
