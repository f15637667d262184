"""Cells: where a point is, against the cells' outlines, which are described in another way."""

from __future__ import annotations

import math
import re

import pytest
import torch

from artgen.geometry import Size, Window
from artgen.renderers.pixel.cells import LATTICES, UNITS, cell_at, cell_map, outline
from artgen.renderers.pixel.svg import merge

every_shape = pytest.mark.parametrize("shape", LATTICES)
GRID = Size(7, 6)


def is_inside(corners: list[tuple[int, int]], x: float, y: float) -> bool:
    """The even-odd rule: how many edges lie to the right."""
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


def area(corners: list[tuple[int, int]]) -> float:
    following = [*corners[1:], corners[0]]
    return (
        sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, following, strict=True)) / 2 / UNITS**2
    )


def outlines(shape: str) -> dict[tuple[int, int], list[tuple[int, int]]]:
    stored = LATTICES[shape].stored(GRID)
    cells = [(row, column) for row in range(stored.height) for column in range(stored.width)]
    return {cell: outline(LATTICES[shape], *cell, GRID) for cell in cells}


@every_shape
def test_each_point_is_in_the_outline_of_its_cell_and_in_no_other(shape: str):
    draws = torch.rand(2, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, v = draws[0] * GRID.width, draws[1] * GRID.height
    rows, columns = cell_at(LATTICES[shape], u, v, GRID)
    corners = outlines(shape)
    for x, y, row, column in zip(u.tolist(), v.tolist(), rows.tolist(), columns.tolist(), strict=True):
        hit = [cell for cell, each in corners.items() if is_inside(each, x * UNITS, y * UNITS)]
        assert hit == [(row, column)], (x, y)


@every_shape
def test_outlines_are_clockwise_and_cover_the_picture_once(shape: str):
    areas = [area(corners) for corners in outlines(shape).values()]
    assert min(areas) >= 0
    assert sum(areas) == pytest.approx(GRID.height * GRID.width)


@every_shape
def test_all_cells_merge_into_the_picture(shape: str):
    corners = [each for each in outlines(shape).values() if area(each)]
    width, height = UNITS * GRID.width, UNITS * GRID.height
    (loop,) = merge(corners)
    assert set(loop) == {(0, 0), (width, 0), (width, height), (0, height)}


def test_hexagons_and_triangles_are_regular():
    for shape, sides in (("hex", 6), ("triangle", 3)):
        lattice = LATTICES[shape]
        corners = [(x / UNITS, y / UNITS * lattice.pitch) for x, y in outline(lattice, 3, 3, GRID)]
        lengths = [math.dist(*pair) for pair in zip(corners, [*corners[1:], corners[0]], strict=True)]
        assert len(corners) == sides
        assert lengths == pytest.approx([lengths[0]] * sides)


def test_merging_leaves_holes_and_keeps_corners_that_touch():
    squares = [[(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)] for x in range(3) for y in range(3)]
    ring = merge(square for square in squares if square[0] != (1, 1))
    assert sorted(map(len, ring)) == [4, 4]
    touching = merge([squares[0], squares[4]])
    assert sum(map(len, touching)) == 8


@every_shape
def test_windows_of_the_map_are_parts_of_it(shape: str):
    size = Size(50, 37)
    whole = cell_map(LATTICES[shape], GRID, size, Window(0, 0, *size))
    part = cell_map(LATTICES[shape], GRID, size, Window(11, 5, 30, 37))
    assert torch.equal(part, whole[11:30, 5:37])


def test_svg_numbers_are_whole():
    from artgen.renderers.pixel.svg import cells_svg

    cells = torch.rand(4, 7, 7, generator=torch.Generator().manual_seed(0))
    data = re.findall(r' d="([^"]+)"', cells_svg(cells, LATTICES["hex"], GRID, Size(70, 60)))
    assert data and all(re.fullmatch(r"[Mhvlz0-9 -]+", each) for each in data)
