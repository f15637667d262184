"""Compositions: prompts for parts of a picture, and for the tiles of a large one. No torch.

Source: P. Mirowski et al., "CLIP-CLOP: CLIP-Guided Collage and Photomontage", 2022, section 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from artgen import prompts as grammar
from artgen.errors import UsageError
from artgen.geometry import WHOLE, Region

CELL_WEIGHT = 0.2
"""Weight of each of the nine overlapping regions, as published."""
WHOLE_WEIGHT = 9 * CELL_WEIGHT
"""The whole counts as the nine together."""


def three_by_three(whole: str, cells: Sequence[str]) -> list[str]:
    """Return the prompts of nine overlapping regions and of the whole.

    Each region is half as wide and high as the picture; neighbours overlap by half.

    Args:
        whole: prompt for the whole picture, in the full grammar (without regions).
        cells: nine prompts, row by row from the upper left; an empty one asks for nothing.

    Raises:
        UsageError: there are not nine.
        PromptError: a prompt breaks the grammar.

    Example:
        >>> three_by_three("a farm", ["sun"] + [""] * 8)
        ['[0.0,0.0,0.5,0.5] sun:0.2', 'a farm:1.8']
    """
    if len(cells) != 9:
        raise UsageError(
            f"a 3x3 composition takes nine prompts, not {len(cells)}; an empty one asks for nothing"
        )
    placed = [
        _weighted(cell, CELL_WEIGHT, _region(index)) for index, cell in enumerate(cells) if cell.strip()
    ]
    return [*placed, _weighted(whole, WHOLE_WEIGHT, WHOLE)]


def _region(index: int) -> Region:
    """Return the region of a cell; the nine start at 0, a quarter and a half."""
    left, top = index % 3 / 4, index // 3 / 4
    return Region(left, top, left + 0.5, top + 0.5)


def _weighted(prompt: str, factor: float, region: Region) -> str:
    """Return a prompt with its weights multiplied, in a region unless it has its own."""
    terms = grammar.parse(prompt)
    weighted = [
        replace(term, weight=term.weight * factor, region=region if term.region == WHOLE else term.region)
        for term in terms
    ]
    return grammar.format_terms(weighted)


def parse_tile_prompts(text: str, rows: int, columns: int) -> list[str]:
    """Return the prompts of tiles, row by row.

    Args:
        text: rows divided by `/` or line breaks, tiles of a row by `;`. Each tile's prompt
            may use the full grammar.
        rows: of tiles.
        columns: of tiles.

    Raises:
        UsageError: there are more or fewer than the tiles.

    Example:
        >>> parse_tile_prompts("sun ; clouds / a field:2 ; trees", 2, 2)
        ['sun', 'clouds', 'a field:2', 'trees']
    """
    lines = [line for part in text.split(" / ") for line in part.splitlines() if line.strip()]
    cells = [[cell.strip() for cell in line.split(";")] for line in lines]
    found = "x".join(str(count) for count in sorted({len(row) for row in cells})) + f" in {len(cells)} rows"
    if len(cells) != rows or any(len(row) != columns for row in cells):
        raise UsageError(f"{columns}x{rows} tiles take {rows} rows of {columns} prompts; given are {found}")
    prompts = [cell for row in cells for cell in row]
    grammar.parse_all(prompt for prompt in prompts if prompt)
    return prompts
