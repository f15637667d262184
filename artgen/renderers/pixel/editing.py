"""Cells that are locked, deleted and recoloured one by one."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import NoReturn

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.geometry import Size
from artgen.images import parse_colour
from artgen.palettes import nearest_colours
from artgen.renderers.base import ON_WHITE, Renderer, Surroundings
from artgen.renderers.pixel.blocks import Blocks
from artgen.renderers.pixel.cells import Lattice
from artgen.renderers.pixel.options import PixelOptions
from artgen.renderers.pixel.palette import Cells
from artgen.renderers.pixel.svg import outline_data

CellMask = Bool[Tensor, "population rows columns"]


class EditableCells(Renderer[PixelOptions], abc.ABC):
    """What can be done to single cells.

    A cell's id is its number among the cells that the picture shows at present, row by row from the upper left,
    from 0. When a coarse picture becomes finer, the cells are numbered anew, and the parts of a locked cell stay
    locked. A locked cell shows its stored values as they are, without averaging or palette.

    A subclass registers the buffer `locked` and calls `restore_locked_` in its `project_`.

    Args:
        options: an instance of the class's own `Options`.
        canvas: size of the picture that is optimised.
        surroundings: what lies around and behind the cells.
    """

    element = "cell"
    lattice: Lattice
    grid: Size
    colour: nn.Parameter
    alpha: nn.Parameter
    palette: Tensor
    locked: Tensor
    _level: int

    def __init__(self, options: PixelOptions, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__(options, canvas, surroundings)
        self._remembered: dict[str, Tensor] = {}

    @abc.abstractmethod
    def shown_colour(self) -> Cells:
        """Return [P, 3, rows, columns] the colour of every cell as the picture shows it, not premultiplied."""

    @abc.abstractmethod
    def shown_alpha(self) -> Cells:
        """Return [P, 1, rows, columns] the opacity of every cell as the picture shows it."""

    @property
    def blocks(self) -> Blocks:
        """The cells that the picture shows at present."""
        return Blocks(self.lattice.stored(self.grid), 2**self._level)

    def element_ids(self) -> Int[Tensor, "population elements"]:
        """Return [P, N] the ids of the cells that the picture shows at present: their numbers."""
        return torch.arange(self.blocks.count).expand(self.population, -1)

    # --- operations ----------------------------------------------------------------

    @torch.no_grad()
    def lock(self, elements: Sequence[int], candidate: int | None = None) -> None:
        """Keep cells as the picture shows them now.

        Args:
            elements: their ids.
            candidate: the only candidate that changes, None for all.

        Raises:
            UsageError: there is no such cell or candidate.
        """
        chosen = self._chosen(elements, candidate)  # [P, rows, columns]
        self._fix_look(chosen)
        self.locked |= chosen
        self.remember_locked()

    def unlock(self, elements: Sequence[int], candidate: int | None = None) -> None:
        """Let locked cells change again; see `lock`."""
        self.locked &= ~self._chosen(elements, candidate)
        self.remember_locked()

    @torch.no_grad()
    def remove(self, elements: Sequence[int], candidate: int | None = None) -> None:
        """Make cells clear, or give them the background's colour if the picture is opaque, and lock them.

        The number of cells stays. Colours of a palette stay in it: the nearest one to the background is taken.

        Raises:
            UsageError: there is no such cell or candidate, or the background is a picture, which an opaque
                picture covers.
        """
        chosen = self._chosen(elements, candidate)[:, None]  # [P, 1, rows, columns]
        if self.transparent:
            self.alpha.masked_fill_(chosen, 0)
        elif self.background is None:
            raise UsageError(
                "cells cannot be deleted, because the picture is opaque and covers its background picture; "
                "recolour them, or paint with --transparent"
            )
        else:
            self._paint(chosen, parse_colour(self.background))
        self.locked |= chosen[:, 0]
        self.remember_locked()

    @torch.no_grad()
    def recolour(self, elements: Sequence[int], colour: Tensor, candidate: int | None = None) -> None:
        """Give cells a colour, [3] sRGB in [0, 1], or the nearest one of the palette; see `lock`.

        Cells that are not locked may change again in the next step. The opacity stays.
        """
        self._paint(self._chosen(elements, candidate)[:, None], colour)
        self.remember_locked()

    def duplicate(self, elements: Sequence[int], candidate: int | None = None) -> NoReturn:
        """Refuse: cells fill the picture without gaps."""
        raise UsageError("pixel cells cannot be duplicated; recolour other cells instead")

    def to_front(self, elements: Sequence[int], candidate: int | None = None) -> NoReturn:
        """Refuse: cells lie beside each other."""
        raise UsageError("pixel cells cannot be reordered, because they lie beside each other")

    def to_back(self, elements: Sequence[int], candidate: int | None = None) -> NoReturn:
        """Refuse: cells lie beside each other."""
        raise UsageError("pixel cells cannot be reordered, because they lie beside each other")

    def element_outline(self, place: int, size: Size) -> str:
        """Return the outline of a cell as SVG path data in pixels, empty if it is outside the picture."""
        return outline_data(self.blocks.cells_of(place), self.lattice, self.grid, size)

    # --- locked cells --------------------------------------------------------------

    def with_locked(self, cells: Cells, own: Cells) -> Cells:
        """Return the cells of a picture, [P, C, rows, columns], with the stored values of the locked ones."""
        return torch.where(self.locked[:, None], own, cells) if self._remembered else cells

    def remember_locked(self) -> None:
        """Copy the present values for `restore_locked_`; no copies if nothing is locked."""
        self._remembered = {}
        if bool(self.locked.any()):
            for name in ("colour", "alpha"):
                if name in self._parameters:
                    self._remembered[name] = self.get_parameter(name).detach().clone()

    @torch.no_grad()
    def restore_locked_(self) -> None:
        """Set locked cells back to their remembered values."""
        for name, remembered in self._remembered.items():
            parameter = self.get_parameter(name)
            parameter.copy_(torch.where(self.locked[:, None], remembered, parameter))

    def mutate_(self, parent: int, child: int, generator: torch.Generator) -> None:
        """Replace a candidate by a mutated copy, with the parent's locked cells; see `Renderer.mutate_`."""
        for remembered in self._remembered.values():
            remembered[child] = remembered[parent]
        super().mutate_(parent, child, generator)

    def upgraded(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return a state, with no cell locked if it was saved before cells could be."""
        colour = state.get("colour")
        if "locked" in state or colour is None or colour.dim() != 4:
            return state
        return {**state, "locked": torch.zeros_like(colour[:, 0], dtype=torch.bool)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; its locked cells stay locked. See `Renderer.load_state`."""
        super().load_state(self.upgraded(state))
        self.remember_locked()

    # --- which cells ---------------------------------------------------------------

    def _chosen(self, elements: Sequence[int], candidate: int | None) -> CellMask:
        """Return [P, rows, columns] the stored cells that an operation applies to."""
        blocks = self.blocks
        for element in elements:
            if not 0 <= element < blocks.count:
                last = blocks.count - 1
                raise UsageError(f"there is no cell {element}; they are numbered 0 to {last}")
        if candidate is not None and not 0 <= candidate < self.population:
            last = self.population - 1
            raise UsageError(f"there is no candidate {candidate}; they are numbered 0 to {last}")

        chosen = torch.zeros(self.locked.shape, dtype=torch.bool)
        chosen[slice(None) if candidate is None else candidate] = blocks.mask_of(list(elements))
        return chosen.to(self.locked.device)

    def _fix_look(self, chosen: CellMask) -> None:
        """Store what the picture shows of some cells as their own values."""
        self.colour.copy_(torch.where(chosen[:, None], self.shown_colour(), self.colour))
        if self.transparent:
            self.alpha.copy_(torch.where(chosen[:, None], self.shown_alpha(), self.alpha))

    def _paint(self, chosen: Tensor, colour: Tensor) -> None:
        """Give some cells, [P, 1, rows, columns], a colour, or the nearest one of the candidate's palette."""
        wanted = colour.to(self.colour).expand(self.population, 3)  # [P, 3]
        if self.surrogate_gradients:
            palettes = self.palette.expand(self.population, -1, -1)  # [P, colours, 3]
            nearest = [nearest_colours(each[None], own) for each, own in zip(wanted, palettes, strict=True)]
            wanted = torch.cat([own[index] for own, index in zip(palettes, nearest, strict=True)])  # [P, 3]
        self.colour.copy_(torch.where(chosen, wanted[..., None, None], self.colour))
