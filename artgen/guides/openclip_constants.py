"""Constants of open_clip models that depend on the weights: normalisation and activation."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger(__name__)

PREFERRED_TAGS = ("datacomp_xl_s13b_b90k", "laion2b_s34b_b79k", "laion2b_s34b_b88k", "webli", "openai")
"""Weights for a bare model name; the first that exists is taken."""


def default_tag(model_name: str) -> str | None:
    """Return the tag of the weights for a bare model name, None if open_clip has no weights for it."""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model_name)
    preferred = [tag for tag in PREFERRED_TAGS if tag in tags]
    return next(iter([*preferred, *tags]), None)


def needs_quick_gelu(model_name: str, pretrained: str) -> bool:
    """Return whether these weights were trained with QuickGELU, x * sigmoid(1.702 x), instead of GELU.

    Args:
        model_name: open_clip's name of the model.
        pretrained: a tag, or the path of a file.
    """
    import open_clip

    tag = open_clip.get_pretrained_cfg(model_name, pretrained)
    return bool(tag and tag.get("quick_gelu", False))


def normalisation(model_name: str, pretrained: str) -> dict[str, Any] | None:
    """Return `mean` and `std` for weights from a file, None for weights by tag.

    open_clip knows the constants of its tags, but gives every file those of OpenAI's models. A file gets
    those that most tags of its model have (SigLIP: 0.5).

    Args:
        model_name: open_clip's name of the model.
        pretrained: a tag, or the path of a file.
    """
    import open_clip

    if open_clip.get_pretrained_cfg(model_name, pretrained):
        return None

    pairs = []
    for name in open_clip.list_pretrained_tags_by_model(model_name):
        tag = open_clip.get_pretrained_cfg(model_name, name)
        if tag.get("mean") and tag.get("std"):
            pairs.append((tuple(tag["mean"]), tuple(tag["std"])))
    if not pairs:
        return None

    mean, std = max(set(pairs), key=pairs.count)
    if len(set(pairs)) > 1:
        logger.warning("%s has weights with different means; using %s", model_name, mean)
    return {"mean": mean, "std": std}
