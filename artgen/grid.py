"""Compositions: prompts for parts of a picture, and for the tiles of a large one. No torch.

Source: P. Mirowski et al., "CLIP-CLOP: CLIP-Guided Collage and Photomontage", 2022, section 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from artgen import prompts as grammar
from artgen.errors import UsageError
from artgen.geometry import WHOLE, Region, Size, Window
from artgen.prompts import Term

CELL_WEIGHT = 0.2
"""Weight of each of the nine overlapping regions, as published."""
WHOLE_WEIGHT = 9 * CELL_WEIGHT
"""Weight of the whole picture: as much as the nine regions together."""
GLOBAL_SHARE = 0.3
"""Factor of the whole picture's prompt in each tile that has a prompt of its own."""
LEAST_SHARE = 0.25
"""A region of the whole picture counts in a tile if it covers at least this fraction of the tile's sides."""
MOST_TILES = 400

Grid = tuple[tuple[str, ...], ...]
"""One text for each cell, in rows from the top."""


def read_grid(value: Any) -> Any:
    r"""Read rows separated by ` / ` or line breaks, and cells separated by `;`; pass on anything else.

    `\;` and `\/` stand for the characters themselves. A list may contain a text for each row,
    or a list of cells.

    Example:
        >>> read_grid("sun ; clouds / a field:2 ; trees")
        (('sun', 'clouds'), ('a field:2', 'trees'))
    """
    if isinstance(value, str):
        rows: list[str] = []
        for line in value.splitlines():
            if line.strip():
                rows += re.split(r"(?<=\s)/(?=\s)", line)
        return tuple(_cells(row) for row in rows)
    if isinstance(value, list | tuple):
        return tuple(_cells(row) if isinstance(row, str) else row for row in value)
    return value


def _cells(line: str) -> tuple[str, ...]:
    """Return the cells of one row."""
    cells = re.split(r"(?<!\\);", line.strip())
    return tuple(re.sub(r"\\([;/])", r"\1", cell).strip() for cell in cells)


def all_cells(grid: Grid) -> list[str]:
    """Return the texts of a grid, row by row."""
    cells: list[str] = []
    for row in grid:
        cells += row
    return cells


def filled_cells(grid: Grid) -> list[str]:
    """Return the texts of a grid that are not empty, row by row."""
    return [cell for cell in all_cells(grid) if cell]


def check_grid(grid: Grid, rows: int, columns: int, owner: str) -> None:
    """Check the shape of a grid.

    Args:
        grid: the texts.
        rows: expected number of rows.
        columns: expected number of cells in each row.
        owner: of the grid, for the message ("the nine regions of a composition").

    Raises:
        UsageError: it has another number of rows or columns.
    """
    lengths = sorted({len(row) for row in grid})
    if len(grid) != rows or lengths != [columns]:
        found = " and ".join(map(str, lengths))
        raise UsageError(
            f"{owner} need {rows} rows of {columns} cells, separated by ' / ' and ';', "
            f"not {len(grid)} rows of {found}"
        )


def three_by_three(whole: Sequence[str], cells: Sequence[str]) -> list[Term]:
    """Return the terms of nine overlapping regions and of the whole.

    Each region is half as wide and high as the picture; neighbours overlap by half.

    Args:
        whole: prompts for the whole picture, in the full grammar; may be empty.
        cells: nine prompts, row by row from the upper left; empty texts are skipped. The
            regions of their terms are fractions of the cell.

    Raises:
        UsageError: there are not nine cells.
        PromptError: a prompt breaks the grammar.

    Example:
        >>> grammar.format_terms(three_by_three(["a farm"], ["sun"] + [""] * 8))
        '[0.0,0.0,0.5,0.5] sun:0.2 | a farm:1.8'
    """
    if len(cells) != 9:
        raise UsageError(
            f"a 3x3 composition needs nine prompts, not {len(cells)}; leave a prompt empty to skip its region"
        )
    terms: list[Term] = []
    for index, cell in enumerate(cells):
        if cell:
            terms += _weighted(cell, CELL_WEIGHT, _region(index))
    for prompt in whole:
        terms += _weighted(prompt, WHOLE_WEIGHT, WHOLE)
        grammar.check_term_count(len(terms), prompt)
    return terms


def _region(index: int) -> Region:
    """Return the region of a cell; its left and upper edges are at 0, 1/4 or 1/2."""
    left, top = index % 3 / 4, index // 3 / 4
    return Region(left, top, left + 0.5, top + 0.5)


def _weighted(prompt: str, factor: float, region: Region) -> list[Term]:
    """Return a prompt's terms with their weights multiplied, and their regions moved into a region."""
    return [
        replace(term, weight=term.weight * factor, region=_within(region, term.region))
        for term in grammar.parse(prompt)
    ]


