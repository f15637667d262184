"""Recolouring of patches after sampling: multiplication in RGB or in HSV (A. R. Smith, 1978)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.devices import tensor_on

ColourSpace = Literal["rgb", "hsv", "none"]
RgbaLayers = Float[Tensor, "pairs 4 pixels"]
ColourLayers = Float[Tensor, "pairs 3 pixels"]
Channel = Float[Tensor, "pairs pixels"]

LEAST_CHROMA = 1e-6
"""Chroma and value below which a colour counts as grey or black, so that no division gives infinity."""


def recolour(space: ColourSpace, layers: RgbaLayers, factors: Float[Tensor, "pairs 3"] | None) -> RgbaLayers:
    """Multiply the colours of layers.

    Args:
        space: the colour space to multiply in; "none" leaves the layers as they are.
        layers: [M, 4, Q] premultiplied RGBA.
        factors: [M, 3] of red, green, blue, or of hue, saturation, value.
    """
    if space == "none" or factors is None:
        return layers

    if space == "rgb":
        with_alpha = torch.cat([factors, torch.ones_like(factors[:, :1])], 1)  # [M, 4]
        return layers * with_alpha[..., None]

    colour, alpha = layers.split([3, 1], 1)  # [M, 3, Q], [M, 1, Q]
    return torch.cat([_multiply_hsv(colour, factors), alpha], 1)


def inverted(
    picture: Float[Tensor, "*batch 4 height width"],
) -> Float[Tensor, "*batch 4 height width"]:
    """Return premultiplied RGBA with inverted colours; alpha stays."""
    colour, alpha = picture.split([3, 1], -3)
    return torch.cat([alpha - colour, alpha], -3)


def _multiply_hsv(colour: ColourLayers, factors: Float[Tensor, "pairs 3"]) -> ColourLayers:
    """Multiply hue, saturation and value of [M, 3, Q] premultiplied colours.

    Hue and saturation do not depend on a common factor of the channels, and value is
    proportional to it, so no division by alpha is needed.
    """
    hue, saturation, value = rgb_to_hsv(colour).unbind(1)  # [M, Q] each
    by_hue, by_saturation, by_value = factors[..., None].unbind(1)  # [M, 1] each
    return hsv_to_rgb(hue * by_hue, saturation * by_saturation, value * by_value)


def rgb_to_hsv(colour: ColourLayers) -> ColourLayers:
    """Return hue in radians [0, 2 pi), saturation in [0, 1], and value; the hue of a grey is 0."""
    value, brightest = colour.max(1)  # [M, Q] each
    chroma = value - colour.amin(1)
    divisor = chroma.clamp(min=LEAST_CHROMA)
    red, green, blue = colour.unbind(1)

    if_red = (green - blue) / divisor
    if_green = 2 + (blue - red) / divisor
    if_blue = 4 + (red - green) / divisor
    sector = torch.where(brightest == 0, if_red, torch.where(brightest == 1, if_green, if_blue))

    hue = torch.where(chroma > LEAST_CHROMA, sector.remainder(6) * (math.pi / 3), 0)
    saturation = chroma / value.clamp(min=LEAST_CHROMA)
    return torch.stack([hue, saturation, value], 1)  # [M, 3, Q]


def hsv_to_rgb(hue: Channel, saturation: Channel, value: Channel) -> ColourLayers:
    """Return [M, 3, Q] RGB from [M, Q] hue in radians (of any number of turns), saturation and value."""
    offset = tensor_on([5.0, 3.0, 1.0], hue.device, hue.dtype)[:, None]  # [3, 1]
    sector = (offset + hue[:, None] * (3 / math.pi)).remainder(6)  # [M, 3, Q]
    ramp = torch.minimum(sector, 4 - sector).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * ramp)
