"""Brush strokes and filled shapes: Bézier paths painted over each other."""

from artgen.renderers.strokes.renderer import Strokes

__all__ = ["Strokes"]