def _within(outer: Region, inner: Region) -> Region:
    """Return `inner`, given in fractions of `outer`, in fractions of the whole picture."""
    width, height = outer.right - outer.left, outer.bottom - outer.top
    return Region(
        outer.left + inner.left * width,
        outer.top + inner.top * height,
        min(1.0, outer.left + inner.right * width),
        min(1.0, outer.top + inner.bottom * height),
    )


@dataclass(frozen=True)
class Tiling:
    """The arrangement of a large picture's tiles.

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
            UsageError: the text is anything else, or there are too many tiles.
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
        """Height and width of the whole picture in tiles."""
        step = 1 - self.overlap
        return 1 + (self.rows - 1) * step, 1 + (self.columns - 1) * step

    def canvas(self, tile: Size) -> Size:
        """Return the size of the whole picture for tiles of this size."""
        last = self.window(self.count - 1, tile)
        return Size(last.bottom, last.right)

    def window(self, index: int, tile: Size) -> Window:
        """Return a tile's window in the whole picture in pixels; tiles are counted row by row."""
        row, column = divmod(index, self.columns)
        top = round(row * tile.height * (1 - self.overlap))
        left = round(column * tile.width * (1 - self.overlap))
        return Window(top, left, top + tile.height, left + tile.width)

    def region(self, index: int) -> Region:
        """Return a tile's region of the whole picture."""
        row, column = divmod(index, self.columns)
        height, width = self.extent
        left, top = column * (1 - self.overlap) / width, row * (1 - self.overlap) / height
        return Region(left, top, min(1.0, left + 1 / width), min(1.0, top + 1 / height))

    def seams(self, tile: Size) -> tuple[list[int], list[int]]:
        """Return the rows and columns of the whole picture, in pixels, at which a tile starts or ends within it."""
        height, width = self.canvas(tile)
        rows, columns = set(), set()
        for index in range(self.count):
            window = self.window(index, tile)
            rows |= {window.top, window.bottom}
            columns |= {window.left, window.right}
        return sorted(rows - {0, height}), sorted(columns - {0, width})


def tile_prompts(whole: Sequence[str], own: str, tiling: Tiling, index: int) -> list[str]:
    """Return the prompts of a tile: its own, and those of the whole picture at a lower weight.

    Args:
        whole: prompts of the whole picture, with regions in fractions of it.
        own: the tile's prompt, with regions in fractions of the tile; may be empty.
        tiling: arrangement of the tiles.
        index: of the tile.

    Raises:
        UsageError: the tile has no prompt.
    """
    whole_terms = grammar.parse_all(whole)
    require_prompt(whole_terms, own, tiling, index)

    terms = grammar.parse(own) if own else []
    share = GLOBAL_SHARE if own else 1.0
    tile = tiling.region(index)
    for term in whole_terms:
        region = _visible_part(tile, term.region)
        if region is not None:
            terms.append(replace(term, weight=term.weight * share, region=region))
    return [grammar.format_terms([term]) for term in terms]


def require_prompt(whole: Sequence[Term], own: str, tiling: Tiling, index: int) -> None:
    """Check that a tile has a prompt.

    Args:
        whole: terms of the whole picture, with regions in fractions of it.
        own: the tile's prompt; may be empty.
        tiling: arrangement of the tiles.
        index: of the tile.

    Raises:
        UsageError: neither its own prompt nor a term of the whole applies to this tile.
    """
    if own:
        return
    tile = tiling.region(index)
    for region in dict.fromkeys(term.region for term in whole):
        if _visible_part(tile, region) is not None:
            return

    row, column = divmod(index, tiling.columns)
    raise UsageError(
        f"tile {column + 1} of row {row + 1} has no prompt; write one for it, or one for the whole picture"
    )


def _visible_part(tile: Region, region: Region) -> Region | None:
    """Return the part of a region that is in a tile, in fractions of the tile; None if it is too small.

    Args:
        tile: the tile, in fractions of the whole picture.
        region: the region, in fractions of the whole picture.
    """
    if region == WHOLE:
        return WHOLE

    width, height = tile.right - tile.left, tile.bottom - tile.top
    visible = Region(
        max(0.0, (region.left - tile.left) / width),
        max(0.0, (region.top - tile.top) / height),
        min(1.0, (region.right - tile.left) / width),
        min(1.0, (region.bottom - tile.top) / height),
    )
    smaller_side = min(visible.right - visible.left, visible.bottom - visible.top)
    return visible if smaller_side >= LEAST_SHARE else None


def prompts_of_whole(whole: Sequence[str], own: Sequence[str], tiling: Tiling) -> list[str]:
    """Return equal prompts for the whole picture, with the prompts of tiles in regions of it."""
    prompts = [*whole]
    for index, prompt in enumerate(own):
        if prompt:
            terms = _weighted(prompt, 1.0, tiling.region(index))
            prompts += [grammar.format_terms([term]) for term in terms]
    return prompts
