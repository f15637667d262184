"""A calm border: the ground is plain, so that the subject stands in the middle."""

from __future__ import annotations

import torch

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate

INNER = 0.6
"""Where the border begins: 0 is the picture's middle, 1 its edge."""


@losses.register("border")
def border(image: Image, context: LossContext) -> PerCandidate:
    """Return the variance of the colours near the border, in [0, 1].

    Each pixel counts by `max(0, max(|x|, |y|) - 0.6) / 0.4`, with x and y from -1 to 1
    across the picture. Any plain ground costs nothing. A guide that was trained on drawings
    of things leaves the ground free, and a free ground fills with noise.
    """
    _, _, height, width = image.shape
    down = (torch.arange(height, device=image.device) * 2 + 1 - height) / height
    across = (torch.arange(width, device=image.device) * 2 + 1 - width) / width
    distance = torch.maximum(down.abs()[:, None], across.abs()[None, :])
    weight = ((distance - INNER) / (1 - INNER)).clamp(min=0) + 1e-6
    weight = (weight / weight.sum()).to(image.dtype)
    mean = (image * weight).sum(dim=(2, 3), keepdim=True)
    return ((image - mean).square() * weight).sum(dim=(2, 3)).mean(dim=1)
