"""Symmetry: the picture should be its own mirror image."""

from __future__ import annotations

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("symmetry")
def symmetry(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference between the picture and its mirror image, in [0, 1].

    Source: pixray's symmetry loss.

    Example:
        >>> import torch
        >>> context = LossContext(renderer=None, guides=[])  # this loss needs neither
        >>> half_white = torch.zeros(1, 3, 4, 4)
        >>> half_white[..., 2:] = 1
        >>> symmetry(half_white, context).tolist()
        [1.0]
    """
    return (image - image.flip(-1)).square().mean(dim=(1, 2, 3))


@losses.register("symmetry_updown")
def symmetry_updown(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference between the picture and its vertical mirror image, in [0, 1]."""
    return (image - image.flip(-2)).square().mean(dim=(1, 2, 3))
