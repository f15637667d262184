"""Features: the guide should see in the picture what it sees in the target, and where."""

from __future__ import annotations

import torch

from artgen.losses._features import Maps, Reference, feature_pairs, require, spread_layers, strength
from artgen.losses.base import LossContext, losses
from artgen.types import Image, PerCandidate

MEANING = 0.1
"""Weight of the embeddings' distance beside that of the maps, as in CLIPasso."""


@losses.register("features", needs_guide=True)
def features(image: Image, context: LossContext) -> PerCandidate:
    """Return the distance to the target's features, relative, plus a tenth of `1 - cosine`.

    For each channel of each layer the mean of `(f - f')^2` over the places, divided by
    the mean of `f'^2`, averaged over channels, layers and guides. The layers begin the
    second to the fourth quarter of the image tower: structure and meaning, not pixels.
    0 for the target itself.

    Source: Vinker et al. 2022, "CLIPasso: Semantically-aware object sketching", section 3.2.

    Raises:
        UsageError: the run has no target, or no guide.
    """
    require(context, "features", "target")
    layers = {guide: spread_layers(guide, first=1) for guide in context.guides}
    figures = [_distance(*pair) for pair in feature_pairs(image, context, "target", layers)]
    return torch.stack(figures).mean(dim=0) + MEANING * _meaning(image, context)


def _distance(maps: Maps, reference: Reference) -> PerCandidate:
    return ((maps - reference).square().mean(dim=(2, 3)) / strength(reference)).mean(dim=1)


def _meaning(image: Image, context: LossContext) -> PerCandidate:
    """Return `1 - cosine` between the embeddings, averaged over the guides."""
    distances = []
    for guide in context.guides:
        key = ("embedding", "target", guide)
        if key not in context.cache:
            with torch.no_grad():
                context.cache[key] = guide.encode_image(context.pictures["target"].to(image))
        distances.append(1 - (guide.encode_image(image) @ context.cache[key].T).squeeze(-1))
    return torch.stack(distances).mean(dim=0)
