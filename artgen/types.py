"""Shape aliases and small value types shared by all packages.

Letters: P population (candidates), V views (cutouts) per candidate, N elements
(cells, strokes, patches), D embedding width, S guide input side, T texts.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from artgen.geometry import WHOLE, Region, Size, Window

__all__ = [
    "WHOLE",
    "Canvas",
    "Embeddings",
    "Image",
    "PerCandidate",
    "Region",
    "Size",
    "Views",
    "Window",
]

Image = Float[Tensor, "population 3 height width"]
"""Opaque sRGB pictures in [0, 1]."""
Canvas = Float[Tensor, "population 4 height width"]
"""Premultiplied sRGB + alpha pictures in [0, 1], as a renderer returns them."""
Views = Float[Tensor, "views 3 side_y side_x"]
"""Cutouts that a guide encodes, in [0, 1]."""
Embeddings = Float[Tensor, "items features"]
"""Rows of unit length."""
PerCandidate = Float[Tensor, " population"]
"""One number per candidate."""
