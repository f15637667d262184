"""Options of the pixel renderer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from artgen.config.values import SizeField
from artgen.option_kinds import ADVANCED, Kind
from artgen.palettes import MOST_COLOURS
from artgen.renderers.base import RendererOptions
from artgen.renderers.pixel.cells import LATTICES, CellShape
from artgen.types import Size


class PixelOptions(RendererOptions):
    """Options of the pixel renderer."""

    cells: int = Field(32, ge=1, le=1024, description="cells along the longer side")
    grid: SizeField | None = Field(
        None, description="cells across and down, WxH; overrides --cells", json_schema_extra=ADVANCED
    )
    levels: int = Field(
        1,
        ge=1,
        le=10,
        description="coarse to fine: start with cells 2^(levels-1) times as large",
        json_schema_extra=ADVANCED,
    )
    shape: CellShape = Field(
        "square", description="shape of the cells: square, brick, hex, triangle, diamond or knit"
    )
    palette: Annotated[str, Kind("palette")] | None = Field(
        None, description="colours separated by commas, a .gpl, .hex or .pal file, or the name of a palette"
    )
    colours: int | None = Field(
        None, ge=1, le=MOST_COLOURS, description="learn a palette of this many colours"
    )
    dither: float = Field(
        0.0,
        ge=0,
        le=2,
        description="strength of ordered dithering between the palette's colours; 1 mixes them evenly",
    )

    @model_validator(mode="after")
    def _agree(self) -> PixelOptions:
        if self.palette is not None and self.colours is not None:
            raise ValueError("palette and colours contradict each other; give one of them")
        if self.dither and self.palette is None and self.colours is None:
            raise ValueError("dither needs a palette; give --palette or --colours")
        return self


def cell_grid(options: PixelOptions, aspect: float) -> Size:
    """Return the number of cells down and across, regular for the given width / height."""
    if options.grid is not None:
        return options.grid
    pitch = LATTICES[options.shape].pitch
    across, down = (1.0, 1 / aspect) if aspect >= 1 else (aspect, 1.0)
    return Size(max(1, round(options.cells * down / pitch)), max(1, round(options.cells * across)))
