"""Shape aliases and small value types that every part of artgen shares.

Letters: P population (candidates), V views (cutouts) per candidate, N elements
(cells, strokes, patches), D embedding width, S guide input side, T texts.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from artgen.geometry import WHOLE, Region, Size, Window

__all__ = [
    "WHOLE",
    "Canvas",
    "Embeddings",
    "Image",
    "Indices",
    "PerCandidate",
    "Region",
    "Size",
    "Views",
    "Window",
]

Image = Float[Tensor, "population 3 height width"]
"""Opaque sRGB pictures in [0, 1]."""
Canvas = Float[Tensor, "population 4 height width"]
"""Premultiplied sRGB + alpha pictures in [0, 1]: what a renderer returns."""
Views = Float[Tensor, "views 3 side_y side_x"]
"""Cutouts as the guide is shown them, in [0, 1]."""
Embeddings = Float[Tensor, "items features"]
"""Unit-length rows."""
PerCandidate = Float[Tensor, " population"]
"""One figure per candidate."""
Indices = Int[Tensor, " items"]
