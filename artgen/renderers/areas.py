"""The pixels of a disc and of a polygon on a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from artgen.geometry import Size, Window


def disc(x: float, y: float, reach: float, size: Size) -> tuple[Window, Float[Tensor, "height width"]]:
    """Return the window around a disc, and 1 for its pixels inside; at least for the one under the centre.

    Args:
        x: of the centre, in pixels.
        y: of the centre, in pixels.
        reach: radius in pixels.
        size: size of the picture.
    """
    row, column = min(int(y), size.height - 1), min(int(x), size.width - 1)
    window = Window(
        top=max(0, min(row, math.floor(y - reach))),
        left=max(0, min(column, math.floor(x - reach))),
        bottom=min(size.height, max(row + 1, math.ceil(y + reach))),
        right=min(size.width, max(column + 1, math.ceil(x + reach))),
    )

    down = torch.arange(window.top, window.bottom)[:, None] + 0.5 - y  # [H, 1]
    across = torch.arange(window.left, window.right) + 0.5 - x  # [W]
    weight = (down.square() + across.square() <= reach**2).float()  # [H, W]
    weight[row - window.top, column - window.left] = 1
    return window, weight


def filled(polygon: Sequence[tuple[float, float]], size: Size) -> Bool[Tensor, "height width"]:
    """Return [H, W] which pixels have their centre inside a polygon; the one under its middle if there is none.

    Args:
        polygon: corners as (x, y) in fractions of the picture's width and height.
        size: size of the picture.
    """
    from skimage.draw import polygon2mask  # takes long to import

    corners = [(y * size.height - 0.5, x * size.width - 0.5) for x, y in polygon]
    inside = torch.from_numpy(polygon2mask(size, corners))
    if not bool(inside.any()):
        x = sum(corner[0] for corner in polygon) / len(polygon)
        y = sum(corner[1] for corner in polygon) / len(polygon)
        if 0 <= x < 1 and 0 <= y < 1:
            inside[int(y * size.height), int(x * size.width)] = True
    return inside


def box(inside: Bool[Tensor, "height width"]) -> Window:
    """Return the smallest window around the True pixels of a mask."""
    rows = inside.any(1).nonzero()[:, 0]
    columns = inside.any(0).nonzero()[:, 0]
    return Window(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
