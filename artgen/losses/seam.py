"""Seam: opposite edges should match, so that copies of the picture join without a line."""

from __future__ import annotations

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("seam")
def seam(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference between opposite edges, in [0, 1].

    The first column is compared with the last, and the first row with the last: when
    the picture is repeated, they are next to each other.

    Example:
        >>> import torch
        >>> context = LossContext(renderer=None, guides=[])  # this loss needs neither
        >>> ramp = torch.linspace(0, 1, 5).expand(1, 3, 5, 5)
        >>> seam(ramp, context).tolist()
        [0.5]
    """
    across = (image[..., :, 0] - image[..., :, -1]).square().mean(dim=(1, 2))
    down = (image[..., 0, :] - image[..., -1, :]).square().mean(dim=(1, 2))
    return (across + down) / 2
