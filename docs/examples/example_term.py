"""A kind of prompt term: a plain colour, written `%red,green,blue`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from artgen.errors import InputError
from artgen.terms.base import TermKind, term_kinds

if TYPE_CHECKING:
    from artgen.types import Embeddings


class PlainColour(TermKind):
    """The embedding of a picture of one colour; red, green and blue are numbers in [0, 1]."""

    mark = "%"
    missing = "a colour after '%', such as %0.2,0.4,1"

    def embed(self, guide: Any, content: str, templates: Sequence[str]) -> Embeddings:
        """Return [1, D]; see `TermKind.embed`."""
        import torch

        colour = torch.tensor(_colour(content), device=guide.device).view(1, 3, 1, 1)
        with torch.no_grad():
            return guide.encode_image(colour.expand(1, 3, *guide.image_size))

    def check(self, content: str) -> None:
        """Refuse what is not a colour."""
        _colour(content)


def _colour(content: str) -> list[float]:
    parts = content.split(",")
    try:
        colour = [float(part) for part in parts]
    except ValueError:
        colour = []
    if len(colour) != 3 or not all(0 <= part <= 1 for part in colour):
        raise InputError(
            f"{content[:40]!r} is not a colour; write three numbers in [0, 1], such as %0.2,0.4,1"
        )
    return colour


term_kinds.register("plain colour")(PlainColour())
