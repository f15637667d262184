"""Sizes and rectangles; knows nothing of tensors."""

from __future__ import annotations

from typing import NamedTuple


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
