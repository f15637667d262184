"""Pixel distance to the target picture."""

from __future__ import annotations

from artgen.errors import UsageError
from artgen.losses._pixels import mean_square
from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("target")
def target(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference to the target, in [0, 1].

    Raises:
        UsageError: the run has no target.
    """
    if "target" not in context.pictures:
        raise UsageError("the loss 'target' needs a picture; give --target FILE")
    return mean_square(image, context.pictures["target"])
