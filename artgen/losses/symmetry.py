"""Symmetry: the picture should be its own mirror image."""

from __future__ import annotations

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("symmetry")
def symmetry(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference to the picture with left and right exchanged, in [0, 1].

    Source: pixray's symmetry loss.
    """
    return (image - image.flip(-1)).square().mean(dim=(1, 2, 3))


@losses.register("symmetry_updown")
def symmetry_updown(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference to the picture turned upside down by a mirror, in [0, 1]."""
    return (image - image.flip(-2)).square().mean(dim=(1, 2, 3))
