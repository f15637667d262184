"""PNG out of tensors, with the whole configuration in the metadata."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL.PngImagePlugin import PngInfo

from artgen.export.metadata import METADATA_KEY
from artgen.files import write_atomically
from artgen.images import to_pillow


def write_png(path: Path, image: torch.Tensor, configuration: str | None = None) -> None:
    """Write a [3 or 4, H, W] picture in [0, 1] (alpha premultiplied), with its configuration if given."""
    information = PngInfo()
    if configuration is not None:
        information.add_itxt(METADATA_KEY, configuration)
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, "PNG", pnginfo=information)
    write_atomically(path, buffer.getvalue())
