"""Binning of elements to square tiles, so that cost follows the pixels they cover.

A picture's window is cut into tiles, each tile of each candidate being one *bin*. An
element makes one *pair* with every bin it may touch. `stack` sorts the pairs into the
depth-major order that `artgen.renderers.compositing.over` takes, and `assemble` puts the
painted bins back together:

    grid = Grid(population, window)
    element, bin = tiles_in_boxes(grid, boxes, candidate)      # in order of painting
    stacks = stack(bin)
    element, bin = element[stacks.order], bin[stacks.order]
    canvas = over(layers_of(element, bin), stacks.lengths)     # [B, 4, Q]
    picture = assemble(canvas, stacks.bins, grid)              # [P, 4, h, w]

Source of the idea: B. Kerbl et al., "3D Gaussian Splatting", 2023 (tile lists); the
depth-major order replaces their per-tile loops by slices a CPU can vectorise.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from artgen.types import Canvas, Window

Elements = Int[Tensor, " elements"]
Pairs = Int[Tensor, " pairs"]
Held = Int[Tensor, " bins"]

TILE = 8
"""Side of a tile in pixels; measured best on CPUs for strokes a few pixels wide."""


class Grid(NamedTuple):
    """The tiles of a window, for each candidate.

    Args:
        population: P.
        window: the part of the picture that is rendered.
        tile: side of a tile in pixels.
    """

    population: int
    window: Window
    tile: int = TILE

    @property
    def rows(self) -> int:
        """Rows of tiles; the last may stand out of the window."""
        return -(-self.window.size.height // self.tile)

    @property
    def columns(self) -> int:
        """Columns of tiles."""
        return -(-self.window.size.width // self.tile)

    @property
    def bins(self) -> int:
        """Number of bins: tiles times candidates."""
        return self.population * self.rows * self.columns

    def origin(self, bins: Pairs) -> tuple[Pairs, Pairs]:
        """Return x and y of the bins' upper left corners, in pixels of the whole picture."""
        tile = bins % (self.rows * self.columns)
        x = tile % self.columns * self.tile + self.window.left
        y = torch.div(tile, self.columns, rounding_mode="floor") * self.tile + self.window.top
        return x, y


class Stacks(NamedTuple):
    """Pairs in depth-major order.

    Args:
        order: [M] where each pair, in the new order, stood in the old.
        lengths: number of bins that hold a pair at depth 0, 1, ...
        bins: [B] the bins that hold any, fullest first.
    """

    order: Pairs
    lengths: list[int]
    bins: Held


def spread(counts: Elements) -> tuple[Pairs, Pairs]:
    """Write out ragged rows: item i of row r for every i below `counts[r]`.

    Returns:
        [M] row and [M] item, row by row.

    Example:
        >>> spread(torch.tensor([2, 0, 1]))
        (tensor([0, 0, 2]), tensor([0, 1, 0]))
    """
    row = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    return row, torch.arange(len(row), device=counts.device) - first[row]


