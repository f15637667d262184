"""Listing the runs in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from artgen.library.card import RunCard, RunFacts, State
from artgen.library.facts import latest_step, read_facts
from artgen.library.folders import FoundRun, find_runs
from artgen.library.index import Index
from artgen.library.root import runs_root
from artgen.locks import is_running

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""Stands for the date of a run without one."""


def runs(folder: Path | None = None) -> list[RunCard]:
    """Return the runs in a folder, the newest first; those of its batches are included.

    Nothing in the folder can make this fail or wait: a run whose files cannot be read is listed as damaged.

    Args:
        folder: of runs, of a batch, or of a single run; the folder for new runs (`runs_root`) if None. A folder
            that does not exist has no runs.

    Example:
        >>> [card.state for card in runs(Path("runs"))]                    # doctest: +SKIP
        ['running', 'done', 'done']
    """
    root = folder if folder is not None else runs_root()
    index = Index(os.path.realpath(root))

    cards = []
    for found in find_runs(root):
        stamps = (found.report, found.configuration)
        facts = index.find(found.name, stamps)
        if facts is None:
            facts = read_facts(found.path, *stamps)
            index.note(found.name, stamps, facts)
        cards.append(_card(found, facts))

    index.save()
    cards.sort(key=lambda card: (_date(card), card.folder.name), reverse=True)
    return _with_family(cards)


def _card(found: FoundRun, facts: RunFacts) -> RunCard:
    """Return the card of a run: the facts, and what may change while its report does not."""
    card = RunCard(**vars(facts), folder=found.path, state=_state(found.path, facts), files=found.files)
    if card.state in ("running", "interrupted"):
        # What an earlier part of the run has reported no longer holds.
        return replace(card, reason=None, ended=None, step=latest_step(found.path))
    return card


def _state(folder: Path, facts: RunFacts) -> State:
    if facts.damage is not None:
        return "damaged"
    if facts.reason in ("done", "plateau"):
        return "done"
    if is_running(folder):
        return "running"
    return "interrupted" if facts.reason is None else "stopped"


def _date(card: RunCard) -> datetime:
    return card.begun or card.ended or LONG_AGO


# --- parents and children ----------------------------------------------------------------


def _with_family(cards: Sequence[RunCard]) -> list[RunCard]:
    """Return the cards with the folders of their parents and children."""
    if not any(card.ancestors for card in cards):
        return list(cards)

    by_identity: dict[str, list[RunCard]] = {}
    for card in cards:
        if card.identity is not None:
            by_identity.setdefault(card.identity, []).append(card)

    parents: dict[Path, Path] = {}
    children: dict[Path, list[Path]] = {}
    for card in cards:
        parent = _parent(card, by_identity)
        if parent is not None:
            parents[card.folder] = parent.folder
            children.setdefault(parent.folder, []).append(card.folder)

    related = []
    for card in cards:
        own = tuple(children.get(card.folder, ()))
        above = (parents[card.folder],) if card.folder in parents else ()
        related.append(replace(card, parents=above, children=own) if own or above else card)
    return related


def _parent(card: RunCard, by_identity: Mapping[str, Sequence[RunCard]]) -> RunCard | None:
    """Return the nearest listed run that a run was edited from, None without one.

    Runs of equal configurations have equal pictures. The latest of them that began before the edit is taken.
    """
    for identity in card.ancestors:
        alike = [each for each in by_identity.get(identity, ()) if each is not card]
        if alike:
            earlier = [each for each in alike if _date(each) <= _date(card)]
            return max(earlier or alike, key=_date)
    return None
