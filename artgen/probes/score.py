"""Scoring a picture by a guide that did not paint it.

The guide that painted a picture always scores it high, because the picture was optimised for
that. Whether it shows the subject has to be judged by another model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from artgen import prompts as grammar
from artgen.config import RunConfig
from artgen.errors import ArtgenError, InputError, UsageError
from artgen.guides.base import Guide, parse_guide
from artgen.guides.loading import load_guide
from artgen.images import read_opaque
from artgen.runs.report import read_report
from artgen.terms import term_kinds
from artgen.types import Image

NEAREST = 5
"""Number of distractors that a result lists."""


def score_picture(
    path: Path, prompt: str | None, guide: str, distractors: Sequence[str] | None = None, same: bool = False
) -> dict[str, Any]:
    """Return how well a picture fits its prompt by a guide.

    Args:
        path: a picture, or the folder of a run.
        prompt: what it should show; None for the prompt of its run.
        guide: `NAME`, `NAME:TAG` or `NAME=FILE`.
        distractors: texts to rank against; None for the names of the guide, or of the bundled guide.
        same: allow the guide that painted the picture.

    Returns:
        prompt, cosine, rank (1 is best) among how many texts, the nearest other texts, guide.

    Raises:
        UsageError: the guide painted the picture, or there is nothing to compare with.
        InputError: the picture or the guide cannot be read.
    """
    picture, painters, words = _facts(path)
    prompt = prompt if prompt is not None else words
    if prompt is None:
        raise UsageError(
            f'{path}: contains no prompt; write what it should show: artgen score {path} "PROMPT"'
        )

    texts = _positive_texts(grammar.parse(prompt))
    if not texts:
        raise UsageError(
            "there are no words with a positive weight to score; write what the picture should show"
        )

    spec = parse_guide(guide)
    if not same and spec.label in painters:
        raise UsageError(_is_the_painter(guide))

    image = read_opaque(picture)
    judge = load_guide(spec)
    if not same and painters & {judge.digest, judge.weights_digest}:
        raise UsageError(_is_the_painter(guide))

    others = list(distractors) if distractors is not None else _own_distractors(judge)
    if not others:
        raise UsageError('there is nothing to rank against; write --distractors "a cat, a dog"')
    return {"picture": str(picture), "guide": judge.name, **score(judge, image, ", ".join(texts), others)}


@torch.no_grad()
def score(guide: Guide, image: Image, text: str, distractors: Sequence[str]) -> dict[str, Any]:
    """Return the text's cosine with the picture, and its rank among distractors.

    Args:
        guide: judges the picture.
        image: [1, 3, H, W] in [0, 1].
        text: what the picture should show.
        distractors: other texts; copies of `text` are skipped.
    """
    others = [other for other in dict.fromkeys(distractors) if other.lower() != text.lower()]
    cosine = (guide.encode_image(image) @ guide.encode_text([text, *others]).T)[0]  # [1 + others]
    own, rest = float(cosine[0]), cosine[1:]
    order = rest.argsort(descending=True, stable=True)[:NEAREST]
    return {
        "prompt": text,
        "cosine": own,
        "rank": 1 + int((rest > cosine[0]).sum()),
        "among": 1 + len(others),
        "probability": float((guide.logit_scale * cosine).softmax(dim=0)[0]),
        "nearest": {others[int(index)]: float(rest[index]) for index in order},
    }


def _positive_texts(terms: Sequence[grammar.Term]) -> list[str]:
    """Return the words that the picture should show."""
    return [term.content for term in terms if term.weight > 0 and term_kinds.get(term.kind).is_text]


def _is_the_painter(guide: str) -> str:
    """Return the error for a guide that would judge its own picture."""
    return (
        f"the guide {guide!r} painted this picture and cannot judge it; choose another --guide, or add --same"
    )


def _own_distractors(judge: Guide) -> list[str]:
    """Return the names of the guide, else of the bundled guide, with an article."""
    names = judge.names
    if not names:
        try:
            names = load_guide("doodle").names
        except ArtgenError:
            raise UsageError('the guide has no list of names; give --distractors "a cat, a dog"') from None
    return [f"a {name}" for name in names]


def _facts(path: Path) -> tuple[Path, set[str], str | None]:
    """Return the picture, the labels and hashes of the guides that painted it, and its prompt."""
    picture = path / "image.png" if path.is_dir() else path
    if path.is_dir() and not picture.is_file():
        raise InputError(f"{path}: contains no image.png; give a picture, or the folder of a finished run")

    digests = _guide_digests(path) if path.is_dir() else set()
    config = _configuration(picture)
    if config is None:
        return picture, digests, None

    terms = config.terms()
    labels = {parse_guide(text).label for text in config.guides} if terms else set()
    words = _positive_texts(terms)
    prompt = grammar.format_terms([grammar.Term(", ".join(words))]) if words else None
    return picture, digests | labels, prompt


def _guide_digests(folder: Path) -> set[str]:
    """Return the hashes of a run's guides; none if its report is missing or damaged."""
    try:
        return {str(guide["sha256"]) for guide in read_report(folder)["guides"]}
    except (InputError, KeyError, TypeError):
        return set()


def _configuration(picture: Path) -> RunConfig | None:
    """Return the configuration in a picture's metadata, None if there is none."""
    from artgen.export.metadata import read_configuration

    try:
        return RunConfig.from_text(read_configuration(picture))
    except ArtgenError:
        return None
