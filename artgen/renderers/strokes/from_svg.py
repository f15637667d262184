"""Strokes from and to vector drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from artgen.errors import InputError
from artgen.renderers.strokes.options import MOST_STROKES
from artgen.renderers.strokes.start import Beginning
from artgen.svg.write import Drawing, VectorPath

LONGEST_STROKE = 64
"""Most curves of a stroke that is read; longer ones become several strokes."""


def strokes_of(drawing: Drawing, closed: bool, extent: tuple[float, float]) -> Beginning:
    """Return a drawing's paths as strokes of one candidate.

    The drawing is scaled to fit the canvas and put in its middle. Every stroke gets as
    many curves as the longest has; curves are halved for that, which leaves the form as
    it is.

    Args:
        drawing: to take over.
        closed: whether filled shapes are wanted; strokes are then left out, and the
            other way round; but a drawing that has only the other kind gives their outlines.
        extent: width and height of the canvas in the unit of the result.

    Raises:
        InputError: nothing to paint in it, or too much.
    """
    wanted = [path for path in drawing.paths if path.closed == closed] or list(drawing.paths)
    pieces = [piece for path in wanted for piece in _pieces(path, closed)]
    if not pieces:
        raise InputError("the SVG has no path, shape or line to start from; give another --init")
    if len(pieces) > MOST_STROKES:
        raise InputError(f"the SVG has {len(pieces)} paths, more than {MOST_STROKES}; simplify the drawing")
    scale = min(extent[0] / drawing.size.width, extent[1] / drawing.size.height)
    shift = (
        torch.tensor([extent[0] - scale * drawing.size.width, extent[1] - scale * drawing.size.height]) / 2
    )
    segments = max(len(piece.curves) for piece in pieces)
    points = torch.stack([_points(lengthened(piece.curves, segments), closed) for piece in pieces])
    return Beginning(
        (points * scale + shift)[None],
        torch.tensor([[piece.width * scale for piece in pieces]]),
        torch.tensor([[piece.colour for piece in pieces]]),
        torch.tensor([[piece.opacity for piece in pieces]]),
    )


def _pieces(path: VectorPath, closed: bool) -> list[VectorPath]:
    """Return a path as one or, if it is a long stroke, several."""
    width = path.width if path.width > 0 or closed else 1.0
    curves = path.curves
    if closed:
        if not bool(torch.equal(curves[0, 0], curves[-1, 3])):
            last = torch.lerp(curves[-1, 3], curves[0, 0], torch.linspace(0, 1, 4)[:, None])
            curves = torch.cat([curves, last[None]])
        parts: Sequence[Tensor] = [curves]
    else:
        parts = curves.split(math.ceil(len(curves) / math.ceil(len(curves) / LONGEST_STROKE)))
    return [VectorPath(part, path.colour, path.opacity, width, closed) for part in parts]


def lengthened(curves: Tensor, segments: int) -> Tensor:
    """Return [segments, 4, 2] curves of the same form, the longest ones halved as needed."""
    while len(curves) < segments:
        spare = segments - len(curves)
        length = (curves[:, 1:] - curves[:, :-1]).square().sum(-1).sqrt().sum(-1)
        chosen = torch.zeros(len(curves), dtype=torch.bool)
        chosen[length.topk(min(spare, len(curves))).indices] = True
        halves = [
            part for curve, cut in zip(curves, chosen, strict=True) for part in _halved(curve, bool(cut))
        ]
        curves = torch.stack(halves)
    return curves


def _halved(curve: Tensor, cut: bool) -> list[Tensor]:
    """Return the two halves of a curve (de Casteljau), or the curve."""
    if not cut:
        return [curve]
    one = (curve[:-1] + curve[1:]) / 2
    two = (one[:-1] + one[1:]) / 2
    middle = (two[0] + two[1]) / 2
    return [torch.stack([curve[0], one[0], two[0], middle]), torch.stack([middle, two[1], one[2], curve[3]])]


def _points(curves: Tensor, closed: bool) -> Tensor:
    """Return the control points, those that curves share once."""
    points = curves[:, :3].flatten(0, 1)
    return points if closed else torch.cat([points, curves[-1:, 3]])
