"""SVG's basic shapes as outlines of cubic Béziers."""

from __future__ import annotations

import math
import re
from typing import Any

from artgen.svg.path_data import Subpath, arc_curves, line, parse_path

_UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}


def length(text: str, default: float | None = 0.0) -> float | None:
    """Read a length in pixels; None for percentages and what is missing."""
    # Spaces are taken off first: patterns with several repetitions take long on long texts.
    match = re.fullmatch(r"([-+.\deE]+) ?(px|pt|pc|mm|cm|in)?", text.strip())
    if not match:
        return default
    value = float(match[1]) * _UNITS[match[2] or ""]
    if not math.isfinite(value):
        raise ValueError(f"length {text[:20]!r} is invalid; write a number, or a number with a unit")
    return value


def outline(element: Any, tag: str, most: int) -> list[Subpath]:
    """Return the outline of an element, empty if it has none.

    Args:
        element: of the XML tree.
        tag: its name without the namespace.
        most: path commands at most.

    Raises:
        ValueError: its attributes make no sense.
    """

    def value(key: str) -> float:
        """Return an attribute's length, 0 if it is missing."""
        return length(element.get(key, "0")) or 0.0

    if tag == "path":
        return parse_path(element.get("d", ""), most)
    if tag == "line":
        a, b = complex(value("x1"), value("y1")), complex(value("x2"), value("y2"))
        return [Subpath(a, [line(a, b)])]
    if tag in ("polyline", "polygon"):
        return parse_path(_polygon(element.get("points", ""), closed=tag == "polygon"), most)
    if tag == "rect":
        x, y, w, h = (value(key) for key in ("x", "y", "width", "height"))
        return parse_path(f"M{x} {y}h{w}v{h}h{-w}z") if w > 0 and h > 0 else []
    if tag in ("circle", "ellipse"):
        rx, ry = (value("r"), value("r")) if tag == "circle" else (value("rx"), value("ry"))
        centre = complex(value("cx"), value("cy"))
        if rx <= 0 or ry <= 0:
            return []
        east, west = centre + rx, centre - rx
        curves = arc_curves(east, west, rx, ry, 0.0, False, True) + arc_curves(
            west, east, rx, ry, 0.0, False, True
        )
        return [Subpath(east, curves, closed=True)]
    return []


def _polygon(points: str, closed: bool) -> str:
    return f"M {points} {'Z' if closed else ''}" if points.strip() else ""
