"""Initial strokes from a vector drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from artgen.errors import InputError
from artgen.renderers.strokes.options import MOST_STROKES
from artgen.renderers.strokes.start import InitialStrokes
from artgen.svg.write import Drawing, VectorPath

LONGEST_STROKE = 64
"""Largest number of curves of a stroke; a longer path becomes several strokes."""


def strokes_of(drawing: Drawing, closed: bool, extent: tuple[float, float]) -> InitialStrokes:
    """Return a drawing's paths as strokes of one candidate.

    The drawing is scaled to fit the canvas and centred. Every stroke gets as many curves as
    the longest one has: curves are halved, which does not change their form.

    Args:
        drawing: to convert.
        closed: whether filled shapes are wanted, or open strokes. Paths of the other sort are
            left out, unless the drawing has no others; then their outlines are used.
        extent: width and height of the canvas in the unit of the result.

    Raises:
        InputError: the drawing has no paths, or too many.
    """
    wanted = [path for path in drawing.paths if path.closed == closed] or list(drawing.paths)
    pieces: list[VectorPath] = []
    for path in wanted:
        pieces += _pieces(path, closed)
    if not pieces:
        raise InputError("the SVG has no path, shape or line to start from; give another --init")
    if len(pieces) > MOST_STROKES:
        raise InputError(f"the SVG has {len(pieces)} paths, more than {MOST_STROKES}; simplify the drawing")

    scale = min(extent[0] / drawing.size.width, extent[1] / drawing.size.height)
    spare = [extent[0] - scale * drawing.size.width, extent[1] - scale * drawing.size.height]
    shift = torch.tensor(spare) / 2  # [2]

    segments = max(len(piece.curves) for piece in pieces)
    points = torch.stack(
        [_points(lengthened(piece.curves, segments), closed) for piece in pieces]
    )  # [N, K, 2]
    return InitialStrokes(
        (points * scale + shift)[None],
        torch.tensor([[piece.width * scale for piece in pieces]]),
        torch.tensor([[piece.colour for piece in pieces]]),
        torch.tensor([[piece.opacity for piece in pieces]]),
    )


def _pieces(path: VectorPath, closed: bool) -> list[VectorPath]:
    """Return a path as one piece or, if it is a long stroke, as several."""
    width = path.width if path.width > 0 or closed else 1.0
    curves = path.curves  # [S, 4, 2]

    if closed:
        first, last = curves[0, 0], curves[-1, 3]
        if not bool(torch.equal(first, last)):
            closing = torch.lerp(last, first, torch.linspace(0, 1, 4)[:, None])  # [4, 2]
            curves = torch.cat([curves, closing[None]])
        parts: Sequence[Tensor] = [curves]
    else:
        strokes = math.ceil(len(curves) / LONGEST_STROKE)
        parts = curves.split(math.ceil(len(curves) / strokes))
    return [VectorPath(part, path.colour, path.opacity, width, closed) for part in parts]


def lengthened(curves: Tensor, segments: int) -> Tensor:
    """Return [segments, 4, 2] curves of the same form, the longest ones halved as needed."""
    while len(curves) < segments:
        missing = segments - len(curves)
        edges = curves[:, 1:] - curves[:, :-1]  # [S, 3, 2]
        length = edges.square().sum(-1).sqrt().sum(-1)  # [S]

        chosen = torch.zeros(len(curves), dtype=torch.bool)
        chosen[length.topk(min(missing, len(curves))).indices] = True
        parts: list[Tensor] = []
        for curve, cut in zip(curves, chosen, strict=True):
            parts += _halved(curve, bool(cut))
        curves = torch.stack(parts)
    return curves


def _halved(curve: Tensor, cut: bool) -> list[Tensor]:
    """Return the two halves of a curve (de Casteljau), or the curve."""
    if not cut:
        return [curve]

    edges = (curve[:-1] + curve[1:]) / 2  # [3, 2]
    inner = (edges[:-1] + edges[1:]) / 2  # [2, 2]
    middle = (inner[0] + inner[1]) / 2
    first = torch.stack([curve[0], edges[0], inner[0], middle])
    second = torch.stack([middle, inner[1], edges[2], curve[3]])
    return [first, second]


def _points(curves: Tensor, closed: bool) -> Tensor:
    """Return [3 S + 1 or 3 S, 2] control points; a point that two curves share occurs once."""
    points = curves[:, :3].flatten(0, 1)  # [3 S, 2]
    return points if closed else torch.cat([points, curves[-1:, 3]])
