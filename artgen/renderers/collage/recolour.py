"""Recolouring of patches: multiplication in RGB or in HSV (A. R. Smith, 1978), after sampling."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

ColourSpace = Literal["rgb", "hsv", "none"]
Layers = Float[Tensor, "pairs 4 pixels"]

_FLOOR = 1e-6


def recolour(space: ColourSpace, layers: Layers, factors: Float[Tensor, "pairs 3"] | None) -> Layers:
    """Multiply the colours of layers.

    Args:
        space: where to multiply.
        layers: [M, 4, Q] premultiplied RGBA.
        factors: [M, 3] of red, green, blue or of hue, saturation, value.
    """
    if space == "none" or factors is None:
        return layers
    if space == "rgb":
        return layers * torch.cat([factors, torch.ones_like(factors[:, :1])], 1)[..., None]
    colour, alpha = layers.split([3, 1], 1)
    return torch.cat([_multiply_hsv(colour, factors), alpha], 1)


def _multiply_hsv(colour: Tensor, factors: Tensor) -> Tensor:
    """Multiply hue, saturation and value of [M, 3, Q] premultiplied colours.

    Hue and saturation do not depend on a common factor of the channels and value is
    proportional to it, so no division by alpha is needed.
    """
    hue, saturation, value = rgb_to_hsv(colour).unbind(1)
    by_hue, by_saturation, by_value = factors[..., None].unbind(1)
    return hsv_to_rgb(hue * by_hue, saturation * by_saturation, value * by_value)


def rgb_to_hsv(colour: Float[Tensor, "pairs 3 pixels"]) -> Float[Tensor, "pairs 3 pixels"]:
    """Return hue in radians [0, 2 pi), saturation in [0, 1] and value; hue 0 for greys."""
    value, brightest = colour.max(1)
    least = colour.amin(1)
    chroma = value - least
    safe = chroma.clamp(min=_FLOOR)
    red, green, blue = colour.unbind(1)
    sector = torch.where(
        brightest == 0,
        (green - blue) / safe,
        torch.where(brightest == 1, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = torch.where(chroma > _FLOOR, sector.remainder(6) * (math.pi / 3), 0)
    return torch.stack([hue, chroma / value.clamp(min=_FLOOR), value], 1)


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return [M, 3, Q] RGB from [M, Q] hue in radians (of any turn), saturation and value."""
    offset = torch.tensor([5.0, 3.0, 1.0], dtype=hue.dtype, device=hue.device)[:, None]
    sector = (offset + hue[:, None] * (3 / math.pi)).remainder(6)
    ramp = torch.minimum(sector, 4 - sector).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * ramp)
