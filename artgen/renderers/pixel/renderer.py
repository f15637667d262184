"""Pixel art: a tiling of cells, each of one colour, free or of a palette."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from artgen.config.values import SizeField
from artgen.errors import UsageError
from artgen.option_kinds import ADVANCED, Kind
from artgen.palettes import MOST_COLOURS, Palette, cluster_colours, load_palette
from artgen.renderers.base import (
    ON_WHITE,
    ElementChange,
    Feedback,
    ParameterGroup,
    Renderer,
    RendererOptions,
    Surroundings,
    renderers,
)
from artgen.renderers.pixel.cells import LATTICES, CellShape, Lattice, cell_map
from artgen.renderers.pixel.palette import Cells, to_binary, to_palette
from artgen.renderers.pixel.svg import cells_svg
from artgen.types import Canvas, Image, Size, Window

LARGEST_SVG = 1 << 16
"""Most cells that are written as SVG; a larger document is too slow to open or edit."""
BLANK = 0.92
"""Grey around which random candidates start: subjects emerge sooner from a light background than from mid-grey."""
RENEWALS = 4
"""How often, in the first half of a run, a learned palette is clustered again from the cells' own colours."""


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


@renderers.register("pixel")
class Pixel(Renderer[PixelOptions]):
    """A tiling of cells in sRGB; a pixel has the colour of the cell that contains its centre.

    At coarse levels, each cell shows the mean of its block. This averages the gradient
    too, so the cells of a block move together, and the optimiser's state is still right
    when the block is divided. With a palette, each cell then takes its nearest colour.

    Attributes:
        colour: [P, 3, rows, columns] sRGB in [0, 1].
        level: [P] how many more times the blocks are halved.
        palette: [P, N, 3] sRGB in [0, 1], if it is learned; [1, N, 3] if it is given.
        renewals: [P] how often a learned palette has been clustered again.
        alpha: [P, 1, rows, columns] in [0, 1], if the picture may be transparent.
    """

    Options = PixelOptions
    default_losses = MappingProxyType({"smoothness": 0.004, "border": 0.5})
    colour: nn.Parameter
    level: Tensor
    palette: Tensor
    renewals: Tensor
    alpha: nn.Parameter

    def __init__(self, options: PixelOptions, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__(options, canvas, surroundings)
        # copies of `level` and `renewals` on the host: all candidates have the same values,
        # and reading a tensor would make every step wait for the GPU
        self._level = options.levels - 1
        self._renewals = 0
        self.lattice = LATTICES[options.shape]
        self.grid = cell_grid(options, canvas.width / canvas.height)
        self.given: Palette | None = load_palette(options.palette) if options.palette is not None else None
        self.surrogate_gradients = self.given is not None or options.colours is not None

    @classmethod
    def default_canvas(cls, options: PixelOptions, aspect: float, side: int) -> Size:
        """Return a canvas on which neighbouring cells have the same whole number of pixels."""
        grid = cell_grid(options, aspect)
        height = grid.height * LATTICES[options.shape].pitch
        pixels = max(1, round(side / max(height, grid.width)))
        return Size(max(1, round(height * pixels)), grid.width * pixels)

    def init(self, population: int, generator: torch.Generator) -> None:
        """Start nearly white with a little noise in the coarsest blocks; learned colours are random."""
        stored = self.lattice.stored(self.grid)
        noise = torch.randn(population, 3, *stored, generator=generator)  # [P, 3, rows, columns]
        self._level = self.options.levels - 1
        level = torch.full((population,), self._level)  # [P]
        self.register_buffer("level", level)

        # the mean of a block has less variance than a cell; scaled so that every level starts alike
        blocks = self._block_means(noise) * 2**self._level
        self.colour = nn.Parameter((BLANK + 0.05 * blocks).clamp(0, 1))

        if self.given is not None:
            self.register_buffer("palette", self.given.colours[None].clone(), persistent=False)
        elif self.options.colours is not None:
            self.palette = nn.Parameter(torch.rand(population, self.options.colours, 3, generator=generator))
            self._renewals = 0
            self.register_buffer("renewals", torch.zeros_like(level))
        if self.transparent:
            self.alpha = nn.Parameter(torch.full((population, 1, *stored), 0.75))

    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Render every candidate; see `Renderer.forward`."""
        window = window or Window(0, 0, *size)
        places = _cells_shown(self.lattice, self.grid, size, window, self.colour.device)  # [H, W]
        cells = self.shown().flatten(2)  # [P, 4, rows * columns]

        index = places.flatten().expand(*cells.shape[:2], -1)  # [P, 4, H * W]
        return cells.gather(2, index).unflatten(2, places.shape)  # [P, 4, H, W]

    def shown(self) -> Cells:
        """Return [P, 4, rows, columns] the premultiplied RGBA of every cell as the picture shows it."""
        colour = self._block_means(self.colour)  # [P, 3, rows, columns]
        if self.surrogate_gradients:
            colour = to_palette(colour, self.palette, self.options.dither)

        if not self.transparent:
            return torch.cat([colour, torch.ones_like(colour[:, :1])], dim=1)

        alpha = self._block_means(self.alpha)
        alpha = to_binary(alpha) if self.surrogate_gradients else alpha
        return torch.cat([colour * alpha, alpha], dim=1)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the cells' colours, a learned palette, and the cells' opacities."""
        groups = [ParameterGroup("colour", ["colour"], learning_rate=0.025, mutation=0.05, shared=True)]
        if self.options.colours is not None:
            groups.append(ParameterGroup("palette", ["palette"], learning_rate=0.01, mutation=0.03))
        if self.transparent:
            groups.append(ParameterGroup("alpha", ["alpha"], learning_rate=0.05, mutation=0.05))
        return groups

    @torch.no_grad()
    def project_(self) -> None:
        """Clamp colours and opacities to [0, 1]."""
        for parameter in self.parameters():
            parameter.clamp_(0, 1)

    def init_from(self, source: Image | Path, generator: torch.Generator) -> None:
        """Start from a picture, each cell with the mean colour under it, at the finest level.

        A learned palette starts with colours that stand for the picture's.
        """
        if isinstance(source, Path):
            raise UsageError("pixel art cannot start from an SVG; give --init a picture (PNG, JPEG, WebP)")

        means = self._cell_means(source).to(self.colour)  # [1, 3, rows, columns]
        with torch.no_grad():
            self.colour.copy_(means.clamp(0, 1).expand_as(self.colour))
            if self.options.colours is not None:
                self.palette.copy_(cluster_colours(means[0].flatten(1).T, self.options.colours))
            if self.transparent:
                self.alpha.fill_(1)
        self._set_level(0)

    def advance(
        self, progress: float, generator: torch.Generator, feedback: Feedback | None = None
    ) -> ElementChange | None:
        """Halve the blocks and cluster learned palettes again, at regular steps of the run's first half."""
        due = min(int(progress * 2 * RENEWALS), RENEWALS)
        if self.options.colours is not None and self._renewals < due:
            self._renew_palettes()
            self.renewals.fill_(due)
            self._renewals = due

        divided = int(progress * 2 * self.options.levels)
        wanted = max(0, self.options.levels - 1 - divided)
        if wanted < self._level:
            self._set_level(wanted)
        return None

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; see `Renderer.load_state`."""
        super().load_state(state)
        self._level = int(self.level[0])
        self._renewals = int(self.renewals[0]) if self.options.colours is not None else 0

    def _set_level(self, level: int) -> None:
        """Show every candidate in blocks of 2^level cells."""
        self.level.fill_(level)
        self._level = level

    @torch.no_grad()
    def to_svg(self, size: Size) -> str | None:
        """Return one path per colour, neighbours of equal colour merged; None above `LARGEST_SVG` cells."""
        if self.colour[0, 0].numel() > LARGEST_SVG:
            return None
        return cells_svg(self.shown()[0], self.lattice, self.grid, size)

    def assets_used(self) -> list[dict[str, str]]:
        """Return the palette's name, licence, author and source if it was given."""
        return [self.given.credit()] if self.given is not None else []

    @torch.no_grad()
    def _renew_palettes(self) -> None:
        """Cluster each palette again from the colours of its cells.

        A palette colour that no cell takes gets no gradient. The cells' own colours
        still move, by the straight-through gradient, so they show which colours are missing.
        """
        colours = self._block_means(self.colour).flatten(2).transpose(1, 2)  # [P, rows * columns, 3]
        count = self.palette.shape[1]
        palettes = [cluster_colours(of_candidate, count) for of_candidate in colours]
        self.palette.copy_(torch.stack(palettes))  # [P, N, 3]

    def _block_means(self, cells: Tensor) -> Tensor:
        """Replace [P, C, rows, columns] cells by the means of their blocks of 2^level by 2^level cells."""
        block = 2**self._level
        if block == 1:
            return cells

        rows, columns = cells.shape[-2:]
        down = _block_mean(rows, block, cells.dtype, cells.device)  # [rows, rows]
        across = _block_mean(columns, block, cells.dtype, cells.device)  # [columns, columns]
        return down @ cells @ across.T

    def _cell_means(self, source: Image) -> Cells:
        """Return [1, 3, rows, columns] the mean colour of a picture [1, 3, H, W] in each cell."""
        # a copy whose cells have a whole number of pixels, at least 4 to follow slanted edges
        rows, columns = self.grid
        cell_height = max(4, round(source.shape[-2] / rows))
        cell_width = max(4, round(source.shape[-1] / columns))
        size = Size(rows * cell_height, columns * cell_width)
        pixels = functional.interpolate(source, size, mode="area").flatten(2)  # [1, 3, H * W]

        stored = self.lattice.stored(self.grid)
        places = cell_map(self.lattice, self.grid, size, Window(0, 0, *size)).to(source.device).flatten()
        empty = pixels.new_zeros(1, 3, stored.height * stored.width)
        sums = empty.scatter_add(2, places.expand(1, 3, -1), pixels)  # [1, 3, rows * columns]
        counts = places.bincount(minlength=sums.shape[-1])  # [rows * columns]

        # cells outside the picture take its mean
        means = torch.where(counts > 0, sums / counts.clamp(min=1), pixels.mean(dim=2, keepdim=True))
        return means.unflatten(2, stored)  # [1, 3, rows, columns]


@functools.lru_cache(maxsize=4)
def _cells_shown(lattice: Lattice, grid: Size, size: Size, window: Window, device: torch.device) -> Tensor:
    """Return `cell_map` on a device, cached there because each copy waits for the GPU."""
    return cell_map(lattice, grid, size, window).to(device)


@functools.lru_cache(maxsize=8)
def _block_mean(cells: int, block: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the [cells, cells] matrix that replaces each cell by the mean of its block."""
    owner = torch.arange(cells) // block  # [cells]
    same = (owner[:, None] == owner[None, :]).float()  # [cells, cells]
    return (same / same.sum(dim=1, keepdim=True)).to(device, dtype)
