"""The contract of a kind of prompt term. No torch: the grammar reads it."""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from artgen.registry import Registry

if TYPE_CHECKING:
    from artgen.types import Embeddings


class TermKind(abc.ABC):
    """What the content of a term means, and how a guide understands it.

    The methods get a guide as an argument, so that a kind knows no guide. Import torch inside `embed` only.

    Attributes:
        mark: character in front of the content, such as `@`; empty for words.
        missing: what to write if the content is empty, for the message.
        is_text: whether the content is words, which may be compared with other words.
    """

    mark: ClassVar[str]
    missing: ClassVar[str]
    is_text: ClassVar[bool] = False

    @abc.abstractmethod
    def embed(self, guide: Any, content: str, templates: Sequence[str]) -> Embeddings:
        """Return [1, D], the content as the guide understands it, of unit length, without a gradient.

        Args:
            guide: an `artgen.guides.Guide`.
            content: of the term.
            templates: sentences with one `{}`, for words.

        Raises:
            InputError: the content names a file that cannot be used.
        """

    def files(self, content: str) -> list[str]:
        """Return the paths of the local files that `embed` opens."""
        return []

    def check(self, content: str) -> None:  # noqa: B027 - not every kind has something to check
        """Refuse content that cannot be used, before anything is painted.

        Raises:
            InputError: see `embed`.
        """


term_kinds: Registry[TermKind] = Registry("kind of term", "artgen.terms")
"""All kinds; an object given to `term_kinds.register("name")` joins them."""


@functools.cache
def marks() -> str:
    """Return the marks of all kinds, one character each."""
    return "".join(term_kinds.get(name).mark for name in term_kinds.names())


def kind_of_mark(mark: str) -> str | None:
    """Return the name of the kind whose content starts with a character, None if there is none.

    Example:
        >>> kind_of_mark("@")
        'picture'
    """
    for name in term_kinds.names():
        if term_kinds.get(name).mark == mark:
            return name
    return None
