"""Cells as SVG: one path per colour, neighbours of equal colour merged."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor

from artgen.geometry import Size
from artgen.images import to_bytes
from artgen.renderers.pixel.cells import UNITS, Lattice, outline

Point = tuple[int, int]
Paint = tuple[int, int, int, int]
"""Straight red, green, blue, alpha of 0 to 255."""


def cells_svg(cells: Float[Tensor, "4 rows columns"], lattice: Lattice, grid: Size, size: Size) -> str:
    """Return cells as an SVG document that shows, at any size, what the PNG shows.

    `shape-rendering="crispEdges"` gives each pixel the colour of the cell its centre is
    in, without seams between neighbours.

    Args:
        cells: premultiplied RGBA of each cell, in [0, 1].
        lattice: the tiling.
        grid: number of cells down and across.
        size: of the document in pixels.
    """
    loops = {paint: merge(outlines) for paint, outlines in _by_paint(cells, lattice, grid).items()}

    # the smallest whole numbers that keep all proportions
    width, height = UNITS * grid.width, UNITS * grid.height
    common = _common_divisor([width, height], loops.values())

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.width}" height="{size.height}" '
        f'viewBox="0 0 {width // common} {height // common}" '
        'preserveAspectRatio="none" shape-rendering="crispEdges">'
    )
    paths = [_path(paint, found, common) for paint, found in loops.items()]
    return "\n".join([head, *paths, "</svg>\n"])


def outline_data(cells: Iterable[tuple[int, int]], lattice: Lattice, grid: Size, size: Size) -> str:
    """Return the outline of some cells together as path data in pixels, empty if they are outside the picture.

    Args:
        cells: row and column of each.
        lattice: the tiling.
        grid: number of cells down and across.
        size: of the picture in pixels.
    """
    outlines = [outline(lattice, row, column, grid) for row, column in cells]
    across, down = size.width / (UNITS * grid.width), size.height / (UNITS * grid.height)
    loops = []
    for loop in merge(corners for corners in outlines if _has_area(corners)):
        points = [f"{x * across:.6g} {y * down:.6g}" for x, y in loop]
        loops.append("M" + "L".join(points) + "Z")
    return "".join(loops)


def _common_divisor(numbers: list[int], loops_of_paints: Iterable[list[list[Point]]]) -> int:
    """Return the greatest common divisor of some numbers and all coordinates."""
    common = math.gcd(*numbers)
    for loop in itertools.chain.from_iterable(loops_of_paints):
        common = math.gcd(common, *itertools.chain.from_iterable(loop))
    return common


def merge(outlines: Iterable[list[Point]]) -> list[list[Point]]:
    """Return the closed borders of the union of cells that share their corners.

    An edge between two of the cells occurs once in each direction, and both are dropped.
    The remaining edges are chained into loops: clockwise around an area, anticlockwise
    around a hole.

    Args:
        outlines: corners of each cell, clockwise.

    Example:
        >>> merge([[(0, 0), (1, 0), (1, 1), (0, 1)], [(1, 0), (2, 0), (2, 1), (1, 1)]])
        [[(0, 0), (2, 0), (2, 1), (0, 1)]]
    """
    edges: dict[tuple[Point, Point], None] = {}
    for corners in outlines:
        for edge in zip(corners, [*corners[1:], corners[0]], strict=True):
            if edge[0] == edge[1]:
                continue
            if edge[::-1] in edges:
                del edges[edge[::-1]]
            else:
                edges[edge] = None

    onward: dict[Point, list[Point]] = defaultdict(list)
    for start, end in edges:
        onward[start].append(end)
    return [_without_straight(loop) for loop in _loops(onward)]


def _loops(onward: dict[Point, list[Point]]) -> Iterable[list[Point]]:
    for start in list(onward):
        while onward[start]:
            loop, place = [start], onward[start].pop()
            while place != start:
                loop.append(place)
                place = onward[place].pop()
            yield loop


def _without_straight(loop: list[Point]) -> list[Point]:
    """Leave out corners that lie on a straight line between their neighbours."""
    previous, following = [loop[-1], *loop[:-1]], [*loop[1:], loop[0]]
    corners = []
    for (x0, y0), (x, y), (x1, y1) in zip(previous, loop, following, strict=True):
        if (x - x0) * (y1 - y) != (y - y0) * (x1 - x):
            corners.append((x, y))
    return corners


def _by_paint(cells: Tensor, lattice: Lattice, grid: Size) -> dict[Paint, list[list[Point]]]:
    """Return the outlines of all visible cells, by colour."""
    paints = to_bytes(cells).tolist()  # [rows, columns, 4]
    found: dict[Paint, list[list[Point]]] = defaultdict(list)
    for row, line in enumerate(paints):
        for column, (red, green, blue, opacity) in enumerate(line):
            corners = outline(lattice, row, column, grid)
            if opacity and _has_area(corners):
                found[(red, green, blue, opacity)].append(corners)
    return found


def _has_area(corners: list[Point]) -> bool:
    """Return whether a closed outline encloses anything (the shoelace formula)."""
    neighbours = zip(corners, [*corners[1:], corners[0]], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in neighbours) != 0


def _path(paint: Paint, loops: list[list[Point]], common: int) -> str:
    colour = f"#{bytes(paint[:3]).hex()}"
    opacity = "" if paint[3] == 255 else f' fill-opacity="{paint[3] / 255:.4f}"'
    data = "".join(_loop_data(loop, common) for loop in loops)
    return f'<path fill="{colour}"{opacity} d="{data}"/>'


def _loop_data(loop: list[Point], common: int) -> str:
    """Return path data of a closed loop, with coordinates divided by a common divisor."""
    scaled = [(x // common, y // common) for x, y in loop]
    parts = [f"M{scaled[0][0]} {scaled[0][1]}"]
    for (x0, y0), (x, y) in itertools.pairwise(scaled):
        dx, dy = x - x0, y - y0
        parts.append(f"h{dx}" if dy == 0 else f"v{dy}" if dx == 0 else f"l{dx} {dy}")
    return "".join(parts) + "z"
