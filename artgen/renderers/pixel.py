"""Pixel art: a grid of cells, each of one colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from artgen.config import WrittenSize
from artgen.errors import UsageError
from artgen.renderers.base import ElementChange, Feedback, ParameterGroup, Renderer, RendererOptions, renderers
from artgen.types import Canvas, Image, Size, Window


class PixelOptions(RendererOptions):
    """Options of the pixel renderer."""

    cells: int = Field(32, ge=1, le=1024, description="cells along the longer side")
    grid: WrittenSize | None = Field(None, description="cells across and down, WxH, instead of --cells")
    levels: int = Field(3, ge=1, le=10, description="coarse to fine: start with cells 2^(levels-1) times as large")


def grid_of(options: PixelOptions, aspect: float) -> Size:
    """Return the number of cells down and across, square for the given width / height."""
    if options.grid is not None:
        return options.grid
    if aspect >= 1:
        return Size(max(1, round(options.cells / aspect)), options.cells)
    return Size(options.cells, max(1, round(options.cells * aspect)))


@renderers.register("pixel")
class Pixel(Renderer):
    """A grid of opaque cells in sRGB; a pixel has the colour of the cell its centre is in.

    While the run is coarse, blocks of cells are shown by their mean. That averages the
    gradient too, so a block's cells move as one, and the optimiser's state is right when
    the block is divided.

    Attributes:
        colour: [P, 3, rows, columns] sRGB in [0, 1].
        level: [P] how many times the blocks are still to be halved.
    """

    Options = PixelOptions
    colour: nn.Parameter
    level: Tensor

    def __init__(self, options: PixelOptions, canvas: Size) -> None:
        super().__init__(options, canvas)
        self.grid = grid_of(options, canvas.width / canvas.height)

    @classmethod
    def default_canvas(cls, options: Any, aspect: float, side: int) -> Size:
        """Return a canvas on which every cell has the same whole number of pixels."""
        grid = grid_of(options, aspect)
        pixels = max(1, round(side / max(grid)))
        return Size(grid.height * pixels, grid.width * pixels)

    def init(self, population: int, generator: torch.Generator) -> None:
        """Start from grey with a little noise in the coarsest blocks."""
        noise = torch.randn(population, 3, *self.grid, generator=generator)
        level = torch.full((population,), self.options.levels - 1)
        self.register_buffer("level", level)
        down, across = self._block_means()
        blocks = down @ noise @ across.T * 2 ** (self.options.levels - 1)
        self.colour = nn.Parameter((0.5 + 0.1 * blocks).clamp(0, 1))

    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Render every candidate; see `Renderer.forward`."""
        window = window or Window(0, 0, *size)
        down = _membership(self.grid.height, size.height, window.top, window.bottom).to(self.colour)
        across = _membership(self.grid.width, size.width, window.left, window.right).to(self.colour)
        if int(self.level[0]):
            block_down, block_across = self._block_means()
            down, across = down @ block_down.to(down), across @ block_across.to(across)
        image = down @ self.colour @ across.T
        return torch.cat([image, torch.ones_like(image[:, :1])], dim=1)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the cells' colours."""
        return [ParameterGroup("colour", ["colour"], learning_rate=0.05, mutation=0.05)]

    @torch.no_grad()
    def project_(self) -> None:
        """Bring the colours back to [0, 1]."""
        self.colour.clamp_(0, 1)

    def init_from(self, source: Image | Path, generator: torch.Generator) -> None:
        """Start from a picture, each cell with the mean colour under it, at the finest level."""
        if isinstance(source, Path):
            raise UsageError("pixel art cannot start from an SVG; give --init a picture (PNG, JPEG, WebP)")
        means = functional.interpolate(source, self.grid, mode="area").to(self.colour)
        with torch.no_grad():
            self.colour.copy_(means.clamp(0, 1).expand_as(self.colour))
        self.level.zero_()

    def advance(
        self, progress: float, generator: torch.Generator, feedback: Feedback | None = None
    ) -> ElementChange | None:
        """Halve the blocks at equal parts of the first half of the run."""
        divided = int(progress * 2 * self.options.levels)
        wanted = max(0, self.options.levels - 1 - divided)
        self.level.clamp_(max=wanted)
        return None

    def _block_means(self) -> tuple[Tensor, Tensor]:
        """Return [rows, rows] and [columns, columns] matrices that average the present blocks."""
        size = 2 ** int(self.level[0])
        return _block_mean(self.grid.height, size), _block_mean(self.grid.width, size)


def _membership(cells: int, pixels: int, start: int, stop: int) -> Tensor:
    """Return [stop - start, cells] with a one where the pixel's centre is in the cell."""
    centres = torch.arange(start, stop, dtype=torch.float64) + 0.5
    cell = (centres * cells / pixels).long().clamp(max=cells - 1)
    return functional.one_hot(cell, cells)


def _block_mean(cells: int, block: int) -> Tensor:
    """Return the [cells, cells] matrix that replaces each cell by the mean of its block."""
    owner = torch.arange(cells) // block
    same = (owner[:, None] == owner[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)
