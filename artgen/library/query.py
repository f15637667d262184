"""Choosing some runs of a list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from artgen.library.card import RunCard, State


def select(
    cards: Iterable[RunCard],
    *,
    search: str = "",
    renderer: str | None = None,
    state: State | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[RunCard]:
    """Return the runs that meet all conditions, in their order.

    Args:
        cards: to choose from.
        search: words that all occur in the prompts or in the folder's name, in any case and order.
        renderer: what the picture is made of.
        state: of the run.
        since: when it began, at the earliest; with a time zone.
        limit: at most so many runs, the first ones.
    """
    words = search.casefold().split()

    def is_wanted(card: RunCard) -> bool:
        """Return whether a run meets the conditions."""
        return (
            (renderer is None or card.renderer == renderer)
            and (state is None or card.state == state)
            and (since is None or (card.begun is not None and card.begun >= since))
            and _contains(card, words)
        )

    return list(islice(filter(is_wanted, cards), limit))


def _contains(card: RunCard, words: Iterable[str]) -> bool:
    """Return whether all words occur in the prompts or in the folder's name."""
    text = " ".join([*card.prompts, card.folder.name]).casefold()
    return all(word in text for word in words)
