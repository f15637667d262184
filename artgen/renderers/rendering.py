"""Rendering pictures of any size in bounded memory."""

from __future__ import annotations

import torch

from artgen.renderers.base import Renderer
from artgen.types import Canvas, Size, Window

WINDOW_SIDE = 1024
"""Side of the windows that large pictures are rendered in, in pixels."""


@torch.no_grad()
def render_picture(renderer: Renderer, size: Size) -> Canvas:
    """Return [1, 4, H, W] of a single candidate at any size, window by window."""
    picture = torch.empty(1, 4, *size)
    for top in range(0, size.height, WINDOW_SIDE):
        for left in range(0, size.width, WINDOW_SIDE):
            bottom, right = min(top + WINDOW_SIDE, size.height), min(left + WINDOW_SIDE, size.width)
            picture[:, :, top:bottom, left:right] = renderer(size, Window(top, left, bottom, right)).cpu()
    return picture
