"""The contract of a guide, and how one is found by its name."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.config.guide_spec import GuideSpec as GuideSpec
from artgen.config.guide_spec import parse_guide as parse_guide
from artgen.registry import Registry
from artgen.types import Embeddings, Size

Pictures = Float[Tensor, "items 3 height width"]


@dataclass(frozen=True)
class Variation:
    """How much cutouts may vary, with the names of the configuration's `cutouts`.

    Args:
        smallest: smallest crop, as a fraction of the region's side.
        perspective: strength of the random perspective.
        flip: fraction of the cutouts that are mirrored.
        noise: standard deviation of the noise added to them.
    """

    smallest: float = 0.8
    perspective: float = 0.1
    flip: float = 0.5
    noise: float = 0.05

    def narrowed(self, other: Variation) -> Variation:
        """Return a variation that suits both guides: the narrower of each setting.

        Example:
            >>> Variation().narrowed(Variation(smallest=0.9, perspective=0.2, flip=0.0))
            Variation(smallest=0.9, perspective=0.1, flip=0.0, noise=0.05)
        """
        return Variation(
            max(self.smallest, other.smallest),
            min(self.perspective, other.perspective),
            min(self.flip, other.flip),
            min(self.noise, other.noise),
        )


class Guide(abc.ABC):
    """A CLIP-like model with an image tower and a text tower.

    Attributes:
        name: as the user wrote it, without the weight.
        image_size: picture size of its image tower.
        logit_scale: factor from cosine to logit.
        names: its own list of distractors; may be empty.
        variation: how much its cutouts vary unless the user says otherwise.
        device: where it runs.
        digest: SHA-256 of everything that decides its embeddings, hexadecimal.
        weights_digest: SHA-256 of its weights file alone, which earlier versions stored as the digest.
        precision: number format of the image tower; stored with a run and reused.
    """

    formats: ClassVar[tuple[torch.dtype, ...]] = (torch.float32, torch.bfloat16)

    name: str
    image_size: Size
    logit_scale: float
    names: tuple[str, ...] = ()
    variation: Variation = Variation()
    device: torch.device = torch.device("cpu")
    digest: str = ""
    weights_digest: str = ""
    precision: torch.dtype = torch.float32

    @abc.abstractmethod
    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """Return [T, D] unit-length embeddings, without a gradient."""

    @abc.abstractmethod
    def encode_image(self, images: Pictures) -> Embeddings:
        """Return [N, D] unit-length embeddings, differentiable in the pictures.

        Args:
            images: [N, 3, H, W] sRGB in [0, 1], any size; the guide resizes and normalises them.
        """

    @abc.abstractmethod
    def features(self, images: Pictures, layers: Sequence[int]) -> list[Tensor]:
        """Return the image tower's feature maps [N, C, h, w] at these layers.

        Args:
            images: as in `encode_image`.
            layers: indices from 0 (nearest the picture) to `layer_count - 1`; negative
                indices count from the end.
        """

    @property
    @abc.abstractmethod
    def layer_count(self) -> int:
        """Number of feature maps `features` can return."""

    @abc.abstractmethod
    def use_precision(self, precision: torch.dtype) -> None:
        """Run the image tower in this number format from now on."""

    def for_painting(self) -> Guide:
        """Return the guide whose gradients a run follows; for most guides, the guide itself."""
        return self


GuideLoader = Callable[[GuideSpec, torch.device], Guide]

guides: Registry[GuideLoader] = Registry("guide", "artgen.guides")
"""Loaders by guide name; any other name is looked up in open_clip."""