def tiles_in_boxes(
    grid: Grid, boxes: Float[Tensor, "elements 4"], candidate: Elements
) -> tuple[Pairs, Pairs]:
    """Pair each element with the bins its box overlaps.

    Args:
        grid: the tiles.
        boxes: [E, 4] left, top, right, bottom in pixels of the whole picture; empty
            or inverted boxes and such as are not finite touch nothing.
        candidate: [E] index of the candidate each element belongs to.

    Returns:
        [M] element and [M] bin, elements in the order given.
    """
    top, left = grid.window.top, grid.window.left
    corner = boxes.new_tensor([left, top, left, top])
    limit = boxes.new_tensor([grid.columns, grid.rows] * 2)
    real = boxes.isfinite().all(1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    scaled = ((boxes.detach() - corner) / grid.tile).nan_to_num()
    scaled = torch.minimum(scaled.clamp(min=0), limit)
    first, last = scaled[:, :2].floor().long(), scaled[:, 2:].ceil().long()
    span = (last - first).clamp(min=0) * real[:, None]
    element, item = spread(span[:, 0] * span[:, 1])
    width = span[element, 0]
    row = torch.div(item, width, rounding_mode="floor") + first[element, 1]
    column = item % width + first[element, 0]
    return element, (candidate[element] * grid.rows + row) * grid.columns + column


def depth_major(counts: Held) -> tuple[Held, list[int], Pairs]:
    """Lay out the pairs of bins depth by depth.

    Args:
        counts: [B] how many pairs each bin holds.

    Returns:
        [B] the bins, fullest first; the number of bins that hold a pair at depth 0, 1, ...;
        [M] the place in depth-major order of each pair, the pairs being sorted by bin.
    """
    if not int(counts.sum()):
        return torch.arange(len(counts), device=counts.device), [], counts[:0]
    descending, fullest = counts.sort(descending=True, stable=True)
    rank = torch.empty_like(fullest)
    rank[fullest] = torch.arange(len(fullest), device=counts.device)
    lengths = torch.bincount(descending).flip(0).cumsum(0).flip(0)[1:]
    bin_of_pair, depth = spread(counts)
    return fullest, lengths.tolist(), (lengths.cumsum(0) - lengths)[depth] + rank[bin_of_pair]


def stack(bins: Pairs) -> Stacks:
    """Sort pairs into depth-major order.

    Args:
        bins: [M] the bin of each pair; pairs of one bin in the order of painting.

    Example:
        >>> stack(torch.tensor([5, 3, 5])).order, stack(torch.tensor([5, 3, 5])).lengths
        (tensor([0, 1, 2]), [2, 1])
    """
    ordered, by_bin = bins.sort(stable=True)
    held, counts = torch.unique_consecutive(ordered, return_counts=True)
    fullest, lengths, place = depth_major(counts)
    order = torch.empty_like(by_bin)
    order[place] = by_bin
    return Stacks(order, lengths, held[fullest])


def pixel_centres(grid: Grid, bins: Pairs) -> Float[Tensor, "pairs pixels 2"]:
    """Return [M, Q, 2] x and y of the pixel centres of bins, row by row, in whole-picture pixels."""
    offset = torch.arange(grid.tile, device=bins.device) + 0.5
    x, y = grid.origin(bins)
    centres = torch.stack(torch.meshgrid(offset, offset, indexing="xy"), -1).reshape(-1, 2)
    return torch.stack([x, y], -1)[:, None] + centres


def assemble(canvas: Float[Tensor, "bins 4 pixels"], bins: Held, grid: Grid) -> Canvas:
    """Put painted bins back together; bins that hold nothing are clear.

    Args:
        canvas: [B, 4, Q] premultiplied RGBA, Q = tile * tile, row by row.
        bins: [B] which bins they are, none twice.
        grid: the tiles.

    Returns:
        [P, 4, h, w] of the grid's window.
    """
    side = grid.tile
    whole = canvas.new_zeros(grid.bins, 4, side * side).index_copy(0, bins, canvas)
    tiles = whole.view(grid.population, grid.rows, grid.columns, 4, side, side)
    picture = tiles.permute(0, 3, 1, 4, 2, 5).reshape(
        grid.population, 4, grid.rows * side, grid.columns * side
    )
    height, width = grid.window.size
    return picture[:, :, :height, :width]


def tile_of(
    canvas: Float[Tensor, "population channels height width"], grid: Grid
) -> Float[Tensor, "bins channels pixels"]:
    """Cut [P, C, h, w] of the grid's window into [bins, C, Q]; the inverse of `assemble`."""
    side = grid.tile
    height, width = grid.window.size
    padded = torch.nn.functional.pad(canvas, (0, grid.columns * side - width, 0, grid.rows * side - height))
    tiles = padded.unflatten(2, (grid.rows, side)).unflatten(4, (grid.columns, side))
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(grid.bins, canvas.shape[1], side * side)
