"""The part of a configuration that describes what to paint where: prompts, compositions, tiles."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from artgen import grid as compositions
from artgen import prompts as grammar
from artgen.grid import Tiling
from artgen.option_kinds import ADVANCED, BASIC, Kind
from artgen.options import Options

NOT_WITH_TILES = ("composition", "init", "target", "style", "mask", "transparent", "wrap")
"""Keys that cannot be combined with tiles."""
PARSED = ("_terms", "_tile_terms")
"""Cached properties that depend on the prompts."""


def _one_or_many(value: Any) -> Any:
    """Return a single text as a tuple; anything else is checked later."""
    return (value,) if isinstance(value, str) else value


Strings = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
PromptsField = Annotated[Strings, Kind("prompts")]
TextGrid = Annotated[compositions.Grid, BeforeValidator(compositions.read_grid)]
PromptGrid = Annotated[TextGrid, Kind("prompt grid")]
PatchSetGrid = Annotated[TextGrid, Kind("patch set grid")]


Copied = TypeVar("Copied", bound=Options)


class Request(Options):
    """Prompts for the whole picture, for regions of it, and for the tiles of a large one.

    Prompts are parsed once, when the configuration is validated.
    """

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    prompts: PromptsField = Field(
        (), description="what to paint, in the prompt grammar", json_schema_extra=BASIC
    )
    composition: PromptGrid = Field(
        (), description="a prompt for each of 3x3 overlapping regions: 'a ; b ; c / d ; e ; f / g ; h ; i'"
    )
    tiles: str | None = Field(None, description="paint a large picture tile by tile: COLUMNSxROWS (collage)")
    tile_prompts: PromptGrid = Field((), description="a prompt for each tile: 'a ; b / c ; d'")
    tile_patches: PatchSetGrid = Field(
        (),
        description="patch sets for each tile: 'sky ; sky / plants ; '; an empty cell uses the collage's patches",
    )

    @model_validator(mode="after")
    def _check_request(self) -> Request:
        if self.composition:
            compositions.check_grid(self.composition, 3, 3, "the nine regions of a composition")
        grammar.check_term_count(len(self.all_terms()))

        tiling = self.tiling()
        if tiling is not None:
            self._check_tiles(tiling)
        elif self.tile_patches:
            raise ValueError("tile_patches have no effect without tiles; add --tiles COLUMNSxROWS")
        return self

    def _check_tiles(self, tiling: Tiling) -> None:
        for name in NOT_WITH_TILES:
            if getattr(self, name, None) not in (None, False, ()):
                raise ValueError(f"tiles cannot be combined with {name}; leave out one of them")

        for name, grid in (("tile_prompts", self.tile_prompts), ("tile_patches", self.tile_patches)):
            if grid:
                owner = f"{name} of {tiling.columns}x{tiling.rows} tiles"
                compositions.check_grid(grid, tiling.rows, tiling.columns, owner)

        for index, own in enumerate(cells_of(self.tile_prompts, tiling)):
            compositions.require_prompt(self.terms(), own, tiling, index)

    def model_copy(  # the run-time type checker of the tests does not know `Self`
        self: Copied, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Copied:
        """Return a copy with some values replaced; its prompts are parsed again only if they are replaced."""
        copied = super().model_copy(update=update, deep=deep)
        if set(update or ()) & set(Request.model_fields):
            for name in PARSED:
                copied.__dict__.pop(name, None)
        return copied

    @property
    def title(self) -> str:
        """The first prompt, for folder names; `target` without prompts."""
        cells = [*compositions.filled_cells(self.composition), *compositions.filled_cells(self.tile_prompts)]
        return next(iter([*self.prompts, *cells]), "target")

    def terms(self) -> list[grammar.Term]:
        """Return the terms of the whole picture, including those of a composition's regions."""
        return list(self._terms)

    def all_terms(self) -> list[grammar.Term]:
        """Return all terms, including those of the tiles' own prompts."""
        return [*self._terms, *self._tile_terms]

    @cached_property
    def _terms(self) -> tuple[grammar.Term, ...]:
        if not self.composition:
            return tuple(grammar.parse_all(self.prompts))
        cells = compositions.all_cells(self.composition)
        return tuple(compositions.three_by_three(self.prompts, cells))

    @cached_property
    def _tile_terms(self) -> tuple[grammar.Term, ...]:
        return tuple(grammar.parse_all(compositions.filled_cells(self.tile_prompts)))

    def tiling(self) -> Tiling | None:
        """Return the arrangement of the tiles, None for a picture without tiles.

        Raises:
            UsageError: `tiles` is not COLUMNSxROWS.
        """
        if self.tiles is not None:
            return Tiling.parse(self.tiles)
        if not self.tile_prompts:
            return None
        return Tiling.parse(f"{len(self.tile_prompts[0])}x{len(self.tile_prompts)}")


def cells_of(grid: compositions.Grid, tiling: Tiling) -> list[str]:
    """Return one text for each tile, row by row; empty texts without a grid."""
    return compositions.all_cells(grid) or [""] * tiling.count
