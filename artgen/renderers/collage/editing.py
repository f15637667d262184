"""Patches that are recoloured, added, moved and hidden one by one."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.renderers.collage.atlas import Patches
from artgen.renderers.collage.options import CollageOptions, colour_bounds
from artgen.renderers.collage.start import deal, scatter
from artgen.renderers.editing import Addition
from artgen.renderers.elements import NUDGE, ElementRenderer
from artgen.types import Region

OUT_OF_SIGHT = 1e3
"""Position of a hidden patch, in shorter sides of the picture; no patch is that large."""


class EditablePatches(ElementRenderer[CollageOptions], abc.ABC):
    """What can be done to single patches; see `ElementRenderer`."""

    element = "patch"
    translation: nn.Parameter
    order: nn.Parameter
    colour: nn.Parameter
    patches: Patches

    def recolour(self, elements: Sequence[int], colour: Tensor, candidate: int | None = None) -> None:
        """Tint patches: their own colours are multiplied by a colour; see `Editable.recolour`.

        Raises:
            UsageError: there is no such patch, or patches are not tinted in RGB.
        """
        if self.options.colour != "rgb":
            raise UsageError(f"patches cannot be recoloured with --colour {self.options.colour}; use rgb")
        chosen = self._chosen(elements, candidate)
        least, greatest = colour_bounds(self.options, self.colour)  # [3] each
        with torch.no_grad():
            self.colour[chosen] = torch.minimum(torch.maximum(colour.to(self.colour), least), greatest)
        self.remember_locked()

    def _new_elements(self, addition: Addition) -> dict[str, Tensor]:
        """Return patches scattered over the region, on top."""
        options = self.options.model_copy(update={"count": addition.count})
        new = scatter(options, self.canvas, self.population, addition.generator)

        drawn = torch.rand(self.population, addition.count, 2, generator=addition.generator)
        new["translation"] = self._positions(drawn, addition.region)  # [P, M, 2]
        new["order"] = torch.ones_like(new["order"])
        new["patch"] = deal(len(self.patches), self.population, addition.count, addition.generator)
        return new

    def _positions(self, drawn: Tensor, region: Region) -> Tensor:
        """Return [P, M, 2] positions in a region, in shorter sides from the centre, for numbers in [0, 1]."""
        first = drawn.new_tensor([region.left, region.top])
        extent = drawn.new_tensor([region.right - region.left, region.bottom - region.top])
        whole = drawn.new_tensor([self.canvas.width, self.canvas.height]) / min(self.canvas)
        return (first + drawn * extent - 0.5) * whole

    @torch.no_grad()
    def _make_invisible(self, chosen: Tensor) -> None:
        self.translation[chosen] = OUT_OF_SIGHT

    @torch.no_grad()
    def _nudge(self, chosen: Tensor) -> None:
        self.translation[chosen] += NUDGE

    @torch.no_grad()
    def _place(self, chosen: Tensor, *, front: bool) -> None:
        """Give patches the highest or lowest order; of equal ones, the one stored last is above."""
        self.order[chosen] = 1.0 if front else 0.0
