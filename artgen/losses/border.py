"""Border: a plain background near the edges, so that the subject is in the middle."""

from __future__ import annotations

import torch

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate

INNER = 0.6
"""Where the border starts, as a fraction of the way from the picture's centre to its edge."""


@losses.register("border")
def border(image: Image, context: LossContext) -> PerCandidate:
    """Return the weighted variance of the colours near the border, in [0, 1].

    The weight of a pixel is `max(0, max(|x|, |y|) - 0.6) / 0.4`, with x and y from -1 to 1
    across the picture. A plain background of any colour gives 0. A guide that was trained on
    drawings of single things does not care about the background, so without this loss the
    background fills with noise.

    Example:
        >>> context = LossContext(renderer=None, guides=[])  # this loss needs neither
        >>> plain = torch.full((1, 3, 8, 8), 0.25)
        >>> border(plain, context).tolist()
        [0.0]
    """
    _, _, height, width = image.shape
    # [H] and [W], from -1 to 1
    down = (torch.arange(height, device=image.device) * 2 + 1 - height) / height
    across = (torch.arange(width, device=image.device) * 2 + 1 - width) / width
    distance = torch.maximum(down.abs()[:, None], across.abs()[None, :])  # [H, W]
    weight = ((distance - INNER) / (1 - INNER)).clamp(min=0) + 1e-6
    weight = (weight / weight.sum()).to(image.dtype)
    mean = (image * weight).sum(dim=(2, 3), keepdim=True)  # [P, 3, 1, 1]
    return ((image - mean).square() * weight).sum(dim=(2, 3)).mean(dim=1)
