"""Renderers whose pictures consist of elements (strokes, patches) that can be locked and deleted."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.renderers.base import ON_WHITE, ElementChange, OptionsType, Renderer, Surroundings
from artgen.types import Size


class ElementRenderer(Renderer[OptionsType], abc.ABC):
    """A renderer with N elements in each candidate.

    A subclass registers the buffer `locked`, declares `element`, calls `restore_locked_` in its
    `project_`, and calls `remember_locked` whenever it replaces elements.

    Args:
        options: an instance of the class's own `Options`.
        canvas: size of the picture that is optimised.
        surroundings: what lies around and behind the elements.

    Attributes:
        locked: [P, N] whether an element stays as it is.
    """

    element: ClassVar[str]
    """What an element is, for messages ("stroke")."""
    per_candidate: ClassVar[frozenset[str]] = frozenset()
    """Persistent tensors that belong to a candidate as a whole, such as its paper; all others are [P, N, ...]."""

    locked: Tensor

    def __init__(self, options: OptionsType, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__(options, canvas, surroundings)
        self._remembered: dict[str, Tensor] = {}

    @property
    def element_count(self) -> int:
        """Number of elements in each candidate."""
        return self.locked.shape[1]

    def _per_element(self) -> list[str]:
        """Return the names of the persistent tensors that describe elements, except `locked`."""
        return [name for name in self.state() if name != "locked" and name not in self.per_candidate]

    # --- locked elements -----------------------------------------------------------

    def lock(self, elements: Sequence[int]) -> None:
        """Keep elements as they are from now on, in every candidate; see `Renderer.lock`.

        Raises:
            UsageError: an index is out of range.
        """
        self._check_indices(elements)
        self.locked[:, list(elements)] = True
        self.remember_locked()

    def remember_locked(self) -> None:
        """Copy the elements' present values for `restore_locked_`; no copies if nothing is locked."""
        self._remembered = {}
        if bool(self.locked.any()):
            for name in self._per_element():
                self._remembered[name] = getattr(self, name).detach().clone()

    @torch.no_grad()
    def restore_locked_(self) -> None:
        """Set locked elements back to their remembered values."""
        for name, remembered in self._remembered.items():
            tensor = getattr(self, name)
            trailing = [1] * (tensor.dim() - 2)
            locked = self.locked.view(*self.locked.shape, *trailing)  # [P, N, 1, ...]
            tensor.copy_(torch.where(locked, remembered, tensor))

    def mutate_(self, parent: int, child: int, generator: torch.Generator) -> None:
        """Replace a candidate by a mutated copy, with the parent's locked elements; see `Renderer.mutate_`."""
        for remembered in self._remembered.values():
            remembered[child] = remembered[parent]
        super().mutate_(parent, child, generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; its locked elements stay locked. See `Renderer.load_state`."""
        super().load_state(state)
        self.remember_locked()

    # --- deleting ------------------------------------------------------------------

    def remove(self, elements: Sequence[int]) -> ElementChange:
        """Delete elements from every candidate; see `Renderer.remove`.

        Raises:
            UsageError: an index is out of range, or no element would be left.
        """
        self._check_indices(elements)
        removed = set(elements)
        remaining = [index for index in range(self.element_count) if index not in removed]
        if not remaining:
            raise UsageError(f"no {self.element} would be left; delete fewer")

        index = torch.tensor(remaining, device=self.locked.device)  # [N_new]
        state = self.state()
        for name in ("locked", *self._per_element()):
            state[name] = state[name].index_select(1, index)  # [P, N_new, ...]
        self.load_state(state)

        learned = dict(self.named_parameters())
        return ElementChange({name: index for name in self._per_element() if name in learned})

    def _check_indices(self, elements: Sequence[int]) -> None:
        for element in elements:
            if not 0 <= element < self.element_count:
                last = self.element_count - 1
                raise UsageError(f"there is no {self.element} {element}; they are numbered 0 to {last}")
