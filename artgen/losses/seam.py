"""Seam: opposite edges should match, so that copies of the picture join without a line."""

from __future__ import annotations

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("seam")
def seam(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference between opposite edges, in [0, 1].

    The first column is compared with the last, and the first row with the last: when
    the picture is repeated, they lie side by side.
    """
    across = (image[..., :, 0] - image[..., :, -1]).square().mean(dim=(1, 2))
    down = (image[..., 0, :] - image[..., -1, :]).square().mean(dim=(1, 2))
    return (across + down) / 2
