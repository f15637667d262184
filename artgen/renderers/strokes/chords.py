"""Cut Bézier curves into chords, so short that neither the eye nor the tests can tell.

Letters: K curves, E strokes of all candidates, S curves of a stroke, C chords.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from artgen.renderers.binning import spread

TOLERANCE = 0.2
"""Largest distance of a chord from its curve, in pixels of the picture that is rendered."""
MOST_CHORDS = 512
"""Limit of chords per curve; only curves far larger than the picture would need more."""


class Chords(NamedTuple):
    """Straight pieces of strokes, in order along each stroke, stroke after stroke.

    Args:
        ends: [C, 4] x, y of the start, x, y of the end, in pixels; carries the gradient.
        radii: [C, 2] half the width at start and end, in pixels; carries the gradient.
        element: [C] the stroke each belongs to, an index into the strokes of all candidates.
    """

    ends: Float[Tensor, "chords 4"]
    radii: Float[Tensor, "chords 2"]
    element: Int[Tensor, " chords"]


def chord_counts(curves: Float[Tensor, "curves 4 2"], tolerance: float = TOLERANCE) -> Int[Tensor, " curves"]:
    """Return [K] the number of chords of equal parameter length that keep each curve within the tolerance.

    The distance of a cubic from such a chord is at most `3/4 D / n²`, where D is the larger of its
    second differences (Wang's formula: G. Wang, "The subdivision method for finding the
    intersection between two Bézier curves", 1984).

    Args:
        curves: [K, 4, 2] control points in pixels.
        tolerance: in pixels.
    """
    points = curves.detach()
    difference = points[:, :2] - 2 * points[:, 1:3] + points[:, 2:]  # [K, 2, 2]
    bend = difference.square().sum(-1).amax(1).sqrt()  # [K]

    wanted = (0.75 / tolerance * bend).sqrt().ceil()
    wanted = wanted.nan_to_num(nan=1.0, posinf=float(MOST_CHORDS))
    return wanted.clamp(1, MOST_CHORDS).long()


def bernstein(parameter: Float[Tensor, " places"]) -> Float[Tensor, "places 4"]:
    """Return [K, 4] the weights of a cubic's control points at [K] parameters."""
    t, s = parameter, 1 - parameter
    return torch.stack([s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t], -1)  # [K, 4]


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
        counts: [E * S] number of chords per curve.
        taper: fraction of the stroke's length (by parameter) over which each end narrows to
            a point, in [0, 0.5]; 0 for constant width.
    """
    curve, item = spread(counts)  # [C]
    per_element = len(curves) // max(1, len(radii))
    element = torch.div(curve, max(1, per_element), rounding_mode="floor")

    # curve parameters at the chords' ends
    count = counts.to(curves.dtype)[curve]  # [C]
    start, end = item / count, (item + 1) / count

    weights = torch.stack([bernstein(start), bernstein(end)], 1)  # [C, 2, 4]
    ends = weights.to(curves.dtype) @ curves.index_select(0, curve)  # [C, 2, 2]

    full = radii.index_select(0, element)[:, None]  # [C, 1]
    if taper > 0:
        along = torch.stack([start, end], 1)  # [C, 2]
        place = (along + (curve % per_element)[:, None]) / per_element
        full = full * profile(place, taper)  # [C, 2]
    return Chords(ends.flatten(1), full.expand(-1, 2), element)


def profile(place: Tensor, taper: float) -> Tensor:
    """Return the fraction of the full width at places in [0, 1] along a stroke, in the shape of `place`."""
    if taper <= 0:
        return torch.ones_like(place)

    to_nearer_end = torch.minimum(place, 1 - place)
    return (to_nearer_end / taper).clamp(0, 1)
