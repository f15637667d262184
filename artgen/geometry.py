"""Sizes and rectangles, without tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Size(NamedTuple):
    """Size of a picture in pixels."""

    height: int
    width: int

    def scaled_to(self, side: int) -> Size:
        """Return a size of the same shape whose longer side has this many pixels.

        Example:
            >>> Size(96, 128).scaled_to(1024)
            Size(height=768, width=1024)
        """
        factor = side / max(self)
        return Size(max(1, round(self.height * factor)), max(1, round(self.width * factor)))


class Window(NamedTuple):
    """Part of a picture in pixels; top and left are inclusive, bottom and right are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Size:
        """Height and width of the part."""
        return Size(self.bottom - self.top, self.right - self.left)

    def slices_in(self, outer: Window) -> tuple[slice, slice]:
        """Return the rows and columns that this window occupies in the picture of an outer window.

        Example:
            >>> Window(2, 5, 4, 9).slices_in(Window(1, 5, 8, 10))
            (slice(1, 3, None), slice(0, 4, None))
        """
        rows = slice(self.top - outer.top, self.bottom - outer.top)
        columns = slice(self.left - outer.left, self.right - outer.left)
        return rows, columns


class Region(NamedTuple):
    """Rectangle in fractions of the canvas; origin top left, x right, y down."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


WHOLE = Region()
"""The whole canvas."""


def split_window(window: Window, part: Size) -> Iterator[Window]:
    """Yield windows of at most the size of a part that cover a window once, row by row.

    Args:
        window: to split, in pixels of the whole picture.
        part: largest height and width of a part; the last row and the last column may be smaller.

    Example:
        >>> list(split_window(Window(0, 0, 3, 4), Size(2, 4)))
        [Window(top=0, left=0, bottom=2, right=4), Window(top=2, left=0, bottom=3, right=4)]
    """
    for top in range(window.top, window.bottom, part.height):
        for left in range(window.left, window.right, part.width):
            bottom = min(top + part.height, window.bottom)
            right = min(left + part.width, window.right)
            yield Window(top, left, bottom, right)
