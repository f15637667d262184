"""Goals: prompts as embeddings of a guide, with distractors they must not be confused with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.guides.base import Guide
from artgen.prompts import Term
from artgen.terms import term_kinds
from artgen.types import Embeddings, Region

SAME_MEANING = 0.9
"""Names whose embedding has at least this cosine with the prompt mean the same, and are not distractors."""
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
"""Colour words; the same sentence with another of them is a distractor (Berlin and Kay 1969)."""


@dataclass(frozen=True)
class Goal:
    """One prompt term as an embedding of a guide.

    Args:
        name: for logs ("a blue rabbit").
        embedding: [1, D] unit length.
        weight: factor; a negative weight pushes away.
        region: index of the region whose cutouts it judges.
        distractors: [K, D] embeddings it must not be confused with, or None.
    """

    name: str
    embedding: Float[Tensor, "1 features"]
    weight: float
    region: int
    distractors: Float[Tensor, "distractors features"] | None = None


def make_goals(
    guide: Guide,
    terms: Sequence[Term],
    templates: Sequence[str],
    regions: Sequence[Region],
    contrasted: bool = True,
) -> list[Goal]:
    """Return the terms encoded by the guide.

    Args:
        guide: encodes words and pictures.
        terms: parsed prompts.
        templates: sentences with one `{}`; the embeddings are averaged.
        regions: all regions, including each term's own.
        contrasted: add distractors, which takes one or two seconds for a long list of names.
    """
    names = _encode_names(guide) if contrasted else None
    goals = []
    for term in terms:
        kind = term_kinds.get(term.kind)
        embedding = kind.embed(guide, term.content, templates)  # [1, D]

        distractors = None
        if names is not None and term.weight > 0 and kind.is_text:
            foreign = _foreign(guide.names, names, terms, embedding)
            other_colours = [kind.embed(guide, text, templates) for text in recoloured(term.content)]
            distractors = torch.cat([foreign, *other_colours])  # [K, D]
            distractors = distractors if len(distractors) else None
        goals.append(Goal(term.content, embedding, term.weight, regions.index(term.region), distractors))
    return goals


def recoloured(text: str) -> list[str]:
    """Return the text with each colour word replaced by every other one, and with two colours swapped.

    Example:
        >>> recoloured("a blue rabbit")[:2]
        ['a red rabbit', 'a orange rabbit']
    """
    pattern = re.compile(rf"\b({'|'.join((*COLOURS, 'gray'))})\b", re.IGNORECASE)
    found = list(pattern.finditer(text))

    changed = []
    for match in found:
        colour = match[1].lower().replace("gray", "grey")
        before, after = text[: match.start()], text[match.end() :]
        changed += [before + other + after for other in COLOURS if other != colour]

    if len(found) == 2 and found[0][1].lower() != found[1][1].lower():
        first, second = found
        before, between, after = (
            text[: first.start()],
            text[first.end() : second.start()],
            text[second.end() :],
        )
        changed.append(before + second[1] + between + first[1] + after)
    return changed


def _encode_names(guide: Guide) -> Embeddings | None:
    """Return [K, D] embeddings of the guide's names, None if it has no names."""
    return guide.encode_text([f"a {name}" for name in guide.names]) if guide.names else None


def _foreign(names: Sequence[str], embeddings: Tensor, terms: Sequence[Term], own: Tensor) -> Tensor:
    """Return the embeddings of names that no prompt mentions and that mean something else."""
    mentioned = " ".join(term.content.lower() for term in terms if term.weight > 0)

    unnamed = [not re.search(rf"\b{re.escape(name.lower())}(s|es)?\b", mentioned) for name in names]
    different = (embeddings @ own.T).squeeze(-1) < SAME_MEANING
    kept = torch.tensor(unnamed, device=embeddings.device) & different
    return embeddings[kept]
