"""Edge: the picture's border should have the background's colour, so that the motif stays within."""

from __future__ import annotations

import torch

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate

THICKNESS = 1 / 16
"""Width of the border as part of the shorter side."""


@losses.register("edge")
def edge(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference between the border and the background, in [0, 1].

    The border is a sixteenth of the shorter side wide.

    Source: pixray's edge loss.
    """
    height, width = image.shape[-2:]
    thickness = max(1, round(min(height, width) * THICKNESS))
    border = torch.ones(height, width, dtype=image.dtype, device=image.device)
    border[thickness : height - thickness, thickness : width - thickness] = 0
    colour = image.new_ones(3, 1, 1) if context.background is None else context.background.to(image)
    difference = (image - colour).square().mean(dim=1)
    return (difference * border).sum(dim=(1, 2)) / border.sum()
