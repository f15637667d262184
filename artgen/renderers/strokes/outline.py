"""The outline of a tapered stroke as SVG path data."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.renderers.strokes.chords import chord_counts, cut
from artgen.svg.write import number

FLATNESS = 0.05
"""Largest distance of a chord from its curve, in pixels; too small to see."""


def tapered_outline(curves: Float[Tensor, "segments 4 2"], width: float, taper: float) -> str:
    """Return the `d` attribute of a tapered stroke's outline: discs at the nodes, joined by tangent quads.

    All of them wind the same way, so the non-zero rule fills their union.

    Args:
        curves: joined cubic Béziers in pixels.
        width: of the stroke in pixels, where it is widest.
        taper: fraction of the length over which each end narrows to a point.
    """
    curves = curves.detach().double()
    counts = chord_counts(curves, FLATNESS)
    chords = cut(curves, torch.tensor([width / 2]).double(), counts, taper)

    pieces = []
    for (ax, ay, bx, by), (ra, rb) in zip(chords.ends.tolist(), chords.radii.tolist(), strict=True):
        pieces += [_disc(ax, ay, ra), _quad(ax, ay, ra, bx, by, rb)]
    return " ".join(piece for piece in [*pieces, _disc(bx, by, rb)] if piece)


def _disc(x: float, y: float, radius: float) -> str:
    if radius < 1e-3:
        return ""
    left, right, r = number(x - radius), number(x + radius), number(radius)
    return f"M {left} {number(y)} A {r} {r} 0 0 1 {right} {number(y)} A {r} {r} 0 0 1 {left} {number(y)} Z"


def _quad(ax: float, ay: float, ra: float, bx: float, by: float, rb: float) -> str:
    """Return the quad between the points where the two discs' common tangents touch."""
    dx, dy = bx - ax, by - ay
    length = math.hypot(dx, dy)
    if length <= abs(rb - ra) or length < 1e-6:
        return ""
    sine = (ra - rb) / length
    cosine = math.sqrt(1 - sine * sine)
    ux, uy = dx / length, dy / length
    left = (sine * ux + cosine * uy, sine * uy - cosine * ux)
    right = (sine * ux - cosine * uy, sine * uy + cosine * ux)
    corners = [
        (ax + ra * left[0], ay + ra * left[1]),
        (bx + rb * left[0], by + rb * left[1]),
        (bx + rb * right[0], by + rb * right[1]),
        (ax + ra * right[0], ay + ra * right[1]),
    ]
    return "M " + " L ".join(f"{number(x)} {number(y)}" for x, y in corners) + " Z"
