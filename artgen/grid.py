"""Compositions: prompts for parts of a picture, and for the tiles of a large one. No torch.

Source: P. Mirowski et al., "CLIP-CLOP: CLIP-Guided Collage and Photomontage", 2022, section 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from artgen import prompts as grammar
from artgen.errors import UsageError
from artgen.geometry import WHOLE, Region, Size, Window
from artgen.prompts import Term

CELL_WEIGHT = 0.2
"""Weight of each of the nine overlapping regions, as published."""
WHOLE_WEIGHT = 9 * CELL_WEIGHT
"""The whole counts as the nine together."""
GLOBAL_SHARE = 0.3
"""Weight of the whole picture's prompt in each tile, beside the tile's own."""
LEAST_SHARE = 0.25
"""Regions of the whole that reach less far into a tile, in tiles, are not asked for there."""
MOST_TILES = 400

Grid = tuple[tuple[str, ...], ...]
"""One text for each cell, in rows from the top."""


def read_grid(value: Any) -> Any:
    r"""Read rows divided by ` / ` or line breaks, and cells of a row by `;`; leave anything else alone.

    `\;` and `\/` stand for the characters themselves. A list may hold a text for each row,
    or a list of cells.

    Example:
        >>> read_grid("sun ; clouds / a field:2 ; trees")
        (('sun', 'clouds'), ('a field:2', 'trees'))
    """
    if isinstance(value, str):
        lines = [line for line in value.splitlines() if line.strip()]
        return tuple(_cells(row) for line in lines for row in re.split(r"(?<=\s)/(?=\s)", line))
    if isinstance(value, list | tuple):
        return tuple(_cells(row) if isinstance(row, str) else row for row in value)
    return value


def _cells(line: str) -> tuple[str, ...]:
    cells = re.split(r"(?<!\\);", line.strip())
    return tuple(re.sub(r"\\([;/])", r"\1", cell).strip() for cell in cells)


def filled_cells(grid: Grid) -> list[str]:
    """Return the texts of a grid that are not empty, row by row."""
    return [cell for row in grid for cell in row if cell]


def check_grid(grid: Grid, rows: int, columns: int, owner: str) -> None:
    """Refuse a grid of another shape.

    Raises:
        UsageError: it has not so many rows and columns.
    """
    if len(grid) != rows or any(len(row) != columns for row in grid):
        found = " and ".join(str(count) for count in sorted({len(row) for row in grid}))
        raise UsageError(
            f"{owner} take {rows} rows of {columns}, divided by ' / ' and ';'; given are {len(grid)} of {found}"
        )


def three_by_three(whole: Sequence[str], cells: Sequence[str]) -> list[Term]:
    """Return the terms of nine overlapping regions and of the whole.

    Each region is half as wide and high as the picture; neighbours overlap by half.

    Args:
        whole: prompts for the whole picture, in the full grammar; may be none.
        cells: nine prompts, row by row from the upper left; an empty one asks for nothing.
            Their own regions are fractions of the cell.

    Raises:
        UsageError: there are not nine.
        PromptError: a prompt breaks the grammar.

    Example:
        >>> grammar.format_terms(three_by_three(["a farm"], ["sun"] + [""] * 8))
        '[0.0,0.0,0.5,0.5] sun:0.2 | a farm:1.8'
    """
    if len(cells) != 9:
        raise UsageError(
            f"a 3x3 composition takes nine prompts, not {len(cells)}; an empty one asks for nothing"
        )
    terms: list[Term] = []
    for index, cell in enumerate(cells):
        if cell:
            terms += _weighted(cell, CELL_WEIGHT, _region(index))
    for prompt in whole:
        terms += _weighted(prompt, WHOLE_WEIGHT, WHOLE)
        grammar.require_few(len(terms), prompt)
    return terms


def _region(index: int) -> Region:
    """Return the region of a cell; the nine start at 0, a quarter and a half."""
    left, top = index % 3 / 4, index // 3 / 4
    return Region(left, top, left + 0.5, top + 0.5)


def _weighted(prompt: str, factor: float, region: Region) -> list[Term]:
    """Return a prompt's terms with their weights multiplied and their regions within a region."""
    return [
        replace(term, weight=term.weight * factor, region=_within(region, term.region))
        for term in grammar.parse(prompt)
    ]


def _within(outer: Region, inner: Region) -> Region:
    """Return a region that is given in fractions of another in fractions of the whole."""
    width, height = outer.right - outer.left, outer.bottom - outer.top
    return Region(
        outer.left + inner.left * width,
        outer.top + inner.top * height,
        min(1.0, outer.left + inner.right * width),
        min(1.0, outer.top + inner.bottom * height),
    )


