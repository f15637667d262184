"""Zero-shot classification: the probability a guide gives each label."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from artgen.errors import UsageError
from artgen.guides.base import Guide
from artgen.types import Image


@torch.no_grad()
def classify(guide: Guide, image: Image, labels: Sequence[str]) -> dict[str, float]:
    """Return the probability of each label, most probable first.

    Args:
        guide: compares the picture with the labels.
        image: [1, 3, H, W] in [0, 1].
        labels: at least one text.

    Raises:
        UsageError: no labels.

    Source: Radford et al. 2021 (CLIP), section 3.1.
    """
    if not labels:
        raise UsageError('no labels to choose from; write --labels "a cat, a dog"')

    cosine = guide.encode_image(image) @ guide.encode_text(labels).T  # [1, labels]
    probabilities = (guide.logit_scale * cosine).softmax(dim=-1)[0]
    order = probabilities.argsort(descending=True)
    return {labels[int(index)]: float(probabilities[index]) for index in order}
