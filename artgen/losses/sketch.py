"""Pixel distance to the sketch that is painted before the picture."""

from __future__ import annotations

from artgen.errors import UsageError
from artgen.losses._pixels import mean_square
from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate


@losses.register("sketch", needs_sketch=True)
def sketch(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference to the run's sketch, in [0, 1]; see `artgen.runs.sketch`.

    Raises:
        UsageError: no sketch was painted.
    """
    if "sketch" not in context.pictures:
        raise UsageError("the loss 'sketch' needs the sketch of a run; use it with artgen paint")
    return mean_square(image, context.pictures["sketch"])
