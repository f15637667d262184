"""Where a guide looks: the strength of its last feature map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from artgen.guides.base import Guide
from artgen.types import Image


@torch.no_grad()
def saliency(guide: Guide, picture: Image) -> Float[Tensor, "1 1 height width"]:
    """Return a map in [0, 1] of the picture's size: the mean squared activation, scaled to the full range.

    Args:
        guide: any guide with feature maps.
        picture: [1, 3, H, W] in [0, 1].

    Source: activation-based attention maps, Zagoruyko and Komodakis 2017, section 3.1.
    """
    strength = guide.features(picture, [-1])[0].square().mean(dim=1, keepdim=True)
    large = functional.interpolate(strength, picture.shape[-2:], mode="bilinear", align_corners=False)
    low, high = large.amin(), large.amax()
    return (large - low) / (high - low).clamp(min=1e-12)
