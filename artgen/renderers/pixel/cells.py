"""Cells that tile the plane: which cell a point is in, and each cell's outline.

Coordinates: u counts cells across, v counts rows down, from the picture's upper left.
All shapes but the triangle are one lattice: rows whose common borders are zigzags with
one tooth per cell. The border above row k lies at

    v = k - offset + amplitude * (2 z - 1),   z = |2 frac(u) - 1|,

where z is 1 at the sides of row k's cells and 0 at their centres. Rows may be shifted
by half a cell at every other row. No teeth are squares (or, shifted, bricks), small
ones hexagons, whole ones diamonds; teeth without the shift are stitches.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from artgen.geometry import Size, Window

CellShape = Literal["square", "brick", "hex", "triangle", "diamond", "knit"]
UNITS = 6
"""Units per cell in which the coordinates of all outlines are whole numbers."""

Points = Float[Tensor, "*places"]
CellIndices = Int[Tensor, "*places"]


@dataclass(frozen=True)
class Lattice:
    """One way to tile the plane.

    Args:
        pitch: distance between rows, divided by the distance between cells in a row; chosen
            so that hexagons and triangles are regular.
        shifted: whether every other row is shifted by half a cell.
        offset: how far each border is moved up, in rows.
        amplitude: amplitude of the borders' teeth, in rows.
        triangles: whether cells are triangles that alternately point up and down.
    """

    pitch: float
    shifted: bool = False
    offset: float = 0.0
    amplitude: float = 0.0
    triangles: bool = False

    def stored(self, grid: Size) -> Size:
        """Return how many cells, down and across, are at least partly inside a picture of `grid` cells."""
        return Size(grid.height + (self.offset > 0), grid.width + (self.shifted or self.triangles))


LATTICES: dict[str, Lattice] = {
    "square": Lattice(1.0),
    "brick": Lattice(0.5, shifted=True),
    "hex": Lattice(3**0.5 / 2, shifted=True, amplitude=1 / 6),
    "triangle": Lattice(3**0.5, triangles=True),
    "diamond": Lattice(0.5, shifted=True, offset=0.5, amplitude=0.5),
    "knit": Lattice(0.75, offset=0.25, amplitude=-0.25),
}
"""The tilings, by name."""


def cell_at(lattice: Lattice, u: Points, v: Points, grid: Size) -> tuple[CellIndices, CellIndices]:
    """Return the row and column of the cell that each point is in.

    Args:
        lattice: the tiling.
        u: places across in cells, in [0, grid.width].
        v: places down in rows, in [0, grid.height], of the same shape.
        grid: number of cells down and across.
    """
    stored = lattice.stored(grid)
    if lattice.triangles:
        row, column = _triangle_at(u, v)
    else:
        # the last border that may lie above the point, which is in the row below or above it
        border = (v + lattice.offset + abs(lattice.amplitude)).floor()
        row = torch.where(v >= _border(lattice, border, u), border, border - 1).clamp(0, stored.height - 1)
        column = (u + _shift(lattice, row)).floor()
    return row.long().clamp(0, stored.height - 1), column.long().clamp(0, stored.width - 1)


def _shift(lattice: Lattice, row: Tensor) -> Tensor:
    """Return how far to the left a row is shifted, in cells."""
    return row.remainder(2) / 2 if lattice.shifted else torch.zeros_like(row)


def _border(lattice: Lattice, row: Tensor, u: Tensor) -> Tensor:
    """Return the v coordinate of the border above a row."""
    z = (2 * (u + _shift(lattice, row)).frac() - 1).abs()
    return row - lattice.offset + lattice.amplitude * (2 * z - 1)


def _triangle_at(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return row and column of points among triangles; triangle k of a row spans k - 1 to k + 1."""
    row, left = v.floor(), u.floor()
    across, down = u - left, v - row
    left_points_up = (row + left).remainder(2) == 0
    in_left = torch.where(left_points_up, across < down, across < 1 - down)
    return row, torch.where(in_left, left, left + 1)


@functools.lru_cache(maxsize=4)
def cell_map(lattice: Lattice, grid: Size, size: Size, window: Window) -> Int[Tensor, "height width"]:
    """Return the index of the cell that each pixel's centre is in, rows first.

    Args:
        lattice: the tiling.
        grid: number of cells down and across.
        size: size of the whole picture in pixels.
        window: the part to return.
    """
    down = (torch.arange(window.top, window.bottom, dtype=torch.float64) + 0.5) * grid.height / size.height
    across = (torch.arange(window.left, window.right, dtype=torch.float64) + 0.5) * grid.width / size.width
    v, u = torch.meshgrid(down, across, indexing="ij")  # [H, W] each
    row, column = cell_at(lattice, u, v, grid)
    return row * lattice.stored(grid).width + column


def outline(lattice: Lattice, row: int, column: int, grid: Size) -> list[tuple[int, int]]:
    """Return a cell's corners clockwise, cut to the picture, as (x, y) in `UNITS` per cell.

    Neighbours share their corners, so that edges between them match exactly. The outline
    of a cell outside the picture has no area.
    """
    corners: Iterable[tuple[float, float]]
    corners = _triangle(row, column) if lattice.triangles else _hexagon(lattice, row, column, grid)
    return [(_cut(x, grid.width), _cut(y, grid.height)) for x, y in corners]


def _cut(place: int | float, limit: int) -> int:
    """Return a coordinate in `UNITS`, clamped to the picture."""
    return round(UNITS * min(max(place, 0), limit))


def _triangle(row: int, column: int) -> list[tuple[int, int]]:
    """Return the corners of a triangle."""
    if (row + column) % 2 == 0:
        return [(column, row), (column + 1, row + 1), (column - 1, row + 1)]
    return [(column - 1, row), (column + 1, row), (column, row + 1)]


def _hexagon(lattice: Lattice, row: int, column: int, grid: Size) -> list[tuple[float, float]]:
    """Return three corners on the border above the row and three on the one below."""
    left = column - (row % 2) / 2 * lattice.shifted
    across = (left, left + 0.5, left + 1)
    flipped = -1 if lattice.shifted else 1
    teeth = [tooth * lattice.amplitude for tooth in (1, -1, 1)]
    above = [row - lattice.offset + tooth for tooth in teeth]
    below = [row + 1 - lattice.offset + flipped * tooth for tooth in teeth]

    # the first and last row are cut off straight by the picture's edges
    if row == 0:
        above = [0.0] * 3
    if row == lattice.stored(grid).height - 1:
        below = [float(grid.height)] * 3
    return [*zip(across, above, strict=True), *reversed(list(zip(across, below, strict=True)))]
