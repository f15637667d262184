"""Renderers whose pictures consist of elements (strokes, patches) that can be edited one by one."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from artgen.errors import UsageError
from artgen.renderers.base import ON_WHITE, OptionsType, Renderer, Surroundings
from artgen.renderers.editing import Addition, ElementChange
from artgen.types import Size

Index = Int[Tensor, "population elements"]
"""For each candidate, where its elements come from along dimension 1; -1 for a new element."""

MOST_ELEMENTS = 10_000
"""Largest number of elements that a picture can grow to by additions."""
NUDGE = 0.03
"""How far a copy is moved to the right and down, in the picture's shorter side."""


class ElementRenderer(Renderer[OptionsType], abc.ABC):
    """A renderer with N elements in each candidate.

    A subclass registers the buffer `locked`, calls `number_elements` when it creates all elements anew and
    `remember_locked` when it replaces some, and `restore_locked_` in its `project_`.

    Args:
        options: an instance of the class's own `Options`.
        canvas: size of the picture that is optimised.
        surroundings: what lies around and behind the elements.

    Attributes:
        locked: [P, N] whether an element stays as it is.
        ids: [P, N] the elements' ids.
        next_id: [P] the id that the next new element gets.
    """

    per_candidate: ClassVar[frozenset[str]] = frozenset({"next_id"})
    """Persistent tensors that belong to a candidate as a whole, such as its paper; all others are [P, N, ...]."""

    locked: Tensor
    ids: Tensor
    next_id: Tensor

    def __init__(self, options: OptionsType, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__(options, canvas, surroundings)
        self._remembered: dict[str, Tensor] = {}

    @property
    def element_count(self) -> int:
        """Number of elements in each candidate."""
        return self.locked.shape[1]

    def _described(self) -> list[str]:
        """Return the names of the persistent tensors that describe elements: [P, N, ...]."""
        return [name for name in self.state() if name not in self.per_candidate]

    def _lockable(self) -> list[str]:
        """Return the names of the tensors whose values a locked element keeps."""
        return [name for name in self._described() if name not in ("locked", "ids")]

    # --- ids -----------------------------------------------------------------------

    def element_ids(self) -> Tensor:
        """Return [P, N] the ids of the elements; see `Editable.element_ids`."""
        return self.ids

    def number_elements(self, ids: Tensor | None = None, next_id: Tensor | None = None) -> None:
        """Give the elements their ids.

        Args:
            ids: [P, N]; 0 to N - 1 if None.
            next_id: [P]; N if None.
        """
        population, count = self.locked.shape
        if ids is None or next_id is None:
            ids = torch.arange(count).expand(population, count).clone()
            next_id = torch.full((population,), count)
        self.register_buffer("ids", ids.to(self.locked.device))
        self.register_buffer("next_id", next_id.to(self.locked.device))

    def upgraded(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return a state, with ids if it was saved before elements had any; see `Renderer.upgraded`."""
        locked = state.get("locked")
        if locked is None or locked.dim() != 2 or "ids" in state:
            return state
        population, count = locked.shape
        ids = torch.arange(count).expand(population, count).clone()
        return {**state, "ids": ids, "next_id": torch.full((population,), count)}

    def _rows(self, candidate: int | None) -> list[int]:
        """Return the indices of the candidates that an operation applies to.

        Raises:
            UsageError: there is no such candidate.
        """
        population = self.population
        if candidate is None:
            return list(range(population))
        if not 0 <= candidate < population:
            raise UsageError(f"there is no candidate {candidate}; they are numbered 0 to {population - 1}")
        return [candidate]

    def _columns(self, elements: Sequence[int], row: int) -> list[int]:
        """Return where elements are stored in one candidate.

        Raises:
            UsageError: there is no such element.
        """
        places = {number: place for place, number in enumerate(self.ids[row].tolist())}
        for element in elements:
            if element not in places:
                raise UsageError(
                    f"there is no {self.element} {element}; {_known(sorted(places), self.element)}"
                )
        return [places[element] for element in elements]

    def _chosen(self, elements: Sequence[int], candidate: int | None) -> Tensor:
        """Return [P, N] whether an operation applies to an element."""
        chosen = torch.zeros(self.locked.shape, dtype=torch.bool)
        for row in self._rows(candidate):
            chosen[row, self._columns(elements, row)] = True
        return chosen.to(self.locked.device)

    # --- locked elements -----------------------------------------------------------

    def lock(self, elements: Sequence[int], candidate: int | None = None) -> None:
        """Keep elements as they are from now on; see `Editable.lock`."""
        self.locked[self._chosen(elements, candidate)] = True
        self.remember_locked()

    def unlock(self, elements: Sequence[int], candidate: int | None = None) -> None:
        """Let locked elements change again; see `Editable.unlock`."""
        self.locked[self._chosen(elements, candidate)] = False
        self.remember_locked()

    def remember_locked(self) -> None:
        """Copy the elements' present values for `restore_locked_`; no copies if nothing is locked."""
        self._remembered = {}
        if bool(self.locked.any()):
            for name in self._lockable():
                self._remembered[name] = getattr(self, name).detach().clone()

    @torch.no_grad()
    def restore_locked_(self) -> None:
        """Set locked elements back to their remembered values."""
        for name, remembered in self._remembered.items():
            tensor = getattr(self, name)
            tensor.copy_(torch.where(_like(self.locked, tensor), remembered, tensor))

    def mutate_(self, parent: int, child: int, generator: torch.Generator) -> None:
        """Replace a candidate by a mutated copy, with the parent's locked elements; see `Renderer.mutate_`."""
        for remembered in self._remembered.values():
            remembered[child] = remembered[parent]
        super().mutate_(parent, child, generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; its locked elements stay locked. See `Renderer.load_state`."""
        super().load_state(state)
        self.remember_locked()

    # --- number and order ----------------------------------------------------------

    def remove(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange | None:
        """Delete elements; in a single candidate of several they are hidden. See `Editable.remove`.

        Raises:
            UsageError: there is no such element, or none would be left.
        """
        chosen = self._chosen(elements, candidate)  # [P, N]
        if candidate is not None and self.population > 1:
            self._hide(chosen)
            return None

        left = self.element_count - int(chosen[0].sum())
        if not left:
            raise UsageError(f"no {self.element} would be left; delete fewer")
        remaining = (~chosen).nonzero()[:, 1].view(self.population, left)  # [P, N_new]
        return self._rearrange(remaining)

    def duplicate(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange:
        """Add a copy of each element, directly above it and a little to the side; see `Editable.duplicate`."""
        copied = list(dict.fromkeys(elements))
        wanted = self._chosen(copied, candidate)  # [P, N], checks the candidate and its elements
        chosen = self._chosen(copied, None) if candidate is None else wanted[candidate].expand_as(wanted)
        self._check_room(len(copied))

        # Every element once, and those that are copied once more behind themselves.
        order = torch.arange(self.element_count, device=chosen.device)
        rows = [order.repeat_interleave(1 + chosen[row].long()) for row in range(self.population)]
        source = torch.stack(rows)  # [P, N + M]
        is_copy = torch.zeros_like(source, dtype=torch.bool)
        is_copy[:, 1:] = source[:, 1:] == source[:, :-1]

        change = self._rearrange(source, new=is_copy)
        self.locked[is_copy] = False
        self._nudge(is_copy)
        self._hide_in_others(is_copy, candidate)
        self.remember_locked()
        return change

    def to_front(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange:
        """Move elements above all others, in the given order; see `Editable.to_front`."""
        return self._reorder(elements, candidate, front=True)

    def to_back(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange:
        """Move elements below all others, in the given order; see `Editable.to_back`."""
        return self._reorder(elements, candidate, front=False)

    def _reorder(self, elements: Sequence[int], candidate: int | None, *, front: bool) -> ElementChange:
        moved = list(dict.fromkeys(elements))
        rows = self._rows(candidate)
        source = torch.arange(self.element_count).repeat(self.population, 1)  # [P, N]
        for row in rows:
            columns = self._columns(moved, row)
            chosen = set(columns)
            others = [column for column in range(self.element_count) if column not in chosen]
            source[row] = torch.tensor(others + columns if front else columns + others)

        change = self._rearrange(source.to(self.locked.device))
        placed = torch.zeros_like(self.locked)
        placed[rows, -len(moved) :] = front
        placed[rows, : len(moved)] |= not front
        self._place(placed, front=front)
        self.remember_locked()
        return change

    def add(self, addition: Addition, candidate: int | None = None) -> ElementChange:
        """Add elements on top; see `Editable.add`.

        Raises:
            UsageError: there would be too many.
        """
        self._rows(candidate)
        self._check_room(addition.count)
        new = {name: value.to(self.locked.device) for name, value in self._new_elements(addition).items()}

        before = self.element_count
        population, count = self.population, addition.count
        kept = torch.arange(before, device=self.locked.device).expand(population, before)
        source = torch.cat([kept, kept.new_zeros(population, count)], 1)  # [P, N + M]
        is_new = torch.zeros_like(source, dtype=torch.bool)
        is_new[:, before:] = True

        change = self._rearrange(source, new=is_new)
        with torch.no_grad():
            for name, value in new.items():
                getattr(self, name)[:, before:] = value
            self.locked[:, before:] = False
        self._hide_in_others(is_new, candidate)
        self.remember_locked()
        return change

    def _check_room(self, count: int) -> None:
        if self.element_count + count > MOST_ELEMENTS:
            raise UsageError(
                f"the picture would have {self.element_count + count} {self.element}s; the limit is "
                f"{MOST_ELEMENTS}: add fewer"
            )

    def _rearrange(self, source: Index, new: Tensor | None = None) -> ElementChange:
        """Take every element from the place that `source` names.

        Args:
            source: [P, N_new] places in the old order.
            new: [P, N_new] whether an element counts as new: it gets an id of its own, and no moments.
        """
        state = self.state()
        for name in self._described():
            index = source.view(*source.shape, *[1] * (state[name].dim() - 2))  # [P, N_new, 1, ...]
            state[name] = state[name].gather(1, index.expand(*source.shape, *state[name].shape[2:]))

        if new is not None:
            rank = new.cumsum(1) - 1  # [P, N_new]
            state["ids"] = torch.where(new, state["next_id"][:, None] + rank, state["ids"])
            state["next_id"] = state["next_id"] + new.sum(1)
            source = source.masked_fill(new, -1)
        self.load_state(state)

        is_shared = bool((source == source[:1]).all())
        learned = dict(self.named_parameters())
        index = source[0] if is_shared else source
        return ElementChange({name: index for name in self._described() if name in learned})

    # --- what differs between strokes and patches ----------------------------------

    @abc.abstractmethod
    def _new_elements(self, addition: Addition) -> dict[str, Tensor]:
        """Return the values of new elements by name, [P, M, ...]; absent ones are copied from the first element."""

    @abc.abstractmethod
    def _make_invisible(self, chosen: Tensor) -> None:
        """Change elements, given by a mask [P, N], so that they do not show at any size."""

    @abc.abstractmethod
    def _nudge(self, chosen: Tensor) -> None:
        """Move elements, given by a mask [P, N], by `NUDGE` to the right and down."""

    def _place(self, chosen: Tensor, *, front: bool) -> None:
        """Note that elements, given by a mask [P, N], are now stored as the topmost or as the lowest."""

    @torch.no_grad()
    def _hide(self, chosen: Tensor) -> None:
        """Make elements invisible, and lock them so that they stay so."""
        self._make_invisible(chosen)
        self.locked[chosen] = True
        self.remember_locked()

    def _hide_in_others(self, chosen: Tensor, candidate: int | None) -> None:
        """Hide elements in all candidates except one; in none of them if there is no such one."""
        if candidate is None:
            return
        others = chosen.clone()
        others[candidate] = False
        self._hide(others)


def _like(mask: Tensor, tensor: Tensor) -> Tensor:
    """Return a mask [P, N] with as many dimensions as a tensor [P, N, ...]."""
    return mask.view(*mask.shape, *[1] * (tensor.dim() - 2))


def _known(ids: Sequence[int], element: str) -> str:
    """Describe which ids there are."""
    if list(ids) == list(range(len(ids))):
        return f"they are numbered 0 to {len(ids) - 1}"
    return f"there are {len(ids)} {element}s, with numbers from {ids[0]} to {ids[-1]}"
