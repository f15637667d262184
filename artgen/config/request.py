"""The part of a run's description that says what is wanted where."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from artgen import grid as compositions
from artgen import prompts as grammar
from artgen.grid import Tiling
from artgen.options import Options

NOT_WITH_TILES = ("composition", "init", "target", "style", "mask", "transparent", "wrap")
"""Keys that say something of a picture in one piece."""


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Strings = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
TextGrid = Annotated[compositions.Grid, BeforeValidator(compositions.read_grid)]


class Wishes(Options):
    """Prompts for the whole picture, for regions of it, and for the tiles of a large one."""

    prompts: Strings = Field((), description="what to paint, in the prompt grammar")
    composition: TextGrid = Field(
        (), description="a prompt for each of 3x3 overlapping regions: 'a ; b ; c / d ; e ; f / g ; h ; i'"
    )
    tiles: str | None = Field(None, description="paint a large picture tile by tile: COLUMNSxROWS (collage)")
    tile_prompts: TextGrid = Field((), description="a prompt for each tile: 'a ; b / c ; d'")
    tile_patches: TextGrid = Field(
        (), description="patch sets for each tile, written alike; empty: the collage's own"
    )

    @model_validator(mode="after")
    def _composed(self) -> Wishes:
        if self.composition:
            compositions.check_grid(self.composition, 3, 3, "the nine regions of a composition")
        cells = [cell for grid in (self.composition, self.tile_prompts) for row in grid for cell in row]
        grammar.parse_all([*self.prompts, *filter(None, cells)])  # valid, and not too many
        tiling = self.tiling()
        if tiling is not None:
            self._check_tiles(tiling)
        elif self.tile_patches:
            raise ValueError("tile_patches are given without tiles; add --tiles COLUMNSxROWS")
        return self

    def _check_tiles(self, tiling: Tiling) -> None:
        contrary = [name for name in NOT_WITH_TILES if getattr(self, name, None) not in (None, False, ())]
        if contrary:
            raise ValueError(f"tiles cannot be combined with {contrary[0]}; leave out one of them")
        for name, grid in (("tile_prompts", self.tile_prompts), ("tile_patches", self.tile_patches)):
            if grid:
                owner = f"{name} of {tiling.columns}x{tiling.rows} tiles"
                compositions.check_grid(grid, tiling.rows, tiling.columns, owner)
        terms = grammar.parse_all(self.prompts)
        for index, own in enumerate(cells_of(self.tile_prompts, tiling)):
            compositions.require_wish(terms, own, tiling, index)

    @property
    def title(self) -> str:
        """The first words of the prompts, for names of folders; `target` without any."""
        cells = [cell for row in (*self.composition, *self.tile_prompts) for cell in row if cell]
        return next(iter([*self.prompts, *cells]), "target")

    def terms(self) -> list[grammar.Term]:
        """Return what a picture in one piece is asked for, the regions of a composition among it."""
        if not self.composition:
            return grammar.parse_all(self.prompts)
        cells = [cell for row in self.composition for cell in row]
        return compositions.three_by_three(self.prompts, cells)

    def all_terms(self) -> list[grammar.Term]:
        """Return everything that is asked for, the tiles' prompts too."""
        tiled = [cell for row in self.tile_prompts for cell in row if cell]
        return [*self.terms(), *grammar.parse_all(tiled)]

    def tiling(self) -> Tiling | None:
        """Return how tiles lie, None for a picture in one piece.

        Raises:
            UsageError: `tiles` is not COLUMNSxROWS.
        """
        if self.tiles is not None:
            return Tiling.parse(self.tiles)
        if not self.tile_prompts:
            return None
        return Tiling.parse(f"{len(self.tile_prompts[0])}x{len(self.tile_prompts)}")


def cells_of(grid: compositions.Grid, tiling: Tiling) -> list[str]:
    """Return one text for each tile, row by row; empty ones if there is no grid."""
    return [cell for row in grid for cell in row] or [""] * tiling.count
