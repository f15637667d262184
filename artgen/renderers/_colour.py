"""Between sRGB and linear light, for colours and premultiplied pictures."""

from __future__ import annotations

import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

from artgen.types import Canvas

CLEAR = 1e-4
"""Below this alpha a pixel's colour is not told from black."""


def to_linear(colour: Tensor) -> Tensor:
    """Return [..., 3] sRGB colours in linear light."""
    return rgb_to_linear_rgb(colour.reshape(-1, 3, 1, 1)).reshape(colour.shape)


def to_srgb(canvas: Canvas) -> Canvas:
    """Return a premultiplied picture in linear light as premultiplied sRGB."""
    alpha = canvas[:, 3:]
    colour = linear_rgb_to_rgb((canvas[:, :3] / alpha.clamp(min=CLEAR)).clamp(0, 1))
    return torch.cat([colour * alpha, alpha], 1)
