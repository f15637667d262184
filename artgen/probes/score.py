"""Scoring a picture by a guide that did not paint it.

A painter's own guide always likes the picture: it was optimised until it did. Whether the
picture shows the thing, another model must say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from artgen import prompts as grammar
from artgen.errors import ArtgenError, InputError, UsageError
from artgen.guides.base import Guide, parse_guide
from artgen.guides.loading import load_guide
from artgen.images import read_opaque
from artgen.terms import term_kinds
from artgen.types import Image

NEAREST = 5
"""Number of distractors that are named."""


def score_picture(
    path: Path, prompt: str | None, guide: str, distractors: Sequence[str] | None = None, same: bool = False
) -> dict[str, Any]:
    """Return what a guide says of a picture.

    Args:
        path: a picture, or the folder of a run.
        prompt: what it should show; a run's own words if None.
        guide: `NAME`, `NAME:TAG` or `NAME=FILE`.
        distractors: texts to rank against; the guide's names, or the bundled guide's, if None.
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
        raise UsageError(f'{path} does not tell what it should show; write artgen score {path} "PROMPT"')
    texts = [term.content for term in grammar.parse(prompt) if term.weight > 0 and _is_text(term)]
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
        guide: compares.
        image: [1, 3, H, W] in [0, 1].
        text: what the picture should show.
        distractors: other texts; those equal to `text` are left out.
    """
    others = [each for each in dict.fromkeys(distractors) if each.lower() != text.lower()]
    cosine = (guide.encode_image(image) @ guide.encode_text([text, *others]).T)[0]
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


def _is_text(term: grammar.Term) -> bool:
    return term_kinds.get(term.kind).is_text


def _is_the_painter(guide: str) -> str:
    return (
        f"the guide {guide!r} painted this picture and cannot judge it; choose another --guide, or add --same"
    )


def _own_distractors(judge: Guide) -> list[str]:
    """Return the guide's own names, else the bundled guide's, with an article."""
    names = judge.names
    if not names:
        try:
            names = load_guide("doodle").names
        except ArtgenError:
            raise UsageError('the guide has no names of its own; give --distractors "a cat, a dog"') from None
    return [f"a {name}" for name in names]


def _facts(path: Path) -> tuple[Path, set[str], str | None]:
    """Return the picture, the labels and hashes of the guides that painted it, and its prompt."""
    picture = path / "image.png" if path.is_dir() else path
    report = picture.parent / "run.json"
    if path.is_dir() and not picture.is_file():
        raise InputError(f"{path}: holds no image.png; give a picture, or the folder of a finished run")
    config, guides = _configuration(picture), []
    if path.is_dir():
        try:
            guides = [
                str(entry["sha256"]) for entry in json.loads(report.read_text(encoding="utf-8"))["guides"]
            ]
        except (OSError, ValueError, KeyError, TypeError):
            guides = []
    if config is None:
        return picture, set(guides), None
    labels = [parse_guide(text).label for text in config.guides] if config.terms() else []
    words = [term.content for term in config.terms() if term.weight > 0 and _is_text(term)]
    return (
        picture,
        {*guides, *labels},
        grammar.format_terms([grammar.Term(", ".join(words))]) if words else None,
    )


def _configuration(picture: Path) -> Any:
    """Return the configuration in a picture's metadata, None if it holds none."""
    from artgen.config import RunConfig
    from artgen.export.metadata import read_configuration

    try:
        return RunConfig.from_text(read_configuration(picture))
    except ArtgenError:
        return None
