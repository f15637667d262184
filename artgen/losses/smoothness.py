"""Total variation: neighbouring pixels should be alike."""

from __future__ import annotations

from kornia.losses import total_variation

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("smoothness")
def smoothness(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean absolute difference between neighbouring pixels, times the side.

    The factor makes a contour cost the same at every picture size.

    Source: Rudin, Osher, Fatemi 1992, in its anisotropic form (kornia.losses.total_variation).
    """
    _, _, height, width = image.shape
    return total_variation(image, reduction="mean").sum(dim=-1) * (height * width) ** 0.5 / 3