@dataclass(frozen=True)
class Tiling:
    """How the tiles of a large picture lie.

    Args:
        rows: of tiles.
        columns: of tiles.
        overlap: part of a tile that it shares with its neighbour.
    """

    rows: int
    columns: int
    overlap: float = 1 / 3

    @classmethod
    def parse(cls, text: str) -> Tiling:
        """Read `3x2`: three columns, two rows.

        Raises:
            UsageError: anything else.
        """
        columns, _, rows = text.lower().partition("x")
        numbers = [int(part) if part.isdecimal() and len(part) < 5 else 0 for part in (columns, rows)]
        if not 1 <= numbers[0] * numbers[1] <= MOST_TILES:
            raise UsageError(
                f"tiles {text[:40]!r}: expected COLUMNSxROWS such as 3x2, at most {MOST_TILES} in all"
            )
        return cls(numbers[1], numbers[0])

    @property
    def count(self) -> int:
        """Number of tiles."""
        return self.rows * self.columns

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width of the whole, in tiles."""
        step = 1 - self.overlap
        return 1 + (self.rows - 1) * step, 1 + (self.columns - 1) * step

    def canvas(self, tile: Size) -> Size:
        """Return the size of the whole for tiles of this size."""
        last = self.window(self.count - 1, tile)
        return Size(last.bottom, last.right)

    def window(self, index: int, tile: Size) -> Window:
        """Return where a tile lies in the whole, tiles counted row by row."""
        row, column = divmod(index, self.columns)
        top = round(row * tile.height * (1 - self.overlap))
        left = round(column * tile.width * (1 - self.overlap))
        return Window(top, left, top + tile.height, left + tile.width)

    def region(self, index: int) -> Region:
        """Return where a tile lies in the whole, in fractions of it."""
        row, column = divmod(index, self.columns)
        height, width = self.extent
        left, top = column * (1 - self.overlap) / width, row * (1 - self.overlap) / height
        return Region(left, top, min(1.0, left + 1 / width), min(1.0, top + 1 / height))

    def seams(self, tile: Size) -> tuple[list[int], list[int]]:
        """Return rows and columns, in pixels of the whole, where a tile begins or ends within it."""
        height, width = self.canvas(tile)
        windows = [self.window(index, tile) for index in range(self.count)]
        across = {edge for window in windows for edge in (window.top, window.bottom)} - {0, height}
        down = {edge for window in windows for edge in (window.left, window.right)} - {0, width}
        return sorted(across), sorted(down)


def tile_prompts(whole: Sequence[str], own: str, tiling: Tiling, index: int) -> list[str]:
    """Return what a tile is asked for: its own prompt, and the whole's at a lower weight.

    Args:
        whole: prompts of the whole picture; their regions are those of the whole.
        own: the tile's prompt, its regions in fractions of the tile; empty for none.
        tiling: how tiles lie.
        index: of the tile.

    Raises:
        UsageError: nothing is asked for in this tile.
    """
    asked = grammar.parse_all(whole)
    require_wish(asked, own, tiling, index)
    share = GLOBAL_SHARE if own else 1.0
    tile = tiling.region(index)
    shared = [
        replace(term, weight=term.weight * share, region=region)
        for term in asked
        for region in _seen_from(tile, term.region)
    ]
    terms = [*(grammar.parse(own) if own else []), *shared]
    return [grammar.format_terms([term]) for term in terms]


def require_wish(whole: Sequence[Term], own: str, tiling: Tiling, index: int) -> None:
    """Refuse a tile without any prompt.

    Args:
        whole: terms of the whole picture; their regions are those of the whole.
        own: the tile's prompt; empty for none.
        tiling: how tiles lie.
        index: of the tile.

    Raises:
        UsageError: neither its own prompt nor a term of the whole applies to this tile.
    """
    if own:
        return
    tile = tiling.region(index)
    for region in dict.fromkeys(term.region for term in whole):
        if any(_seen_from(tile, region)):
            return
    row, column = divmod(index, tiling.columns)
    raise UsageError(
        f"tile {column + 1} of row {row + 1} is asked for nothing; give it a prompt, or the whole picture one"
    )


def _seen_from(tile: Region, region: Region) -> Iterator[Region]:
    """Yield what of a region of the whole lies in a tile, in fractions of the tile; nothing if hardly any."""
    if region == WHOLE:
        yield WHOLE
        return
    width, height = tile.right - tile.left, tile.bottom - tile.top
    seen = Region(
        max(0.0, (region.left - tile.left) / width),
        max(0.0, (region.top - tile.top) / height),
        min(1.0, (region.right - tile.left) / width),
        min(1.0, (region.bottom - tile.top) / height),
    )
    if min(seen.right - seen.left, seen.bottom - seen.top) >= LEAST_SHARE:
        yield seen


def prompts_of_whole(whole: Sequence[str], own: Sequence[str], tiling: Tiling) -> list[str]:
    """Return prompts that ask for the same in one picture, the tiles' in regions of it."""
    placed = [
        grammar.format_terms([term])
        for index, prompt in enumerate(own)
        if prompt
        for term in _weighted(prompt, 1.0, tiling.region(index))
    ]
    return [*whole, *placed]
