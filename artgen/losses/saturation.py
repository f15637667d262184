"""Saturation: colourful rather than grey. A negative weight asks for grey."""

from __future__ import annotations

from torch import Tensor

from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate

ROOT_EPSILON = 1e-6
"""Added under the roots, so that a grey picture has a gradient."""


@losses.register("saturation")
def saturation(image: Image, context: LossContext) -> PerCandidate:
    """Return minus the colourfulness, in about [-1.1, 0].

    Colourfulness is `sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2)` with
    `rg = R - G` and `yb = (R + G) / 2 - B`.

    Source: Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images", eq. (1).
    """
    red, green, blue = image.unbind(dim=1)
    opponents = [red - green, (red + green) / 2 - blue]
    variances = [opponent.var(dim=(1, 2), correction=0) for opponent in opponents]
    means = [opponent.mean(dim=(1, 2)).square() for opponent in opponents]
    return -(_root(variances[0] + variances[1]) + 0.3 * _root(means[0] + means[1]))


def _root(square: Tensor) -> Tensor:
    return (square + ROOT_EPSILON).sqrt() - ROOT_EPSILON**0.5
