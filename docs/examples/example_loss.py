"""A loss in one file: warm colours rather than cold ones."""

from __future__ import annotations

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("warmth")
def warmth(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean of blue minus red, in [-1, 1]; smaller is warmer.

    Args:
        image: [P, 3, H, W] sRGB in [0, 1].
        context: the renderer, the guides and reference pictures; not needed here.
    """
    red, blue = image[:, 0], image[:, 2]
    return (blue - red).mean(dim=(1, 2))
