"""Distances between pictures, pixel by pixel."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from artgen.types import Image, PerCandidate


def mean_square(image: Image, wanted: Float[Tensor, "1 3 wanted_height wanted_width"]) -> PerCandidate:
    """Return the mean squared difference to a picture of any size, in [0, 1]."""
    wanted = wanted.to(image)
    if wanted.shape[-2:] != image.shape[-2:]:
        wanted = functional.interpolate(wanted, image.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)
    return (image - wanted).square().mean(dim=(1, 2, 3))
