"""A guide in one file: it knows colour names, and compares them with the picture's mean colour."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from artgen.errors import UsageError
from artgen.guides.base import Guide, GuideSpec, Pictures, guides
from artgen.types import Embeddings, Size

COLOURS = {
    "red": (0.9, 0.1, 0.1),
    "green": (0.1, 0.7, 0.2),
    "blue": (0.1, 0.2, 0.9),
    "yellow": (0.95, 0.85, 0.1),
}
MIDDLE_GREY = 0.5


class ColourGuide(Guide):
    """Embeds pictures and words as the direction of a colour from middle grey; D = 3."""

    name = "colours"
    image_size = Size(32, 32)
    logit_scale = 10.0
    names = tuple(COLOURS)
    digest = hashlib.sha256(repr(COLOURS).encode()).hexdigest()

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """Return [T, 3] unit vectors, the mean of the colours named in each text."""
        means = [self._mean_colour(text) for text in texts]
        return _direction(torch.stack(means).to(self.device))

    def encode_image(self, images: Pictures) -> Embeddings:
        """Return [N, 3] unit vectors, differentiable in the pictures."""
        return _direction(images.mean(dim=(2, 3)))

    def features(self, images: Pictures, layers: Sequence[int]) -> list[Tensor]:
        """Return one feature map per layer: the picture at a size of 32 x 32."""
        small = functional.interpolate(images, self.image_size, mode="bilinear", antialias=True)
        return [small for _ in layers]

    @property
    def layer_count(self) -> int:
        """Number of feature maps."""
        return 1

    def use_precision(self, precision: torch.dtype) -> None:
        """Remember the number format; there are no weights to convert."""
        self.precision = precision

    def _mean_colour(self, text: str) -> Tensor:
        named = [COLOURS[word] for word in text.lower().split() if word in COLOURS]
        if not named:
            raise UsageError(f"guide colours: no colour in {text!r}; use one of {', '.join(COLOURS)}")
        return torch.tensor(named).mean(dim=0)


def _direction(colours: Tensor) -> Tensor:
    return functional.normalize(colours - MIDDLE_GREY, dim=-1)


@guides.register("colours")
def load_colours(spec: GuideSpec, device: torch.device) -> Guide:
    """Return the guide; a guide with weights would load them here, from safetensors."""
    return ColourGuide(device)
