"""Writing SVG that browsers, Inkscape and resvg read alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.geometry import Size
from artgen.printable import xml_text

SVG = "http://www.w3.org/2000/svg"
INKSCAPE = "http://www.inkscape.org/namespaces/inkscape"
DECIMALS = 3
"""Digits after the point of a coordinate in pixels."""

ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("inkscape", INKSCAPE)


@dataclass(frozen=True)
class VectorPath:
    """One path of a drawing: a stroke, or a filled shape if `closed`.

    Args:
        curves: [S, 4, 2] joining cubic Béziers in pixels.
        colour: red, green, blue in [0, 1], sRGB.
        opacity: in [0, 1].
        width: of the stroke in pixels.
        closed: filled instead of stroked.
        rule: what is inside a shape that crosses itself.
        taper: part of the stroke's length over which each end narrows to a point.
        layer: name of the group it is in.
    """

    curves: Float[Tensor, "segments 4 2"]
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)
    opacity: float = 1.0
    width: float = 1.0
    closed: bool = False
    rule: Literal["nonzero", "evenodd"] = "nonzero"
    taper: float = 0.0
    layer: str = "strokes"


@dataclass(frozen=True)
class Drawing:
    """A vector picture.

    Args:
        size: in pixels.
        paths: from bottom to top.
        paper: colour of the ground, None for a clear one.
        title: for readers of the file.
    """

    size: Size
    paths: Sequence[VectorPath]
    paper: tuple[float, float, float] | None = None
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def write_svg(drawing: Drawing) -> str:
    """Return a drawing as an SVG document: one group (an Inkscape layer) per layer name.

    Tapered strokes, which SVG has not, are written as filled outlines; the stroke itself
    stays in `data-` attributes, from which `artgen.export.svg_read` restores it.

    Example:
        >>> line = torch.tensor([[[1.0, 1], [2, 1], [3, 1], [4, 1]]])
        >>> "stroke-width" in write_svg(Drawing(Size(8, 8), [VectorPath(line)]))
        True
    """
    height, width = drawing.size
    root = ElementTree.Element(
        f"{{{SVG}}}svg", width=str(width), height=str(height), viewBox=f"0 0 {width} {height}"
    )
    if drawing.title:
        ElementTree.SubElement(root, f"{{{SVG}}}title").text = xml_text(drawing.title)
    if drawing.paper is not None:
        ground = _layer(root, "paper")
        box = {"width": str(width), "height": str(height), "fill": colour_code(drawing.paper)}
        ElementTree.SubElement(ground, f"{{{SVG}}}rect", box)
    group, name = None, None
    for index, path in enumerate(drawing.paths):
        if group is None or path.layer != name:
            group, name = _layer(root, path.layer), path.layer
        attributes = {"id": f"path-{index}", **_attributes(path)}
        ElementTree.SubElement(group, f"{{{SVG}}}path", attributes)
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def colour_code(colour: Iterable[float]) -> str:
    """Return `#rrggbb` for red, green, blue in [0, 1]."""
    return "#" + "".join(f"{round(255 * min(max(float(part), 0.0), 1.0)):02x}" for part in colour)


def _layer(root: ElementTree.Element, name: str) -> ElementTree.Element:
    label = {f"{{{INKSCAPE}}}groupmode": "layer", f"{{{INKSCAPE}}}label": xml_text(name)}
    return ElementTree.SubElement(root, f"{{{SVG}}}g", label)


def _attributes(path: VectorPath) -> dict[str, str]:
    if path.closed:
        return {"d": path_data(path.curves, closed=True), **_fill(path)}
    stroke = {"d": path_data(path.curves), "stroke-width": number(path.width)}
    if path.taper > 0:
        kept = {
            "data-stroke": stroke["d"],
            "data-width": stroke["stroke-width"],
            "data-taper": repr(path.taper),
        }
        return {"d": _outline(path), **_fill(path), **kept}
    return {
        **stroke,
        "fill": "none",
        "stroke": colour_code(path.colour),
        "stroke-opacity": number(path.opacity),
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
    }


def _fill(path: VectorPath) -> dict[str, str]:
    return {
        "fill": colour_code(path.colour),
        "fill-opacity": number(path.opacity),
        "fill-rule": path.rule if path.closed else "nonzero",
    }


def number(value: float) -> str:
    """Return a number in the fewest characters that keep it to a thousandth."""
    return (
        f"{float(value):.{DECIMALS}f}".rstrip("0")
        .rstrip(".")
        .replace("-0", "0", 1 if abs(value) < 5e-4 else 0)
    )


def path_data(curves: Float[Tensor, "segments 4 2"], closed: bool = False) -> str:
    """Return the `d` attribute of joining cubic curves."""
    start = " ".join(number(v) for v in curves[0, 0].tolist())
    parts = [" ".join(number(v) for v in curve.flatten().tolist()) for curve in curves[:, 1:]]
    return f"M {start} " + " ".join(f"C {part}" for part in parts) + (" Z" if closed else "")


def _outline(path: VectorPath) -> str:
    """Return the outline of a tapered stroke: discs at the nodes, joined by tangent quads.

    All wind the same way, so that the non-zero rule gives their union.
    """
    from artgen.renderers._chords import chord_counts, cut

    curves = path.curves.detach().double()
    counts = chord_counts(curves, 0.05)
    chords = cut(curves, torch.tensor([path.width / 2]).double(), counts, path.taper)
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
