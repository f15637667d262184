"""PNG out of tensors, with the whole configuration in the metadata."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL.PngImagePlugin import PngInfo

from artgen.engine.folder import write_atomically
from artgen.export.metadata import METADATA_KEY
from artgen.images import to_pillow
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


def write_png(path: Path, image: torch.Tensor, configuration: str | None = None) -> None:
    """Write a [3 or 4, H, W] picture in [0, 1] (alpha premultiplied), with its configuration if given."""
    information = PngInfo()
    if configuration is not None:
        information.add_itxt(METADATA_KEY, configuration)
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, "PNG", pnginfo=information)
    write_atomically(path, buffer.getvalue())
