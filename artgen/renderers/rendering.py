"""Render pictures of any size in bounded memory."""

from __future__ import annotations

import torch

from artgen.geometry import split_window
from artgen.renderers.base import Renderer
from artgen.types import Canvas, Size, Window

EXPORT_WINDOW_SIDE = 1024
"""Largest height and width, in pixels, of the windows that exported pictures are rendered in."""


@torch.no_grad()
def render_picture(renderer: Renderer, size: Size) -> Canvas:
    """Return [1, 4, H, W] premultiplied RGBA of a single candidate at any size, rendered window by window.

    Args:
        renderer: with a population of 1.
        size: of the whole picture.
    """
    whole = Window(0, 0, *size)
    picture = torch.empty(1, 4, *size)

    for part in split_window(whole, Size(EXPORT_WINDOW_SIDE, EXPORT_WINDOW_SIDE)):
        rows, columns = part.slices_in(whole)
        picture[:, :, rows, columns] = renderer(size, part).cpu()
    return picture
