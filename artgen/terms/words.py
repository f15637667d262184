"""Words: the text tower of the guide encodes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from artgen.terms.base import TermKind, term_kinds

if TYPE_CHECKING:
    from artgen.types import Embeddings


class Words(TermKind):
    """The mean embedding of the words in each of the templates.

    Source of the templates: Radford et al. 2021 (CLIP), section 3.1.4.
    """

    mark = ""
    missing = "words before the weight"
    is_text = True

    def embed(self, guide: Any, content: str, templates: Sequence[str]) -> Embeddings:
        """Return the [1, D] unit-length mean of the embeddings; see `TermKind.embed`."""
        from torch.nn import functional

        texts = [template.replace("{}", content) for template in templates]
        mean = guide.encode_text(texts).mean(dim=0, keepdim=True)
        return functional.normalize(mean, dim=-1)


term_kinds.register("words")(Words())
