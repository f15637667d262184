"""Feature maps of guides, of the picture and of a reference picture, for losses."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.errors import UsageError
from artgen.guides.base import Guide
from artgen.losses.base import LossContext
from artgen.types import Image

Maps = Float[Tensor, "items channels rows columns"]
Reference = Float[Tensor, "1 channels rows columns"]

FAINT = 0.01
"""Fraction of the mean strength added to each channel's, so that a channel that is nearly 0 does not dominate."""


def feature_pairs(
    image: Image, context: LossContext, role: str, layers: dict[Guide, list[int]]
) -> Iterator[tuple[Maps, Reference]]:
    """Yield (maps of the picture [P, C, h, w], of the reference [1, C, h, w]) per guide and layer.

    Whole pictures are shown to the guides, at the guides' own size. The reference's maps
    are computed once.

    Args:
        image: [P, 3, H, W].
        context: contains the reference picture.
        role: role of the reference picture ("target", "style").
        layers: indices of the layers by guide.
    """
    for guide, wanted in layers.items():
        key = ("features", role, guide, tuple(wanted))
        if key not in context.cache:
            with torch.no_grad():
                context.cache[key] = guide.features(context.pictures[role].to(image), wanted)
        yield from zip(guide.features(image, wanted), context.cache[key], strict=True)


def spread_layers(guide: Guide, first: int) -> list[int]:
    """Return the layers that begin the quarters `first` to 3 of a guide's image tower."""
    return sorted({guide.layer_count * quarter // 4 for quarter in range(first, 4)})


def strength(reference: Reference) -> Float[Tensor, "1 channels"]:
    """Return each channel's mean square, for making differences relative.

    Transformers have a few channels that are a hundred times as strong as the others;
    without this they would be all that counts.
    """
    square = reference.square().mean(dim=(2, 3))
    return square + FAINT * square.mean() + 1e-12


def require(context: LossContext, loss: str, role: str) -> None:
    """Refuse a context without the reference picture or without guides.

    Raises:
        UsageError: one of them is missing.
    """
    if role not in context.pictures:
        raise UsageError(f"the loss {loss!r} needs a picture; give --{role} FILE")
    if not context.guides:
        raise UsageError(f"the loss {loss!r} needs a guide; give --guide NAME")
