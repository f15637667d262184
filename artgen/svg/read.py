"""Reading SVG that may be hostile: paths and basic shapes, as cubic Béziers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import ImageColor

from artgen.errors import InputError
from artgen.files import read_file
from artgen.geometry import Size
from artgen.svg.document import LARGEST_SVG_FILE, parse_document, size_and_view, tag_of
from artgen.svg.path_data import (
    Curve,
    Matrix,
    Point,
    apply,
    compose,
    line,
    parse_path,
    parse_transform,
)
from artgen.svg.shapes import length, outline
from artgen.svg.write import Drawing, VectorPath

MOST_CURVES = 50_000
"""Most curves in a drawing."""

_REFUSED = {
    "script",
    "foreignobject",
    "image",
    "iframe",
    "embed",
    "object",
    "audio",
    "video",
    "animate",
    "set",
}
_SKIPPED = {
    "defs",
    "clippath",
    "mask",
    "symbol",
    "marker",
    "pattern",
    "metadata",
    "style",
    "title",
    "desc",
    "text",
}
_INHERITED = ("fill", "fill-rule", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "color")

Style = Mapping[str, str]


def read_svg(path: Path) -> Drawing:
    """Read an SVG file; see `parse_svg`.

    Raises:
        InputError: no such file, too large, malformed or hostile.
    """
    return parse_svg(read_file(path, LARGEST_SVG_FILE, "check the path"), str(path))


def parse_svg(content: bytes | str, name: str = "the SVG") -> Drawing:
    """Read an SVG document.

    Understood are path, line, polyline, polygon, rect, circle and ellipse, groups,
    transforms and presentation attributes; gradients count as grey; text, clipping and
    `use` are left out. A subpath is a path of its own. A rectangle that covers the whole
    picture below everything else is the paper.

    Args:
        content: the document.
        name: what to call it in messages.

    Raises:
        InputError: malformed, too large, or with scripts, entities, or references to
            other files.
    """
    root = parse_document(content, name)
    _refuse_hostile(root, name)
    try:
        width, height, matrix = size_and_view(root)
        size = Size(max(1, round(height)), max(1, round(width)))
        paths = list(_limited(_walk(root, matrix, {}, 1.0, "strokes"), name))
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name}: {error}; save it as plain SVG") from None
    if paths and _is_paper(paths[0], size):
        return Drawing(size, paths[1:], paths[0].colour)
    return Drawing(size, paths)


def _refuse_hostile(root: Any, name: str) -> None:
    for element in root.iter():
        tag = tag_of(element)
        if tag in _REFUSED:
            raise InputError(f"{name}: has a {tag} element, which is refused; remove it")
        for key, value in element.attrib.items():
            plain = key.rpartition("}")[2].lower()
            if plain.startswith("on"):
                raise InputError(f"{name}: has the script attribute {plain!r}, which is refused; remove it")
            if plain in ("href", "src") and not value.strip().startswith("#"):
                raise InputError(
                    f"{name}: refers to something outside the file ({plain}); remove the reference"
                )
            _refuse_css(value, name)
        if tag == "style":
            if len(element):
                raise InputError(f"{name}: has elements within a style element; save it as plain SVG")
            _refuse_css(element.text or "", name)


def _refuse_css(text: str, name: str) -> None:
    # Without spaces and quotes the patterns need no repetition, which would take long on long texts.
    plain = re.sub(r"[\s'\"]+", "", text.lower())
    outside = "@import" in plain or re.search(r"url\((?!#)", plain)
    if outside or "javascript:" in plain:
        raise InputError(f"{name}: refers to something outside the file (CSS); remove the reference")


def _limited(paths: Iterator[VectorPath], name: str) -> Iterator[VectorPath]:
    count = 0
    for path in paths:
        count += len(path.curves)
        if count > MOST_CURVES:
            raise InputError(f"{name}: more than {MOST_CURVES} curves; simplify the drawing")
        yield path


def _walk(element: Any, matrix: Matrix, style: Style, opacity: float, layer: str) -> Iterator[VectorPath]:
    """Yield the paths of an element and all in it, in order of painting."""
    tag = tag_of(element)
    if tag in _SKIPPED or not isinstance(element.tag, str):
        return
    own = _own_style(element)
    if own.get("display") == "none" or own.get("visibility") == "hidden":
        return
    style = {**style, **{key: own[key] for key in _INHERITED if own.get(key, "inherit") != "inherit"}}
    opacity *= _ratio(own.get("opacity", "1"))
    if element.get("transform"):
        matrix = compose(matrix, parse_transform(element.get("transform")))
    if tag == "g":
        layer = next((v for k, v in element.attrib.items() if k.endswith("label")), element.get("id", layer))
    if tag in ("svg", "g", "a", "switch"):
        for child in element:
            yield from _walk(child, matrix, style, opacity, layer)
        return
    yield from _paths(element, matrix, style, opacity, layer)


def _own_style(element: Any) -> dict[str, str]:
    style = {key: value.strip() for key, value in element.attrib.items()}
    for part in element.get("style", "").split(";"):
        key, colon, value = part.partition(":")
        if colon:
            style[key.strip().lower()] = value.strip()
    return style


def _paths(element: Any, matrix: Matrix, style: Style, opacity: float, layer: str) -> Iterator[VectorPath]:
    """Yield the fill, then the stroke of each subpath."""
    if "data-stroke" in element.attrib:
        subpaths = parse_path(element.get("data-stroke"), MOST_CURVES)
        width, taper = float(element.get("data-width", "1")), float(element.get("data-taper", "0"))
        colour, strength = _colour(style.get("fill", "black"), style), _ratio(style.get("fill-opacity", "1"))
        style = {**style, "fill": "none"}
    else:
        subpaths = outline(element, tag_of(element), MOST_CURVES)
        width, taper = length(style.get("stroke-width", "1")) or 0.0, 0.0
        colour, strength = (
            _colour(style.get("stroke", "none"), style),
            _ratio(style.get("stroke-opacity", "1")),
        )
    fill, a, b, c, d = _colour(style.get("fill", "black"), style), *matrix[:4]
    rule: Literal["nonzero", "evenodd"] = "evenodd" if style.get("fill-rule") == "evenodd" else "nonzero"
    for subpath in subpaths:
        if fill is not None:
            last = subpath.curves[-1][3]
            joined = [] if abs(last - subpath.start) <= 1e-6 else [line(last, subpath.start)]
            strong = opacity * _ratio(style.get("fill-opacity", "1"))
            yield VectorPath(
                _tensor([*subpath.curves, *joined], matrix), fill, strong, 0.0, True, rule, layer=layer
            )
        if colour is not None and width > 0:
            scaled = width * math.sqrt(abs(a * d - b * c))
            curves = _tensor(subpath.curves, matrix)
            yield VectorPath(curves, colour, opacity * strength, scaled, False, rule, taper, layer=layer)


def _tensor(curves: list[Curve], matrix: Matrix) -> torch.Tensor:
    """Return [S, 4, 2] the control points of S transformed curves."""
    points: list[Point] = []
    for curve in curves:
        points += [apply(matrix, point) for point in curve]
    complex_points = torch.tensor(points, dtype=torch.complex128).view(-1, 4)  # [S, 4]
    return torch.view_as_real(complex_points).float()  # [S, 4, 2]


def _ratio(text: str) -> float:
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else 1.0


def _colour(text: str, style: Style) -> tuple[float, float, float] | None:
    """Read a paint; None for none, grey for gradients and patterns."""
    text = style.get("color", "black") if text.lower() == "currentcolor" else text
    if text.lower() in ("none", "transparent", ""):
        return None
    if text.lower().startswith("url"):
        return 0.5, 0.5, 0.5
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise ValueError(f"colour {text[:40]!r} is not supported") from None
    return red / 255, green / 255, blue / 255


def _is_paper(path: VectorPath, size: Size) -> bool:
    """Return whether a path is an opaque rectangle over the whole picture."""
    if not path.closed or path.opacity < 1 or len(path.curves) != 4:
        return False
    corners = path.curves[:, 0]
    straight = corners + (path.curves[:, 3] - corners) / 3
    whole = torch.tensor([[0.0, 0], [size.width, 0], [size.width, size.height], [0, size.height]])
    on_corner = torch.cdist(whole, corners).amin(1) < 0.01
    return bool(on_corner.all() and (straight - path.curves[:, 1]).abs().max() < 0.01)
