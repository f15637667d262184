"""Writing SVG that browsers, Inkscape and resvg read alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

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
        taper: fraction of the stroke's length over which each end narrows to a point.
        layer: name of the group it is in.
        number: of the path in its `id`; its place in the drawing if None.
        outline: `d` attribute of the tapered stroke's outline, which is filled; needed if `taper` is not 0.
    """

    curves: Float[Tensor, "segments 4 2"]
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)
    opacity: float = 1.0
    width: float = 1.0
    closed: bool = False
    rule: Literal["nonzero", "evenodd"] = "nonzero"
    taper: float = 0.0
    layer: str = "strokes"
    outline: str | None = None
    number: int | None = None


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
    stays in `data-` attributes, from which `artgen.svg.read` restores it.

    Example:
        >>> import torch
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
        own = index if path.number is None else path.number
        attributes = {"id": f"path-{own}", **_attributes(path)}
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
        if path.outline is None:
            raise ValueError("a tapered stroke needs its outline; SVG strokes have one width")
        kept = {
            "data-stroke": stroke["d"],
            "data-width": stroke["stroke-width"],
            "data-taper": repr(path.taper),
        }
        return {"d": path.outline, **_fill(path), **kept}
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
    commands = [f"M {start}"]
    for curve in curves[:, 1:]:  # [3, 2], the points after the first
        points = " ".join(number(v) for v in curve.flatten().tolist())
        commands.append(f"C {points}")
    if closed:
        commands.append("Z")
    return " ".join(commands)
