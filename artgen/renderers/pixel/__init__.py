"""Pixel art: a grid of cells with free colours or a palette."""

from artgen.renderers.pixel.renderer import Pixel

__all__ = ["Pixel"]
