"""Bézier curves cut into chords, so finely that the eye and the tests don't see it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from artgen.renderers.binning import spread

TOLERANCE = 0.2
"""Most a chord may stray from its curve, in pixels of the picture that is rendered."""
MOST_CHORDS = 512
"""Most chords per curve; only curves far larger than the picture would want more."""


class Chords(NamedTuple):
    """Straight pieces of strokes, in order along each stroke, stroke after stroke.

    Args:
        ends: [C, 4] x, y of the start, x, y of the end, in pixels; carries the gradient.
        radii: [C, 2] half the width at start and end, in pixels; carries the gradient.
        element: [C] which stroke (of all candidates' strokes, flat) each belongs to.
    """

    ends: Float[Tensor, "chords 4"]
    radii: Float[Tensor, "chords 2"]
    element: Int[Tensor, " chords"]


def chord_counts(curves: Float[Tensor, "curves 4 2"], tolerance: float = TOLERANCE) -> Int[Tensor, " curves"]:
    """Return how many chords of equal parameter length keep each curve within the tolerance.

    A cubic strays from such a chord by at most `3/4 D / n²`, D being the larger of its
    second differences (Wang's formula: G. Wang, "The subdivision method for finding the
    intersection between two Bézier curves", 1984).

    Args:
        curves: [K, 4, 2] control points in pixels.
        tolerance: in pixels.
    """
    points = curves.detach()
    bend = (points[:, :2] - 2 * points[:, 1:3] + points[:, 2:]).square().sum(-1).amax(1).sqrt()
    wanted = (0.75 / tolerance * bend).sqrt().ceil().nan_to_num(nan=1.0, posinf=float(MOST_CHORDS))
    return wanted.clamp(1, MOST_CHORDS).long()


def bernstein(parameter: Float[Tensor, " places"]) -> Float[Tensor, "places 4"]:
    """Return [K, 4] the weights of a cubic's control points at [K] parameters."""
    t, s = parameter, 1 - parameter
    return torch.stack([s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t], -1)


def cut(
    curves: Float[Tensor, "curves 4 2"],
    radii: Float[Tensor, "elements"],
    counts: Int[Tensor, " curves"],
    taper: float = 0.0,
) -> Chords:
    """Cut the curves of all strokes into chords.

    Args:
        curves: [E * S, 4, 2] control points in pixels, the S curves of a stroke in order.
        radii: [E] half the full width of each stroke in pixels.
        counts: [E * S] chords per curve.
        taper: part of the stroke's length (by parameter) over which each end narrows to
            a point, in [0, 0.5]; 0 for constant width.
    """
    curve, item = spread(counts)
    per_element = len(curves) // max(1, len(radii))
    element = torch.div(curve, max(1, per_element), rounding_mode="floor")
    count = counts.to(curves.dtype)[curve]
    start, end = item / count, (item + 1) / count
    weights = torch.stack([bernstein(start), bernstein(end)], 1)
    ends = weights.to(curves.dtype) @ curves.index_select(0, curve)
    along = torch.stack([start, end], 1)
    full = radii.index_select(0, element)[:, None]
    if taper > 0:
        place = (along + (curve % per_element)[:, None]) / per_element
        full = full * profile(place, taper)
    return Chords(ends.flatten(1), full.expand(-1, 2), element)


def profile(place: Tensor, taper: float) -> Tensor:
    """Return the part of the full width at places in [0, 1] along a stroke."""
    if taper <= 0:
        return torch.ones_like(place)
    return (torch.minimum(place, 1 - place) / taper).clamp(0, 1)
