"""Plain forms of the tile layout that `artgen.renderers.binning` uses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from artgen.renderers.binning import TileGrid


def pixel_centres(grid: TileGrid, bins: Tensor) -> Tensor:
    """Return [M, Q, 2] x and y of the pixel centres of bins, row by row, in pixels of the whole picture."""
    offset = torch.arange(grid.tile, device=bins.device) + 0.5
    x, y = grid.origin(bins)
    centres = torch.stack(torch.meshgrid(offset, offset, indexing="xy"), -1).reshape(-1, 2)
    return torch.stack([x, y], -1)[:, None] + centres


def cut_into_bins(canvas: Tensor, grid: TileGrid) -> Tensor:
    """Cut [P, C, h, w] of the grid's window into [bins, C, Q]; the inverse of `assemble`."""
    side = grid.tile
    height, width = grid.window.size
    padded = functional.pad(canvas, (0, grid.columns * side - width, 0, grid.rows * side - height))
    tiles = padded.unflatten(2, (grid.rows, side)).unflatten(4, (grid.columns, side))
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(grid.bins, canvas.shape[1], side * side)
