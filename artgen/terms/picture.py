"""A picture: the image tower of the guide encodes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from artgen.terms.base import TermKind, term_kinds

if TYPE_CHECKING:
    from artgen.types import Embeddings


class Picture(TermKind):
    """The embedding of a picture file, written `@reference.png`."""

    mark = "@"
    missing = "a file name after '@'"

    def embed(self, guide: Any, content: str, templates: Sequence[str]) -> Embeddings:
        """Return the [1, D] embedding of the picture; see `TermKind.embed`."""
        import torch

        from artgen.images import read_opaque

        with torch.no_grad():
            return guide.encode_image(read_opaque(content).to(guide.device))

    def files(self, content: str) -> list[str]:
        """Return the path of the picture."""
        return [content]

    def check(self, content: str) -> None:
        """Refuse a picture that cannot be read."""
        from artgen.images import read_opaque

        read_opaque(content)


term_kinds.register("picture")(Picture())
