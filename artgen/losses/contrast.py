"""Contrast: light and dark rather than one grey. A negative weight asks for a flat picture."""

from __future__ import annotations

from kornia.color import rgb_to_grayscale

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate

ROOT_EPSILON = 1e-6
"""Added under the root, so that a flat picture has a gradient."""


@losses.register("contrast")
def contrast(image: Image, context: LossContext) -> PerCandidate:
    """Return `1 - 2 s`, where s is the standard deviation of the grey values; in [0, 1].

    It is 1 for a flat picture, and 0 for one that is half black and half white.

    Source: the root mean square contrast of Peli 1990, "Contrast in complex images", of the
    luma of ITU-R BT.601 (kornia.color.rgb_to_grayscale).

    Example:
        >>> import torch
        >>> context = LossContext(renderer=None, guides=[])  # this loss needs neither
        >>> flat = torch.full((1, 3, 4, 4), 0.5)
        >>> contrast(flat, context).tolist()
        [1.0]
    """
    variance = rgb_to_grayscale(image).var(dim=(1, 2, 3), correction=0)
    return 1 - 2 * ((variance + ROOT_EPSILON).sqrt() - ROOT_EPSILON**0.5)
