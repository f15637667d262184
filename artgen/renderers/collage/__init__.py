"""Collages of patches, as in CLIP-CLOP."""

from artgen.renderers.collage.renderer import Collage

__all__ = ["Collage"]
