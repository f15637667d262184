"""Default sizes of a run: the canvas that is optimised, and its shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artgen.config import RunConfig
from artgen.guides.base import Guide
from artgen.images import read_opaque
from artgen.renderers.background import is_picture
from artgen.renderers.base import RendererOptions, renderers
from artgen.types import Size

SMALLEST_CANVAS = 128
"""Shortest default for the longer side of the canvas, in pixels."""


def default_canvas(config: RunConfig, options: RendererOptions, loaded: Sequence[Guide]) -> Size:
    """Return the canvas that suits the renderer and the guides, in the shape of the picture.

    Args:
        config: names no canvas.
        options: the renderer's own options.
        loaded: the guides that vote.
    """
    side = max([SMALLEST_CANVAS, *(max(guide.image_size) for guide in loaded)])
    aspect = config.aspect or natural_aspect(config) or 1.0
    return renderers.get(config.renderer).default_canvas(options, aspect, side)


def natural_aspect(config: RunConfig) -> float | None:
    """Return width / height of the exported size, else of a picture that is given, else None."""
    if config.size is not None:
        return config.size.width / config.size.height

    background = config.background if is_picture(config.background) else None
    for path in (config.target, config.init, config.mask, background):
        if path is not None and not path.lower().endswith(".svg"):
            picture = Path(path) / "image.png" if Path(path).is_dir() else path
            height, width = read_opaque(picture).shape[-2:]
            return width / height
    return None
