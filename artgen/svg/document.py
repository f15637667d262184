"""Parsing SVG documents that may be hostile, with limits on their elements. No torch."""

from __future__ import annotations

import math
import re
from typing import Any

import defusedxml
from defusedxml import ElementTree

from artgen.errors import InputError
from artgen.svg.path_data import IDENTITY, Matrix
from artgen.svg.shapes import length

LARGEST_SVG_FILE = 16_000_000
"""Largest SVG file in bytes."""
MOST_ELEMENTS = 50_000
DEEPEST = 100
"""Deepest nesting of elements."""
LONGEST_LENGTH = 1e6
"""Largest width and height of a drawing in pixels."""

_MOST_MARKS = 5 * MOST_ELEMENTS
"""Most `<` in a document: each element has two, and there may be comments. Counted before it is parsed."""


def parse_document(content: bytes | str, name: str, allow_doctype: bool = False) -> Any:
    """Return the root element of an SVG document.

    Args:
        content: the document.
        name: what to call it in messages.
        allow_doctype: accept a document type without entities, which older programs write.

    Raises:
        InputError: malformed, too large, nested too deeply, or with entities.
    """
    if len(content) > LARGEST_SVG_FILE:
        raise InputError(f"{name}: is larger than {LARGEST_SVG_FILE:,} bytes; simplify the drawing")
    marks = content.count("<") if isinstance(content, str) else content.count(b"<")
    if marks > _MOST_MARKS:
        raise InputError(f"{name}: more than {MOST_ELEMENTS:,} elements; simplify the drawing")

    try:
        root = ElementTree.fromstring(content, forbid_dtd=not allow_doctype)
    except defusedxml.DefusedXmlException:
        raise InputError(f"{name}: has a DTD or entities, which are refused; save it as plain SVG") from None
    except Exception as error:  # expat's ParseError, encodings, recursion, memory
        reason = " ".join(str(error).split())[:100]
        raise InputError(
            f"{name}: not well-formed XML ({type(error).__name__}: {reason}); save it again"
        ) from None

    if tag_of(root) != "svg":
        raise InputError(f"{name}: the outermost element is {tag_of(root)!r}, not svg; give an SVG file")
    _check_elements(root, name)
    return root


def tag_of(element: Any) -> str:
    """Return the name of an element without its namespace, in small letters."""
    return str(element.tag).rpartition("}")[2].lower()


def _check_elements(root: Any, name: str) -> None:
    """Refuse too many elements, and too deep nesting, which would overflow the stack of a renderer.

    Raises:
        InputError: there are too many, or they are nested too deeply.
    """
    count = depth = 0
    level = [root]
    while level:
        count += len(level)
        if count > MOST_ELEMENTS:
            raise InputError(f"{name}: more than {MOST_ELEMENTS:,} elements; simplify the drawing")
        if depth > DEEPEST:
            raise InputError(f"{name}: elements are nested more than {DEEPEST} deep; simplify the drawing")
        depth += 1
        level = [child for element in level for child in element]


def size_and_view(root: Any) -> tuple[float, float, Matrix]:
    """Return width and height of a drawing in pixels, and the transform from its view box.

    Raises:
        ValueError: they are invalid.
    """
    written = root.get("viewBox", "")
    box = [float(number) for number in re.split(r"[\s,]+", written.strip()) if number]
    if box and (len(box) != 4 or box[2] <= 0 or box[3] <= 0 or not all(map(math.isfinite, box))):
        raise ValueError(f"viewBox {written[:40]!r} is not four numbers with a size")

    width = length(root.get("width", ""), None) or (box[2] if box else 300.0)
    height = length(root.get("height", ""), None) or (box[3] if box else 150.0)
    if not (0 < width <= LONGEST_LENGTH and 0 < height <= LONGEST_LENGTH):
        raise ValueError(f"its size {width:g} x {height:g} is invalid; width and height must be positive")
    if not box:
        return width, height, IDENTITY

    scale = min(width / box[2], height / box[3])
    left, top = (width - scale * box[2]) / 2, (height - scale * box[3]) / 2
    return width, height, (scale, 0.0, 0.0, scale, left - scale * box[0], top - scale * box[1])
