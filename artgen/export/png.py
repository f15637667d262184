"""PNG files from tensors, with the configuration in the metadata."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL.PngImagePlugin import PngInfo

from artgen.export.metadata import METADATA_KEY
from artgen.files import write_atomically
from artgen.images import to_pillow


def write_png(path: Path, image: torch.Tensor, configuration: str | None = None) -> None:
    """Write a picture.

    Args:
        path: the file.
        image: [3, H, W], or [4, H, W] premultiplied, in [0, 1].
        configuration: JSON for the metadata, or None.

    Raises:
        RunError: the file cannot be written.
    """
    information = PngInfo()
    if configuration is not None:
        information.add_itxt(METADATA_KEY, configuration)
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, "PNG", pnginfo=information)
    write_atomically(path, buffer.getvalue())
