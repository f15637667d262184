"""What an export shows: one candidate of a run, or all of them as a sheet."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.errors import UsageError
from artgen.export.formats.base import Export
from artgen.export.layers import layers_of
from artgen.export.masked_svg import with_mask
from artgen.export.saved_run import SavedRun
from artgen.geometry import Size
from artgen.renderers.base import Layer, Renderer
from artgen.renderers.rendering import render_picture

Picture = Float[Tensor, "channels height width"]


class CandidateExport(Export):
    """One candidate.

    Args:
        run: the run.
        rank: which candidate; 1 is the best.
        size: in pixels.
        transparent: leave out the background.

    Raises:
        UsageError: the run has fewer candidates.
    """

    def __init__(self, run: SavedRun, rank: int, size: Size, transparent: bool) -> None:
        self.size = size
        self.transparent = transparent
        self.configuration = run.config.to_json()
        self._run = run
        self._renderer = run.candidate(rank)

    def picture(self) -> Picture:
        """Return [3, H, W] in [0, 1], or [4, H, W] premultiplied if transparent."""
        return _finished_picture(self._run, self._renderer, self.size, self.transparent)

    def layers(self) -> list[Layer]:
        """Return the layers, lowest first; the background is the lowest unless transparent.

        Raises:
            UsageError: the renderer has no layers.
        """
        layers = layers_of(self._renderer, self.size)
        return layers if self.transparent else [self._background(), *layers]

    def svg(self) -> str:
        """Return the picture as an SVG document, with the run's mask.

        Raises:
            UsageError: the renderer cannot draw vectors.
        """
        document = self._renderer.to_svg(self.size)
        if document is None:
            name = self._run.config.renderer
            raise UsageError(f"the renderer {name} cannot draw vectors; use --format png or webp")
        return with_mask(document, self._run.background, self.size)

    def _background(self) -> Layer:
        """Return what is behind the picture as a layer."""
        behind = self._run.background.behind(self.size).expand(3, *self.size)
        opaque = torch.ones(1, *self.size)
        return Layer("background", torch.cat([behind, opaque]), top=0, left=0)


class SheetExport(Export):
    """All candidates side by side, best first, in cells of equal size without gaps: a sprite sheet.

    Args:
        run: the run.
        cell: size of one cell in pixels.
        transparent: leave out the background.
    """

    def __init__(self, run: SavedRun, cell: Size, transparent: bool) -> None:
        count = len(run.order)
        self._columns = math.ceil(math.sqrt(count))
        self._rows = math.ceil(count / self._columns)
        self._run = run
        self._cell = cell

        self.size = Size(self._rows * cell.height, self._columns * cell.width)
        self.transparent = transparent
        self.configuration = run.config.to_json()

    def picture(self) -> Picture:
        """Return [3, H, W] in [0, 1], or [4, H, W] premultiplied if transparent."""
        height, width = self._cell
        sheet = self._empty_cell().repeat(1, self._rows, self._columns)  # [3 or 4, H, W]

        for index in range(len(self._run.order)):
            row, column = divmod(index, self._columns)
            top, left = row * height, column * width
            candidate = self._run.candidate(index + 1)
            picture = _finished_picture(self._run, candidate, self._cell, self.transparent)
            sheet[:, top : top + height, left : left + width] = picture
        return sheet

    def layers(self) -> list[Layer]:
        """Raise UsageError: a sheet has no layers."""
        raise UsageError("a sheet of all candidates has no layers; leave out --sheet")

    def svg(self) -> str:
        """Raise UsageError: a sheet has no vectors."""
        raise UsageError("a sheet of all candidates has no vectors; leave out --sheet")

    def _empty_cell(self) -> Picture:
        """Return a cell without a candidate, for the end of the last row."""
        if self.transparent:
            return torch.zeros(4, *self._cell)
        return self._run.background.behind(self._cell).expand(3, *self._cell)


def _finished_picture(run: SavedRun, candidate: Renderer, size: Size, transparent: bool) -> Picture:
    """Return one candidate with the run's mask, and on its background unless transparent."""
    canvas = render_picture(candidate, size)
    finished = run.background.masked(canvas) if transparent else run.background.opaque(canvas)
    return finished[0]
