"""PNG out of tensors, with the whole configuration in the metadata, and back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import torch
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from artgen.engine.folder import write_atomically
from artgen.errors import InputError
from artgen.images import to_pillow
from artgen.renderers.base import Renderer
from artgen.types import Canvas, Size, Window

METADATA_KEY = "artgen"
"""The PNG text entry that holds the configuration as JSON."""
LONGEST_METADATA = 1 << 20
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


def read_configuration(path: Path) -> str:
    """Return the configuration that `write_png` put into a picture.

    Raises:
        InputError: no such file, not a PNG, or without a configuration.
    """
    try:
        with Pillow.open(path, formats=["PNG"]) as picture:
            text = picture.info.get(METADATA_KEY)  # written before the pixels, which stay undecoded
    except FileNotFoundError:
        raise InputError(f"{path}: no such picture; check the path") from None
    except Exception as error:  # Pillow raises nearly anything on broken files
        raise InputError(
            f"{path}: not a readable PNG ({type(error).__name__}); give a picture artgen made"
        ) from None
    if not isinstance(text, str) or len(text) > LONGEST_METADATA:
        raise InputError(
            f"{path}: holds no artgen configuration; give a picture artgen made, or use --config"
        )
    try:
        json.loads(text)
    except ValueError:
        raise InputError(
            f"{path}: its artgen configuration is damaged; use --config with the run's config.yaml"
        ) from None
    return text
