"""Shape aliases and small value types that every part of artgen shares.

Letters: P population (candidates), V views (cutouts) per candidate, N elements
(cells, strokes, patches), D embedding width, S guide input side, T texts.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

Image = Float[Tensor, "population 3 height width"]
"""Opaque sRGB pictures in [0, 1]."""
Canvas = Float[Tensor, "population 4 height width"]
"""Premultiplied sRGB + alpha pictures in [0, 1]: what a renderer returns."""
Views = Float[Tensor, "views 3 side_y side_x"]
"""Cutouts as the guide is shown them, in [0, 1]."""
Embeddings = Float[Tensor, "items width"]
"""Unit-length rows."""
PerCandidate = Float[Tensor, " population"]
"""One figure per candidate."""
Indices = Int[Tensor, " items"]


class Size(NamedTuple):
    """A picture's size in pixels."""

    height: int
    width: int


class Window(NamedTuple):
    """A part of a picture in pixels, top left inclusive, bottom right exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Size:
        """Height and width of the part."""
        return Size(self.bottom - self.top, self.right - self.left)


class Region(NamedTuple):
    """A rectangle in fractions of the canvas; origin top left, x right, y down."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


WHOLE = Region()
