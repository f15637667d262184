"""What can be done to the elements of a picture: strokes, patches, cells.

Elements are named by ids. An id survives when other elements are added, removed or reordered, and is never used
again. Before anything has changed, the ids are 0, 1, 2 ... in the order in which elements are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.types import Region

if TYPE_CHECKING:
    from artgen.renderers.base import Feedback


@dataclass(frozen=True)
class ElementChange:
    """How elements map to the old ones after their number or order changed; the optimiser moves its state along.

    Args:
        source: for each parameter name, the index along dimension 1 of the old parameter that each new element
            continues, -1 for a new element: [N_new], or [P, N_new] if candidates differ.
    """

    source: Mapping[str, Tensor]


@dataclass(frozen=True)
class Addition:
    """Elements to add.

    Args:
        count: number of elements, for each candidate.
        region: where they are placed.
        generator: source of the randomness.
        feedback: picture and gradient of the last step, None before the first.
    """

    count: int
    region: Region
    generator: torch.Generator
    feedback: Feedback | None = None


class Editable:
    """The operations on elements; those that a renderer does not override are refused.

    Every operation applies to all candidates, or to one of them. Since all candidates have the same number of
    elements, an element that only one candidate loses or gains is hidden in that candidate or in the others.
    """

    element: ClassVar[str] = "element"
    """What an element is, for messages ("stroke")."""

    def element_ids(self) -> Tensor:
        """Return [P, N] the ids of the elements of each candidate, in the order in which they are stored.

        Raises:
            UsageError: this renderer has no elements.
        """
        raise self._refusal("has no elements that can be edited")

    def lock(self, elements: Sequence[int], candidate: int | None = None) -> None:
        """Keep elements as they are from now on.

        Args:
            elements: their ids.
            candidate: the only candidate that changes, None for all.

        Raises:
            UsageError: there is no such element, or this renderer has none.
        """
        raise self._refusal("cannot lock elements")

    def unlock(self, elements: Sequence[int], candidate: int | None = None) -> None:
        """Let locked elements change again; see `lock`."""
        raise self._refusal("cannot unlock elements")

    def remove(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange | None:
        """Delete elements; see `lock`.

        Returns:
            How the remaining elements map to the old ones, None if their number stays.
        """
        raise self._refusal("cannot delete elements")

    def duplicate(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange:
        """Add a copy of each element, directly above it and a little to the side; see `lock`."""
        raise self._refusal("cannot duplicate elements")

    def to_front(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange:
        """Move elements above all others, in the given order; see `lock`."""
        raise self._refusal("cannot reorder elements")

    def to_back(self, elements: Sequence[int], candidate: int | None = None) -> ElementChange:
        """Move elements below all others, in the given order; see `lock`."""
        raise self._refusal("cannot reorder elements")

    def recolour(self, elements: Sequence[int], colour: Tensor, candidate: int | None = None) -> None:
        """Give elements a colour, [3] sRGB in [0, 1]; see `lock`."""
        raise self._refusal("cannot recolour elements")

    def add(self, addition: Addition, candidate: int | None = None) -> ElementChange:
        """Add elements on top; see `lock`."""
        raise self._refusal("cannot add elements")

    def _refusal(self, what: str) -> UsageError:
        return UsageError(
            f"the renderer {type(self).__name__.lower()} {what}; use --renderer strokes or collage"
        )
