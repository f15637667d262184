"""Style: the statistics of a reference picture's features in the guide's image tower."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.losses._features import Maps, Reference, feature_pairs, require, spread_layers, strength
from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate

ROOT_EPSILON = 1e-8
"""Added under the root, so that a plain picture has a gradient."""


@losses.register("style", needs_guide=True)
def style(image: Image, context: LossContext) -> PerCandidate:
    """Return how far the features' means and deviations are from the style picture's, relative.

    For each channel of each layer `((m - m')^2 + (s - s')^2) / (m'^2 + s'^2)` with the
    mean m and the standard deviation s over the places, averaged over channels, layers
    and guides. Where things are does not count, only which textures and colours there
    are. 0 for the style picture itself.

    Sources: Schaldenbrand, Liu, Oh 2022, "StyleCLIPDraw" (style optimised along with the
    words); Li et al. 2017, "Demystifying neural style transfer", and Huang and Belongie
    2017 (mean and deviation in place of the Gram matrix).

    Raises:
        UsageError: the run has no style picture, or no guide.
    """
    require(context, "style", "style")
    layers = {guide: spread_layers(guide, first=0) for guide in context.guides}
    figures = [_distance(*pair) for pair in feature_pairs(image, context, "style", layers)]
    return torch.stack(figures).mean(dim=0)


def _distance(maps: Maps, reference: Reference) -> PerCandidate:
    differences = [
        (own - wanted).square() for own, wanted in zip(_moments(maps), _moments(reference), strict=True)
    ]
    return (sum(differences) / strength(reference)).mean(dim=1)


def _moments(maps: Maps) -> tuple[Float[Tensor, "items channels"], Float[Tensor, "items channels"]]:
    variance = maps.var(dim=(2, 3), correction=0)
    return maps.mean(dim=(2, 3)), (variance + ROOT_EPSILON).sqrt()
