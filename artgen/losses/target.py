"""Pixel distance to the target picture."""

from __future__ import annotations

from torch.nn import functional

from artgen.errors import UsageError
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
    wanted = context.pictures["target"].to(image)
    if wanted.shape[-2:] != image.shape[-2:]:
        wanted = functional.interpolate(wanted, image.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)
    return (image - wanted).square().mean(dim=(1, 2, 3))
