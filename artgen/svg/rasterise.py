"""Drawing SVG files that may be hostile, by resvg in a process of its own with limits."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

from artgen.errors import InputError, UsageError
from artgen.svg import rasterise_process
from artgen.svg.document import parse_document, size_and_view, tag_of

MOST_PIXELS = 64_000_000
"""Most pixels of a drawn picture."""
MOST_FILTERS = 100
"""Most filter operations (blur, lighting and so on) of a drawing."""
MOST_OCTAVES = 16
"""Most octaves of a noise filter; more cannot be seen."""
LONGEST_SECONDS = 20
"""Longest time for drawing one file; a usual drawing takes less than a second."""
LARGEST_MEMORY = 2**31
"""Most memory for drawing one file, in bytes."""

_CANNOT_DRAW = 3
"""Exit status of the process if the file is at fault."""


def rasterise_svg(svg: bytes, name: str, width: int) -> bytes:
    """Return an SVG document as a PNG; needs resvg-py, which is an extra.

    Args:
        svg: the document in UTF-8.
        name: name of the file in messages.
        width: of the picture in pixels; the height follows from the document.

    Raises:
        InputError: not an SVG, one that refers to other files, or one that takes too much to draw.
        UsageError: resvg-py is not installed.
    """
    if importlib.util.find_spec("resvg_py") is None:
        raise UsageError("drawing SVG files needs resvg-py; pip install resvg-py")
    root = parse_document(svg, name, allow_doctype=True)
    _require_moderate(root, name, width)

    program = [sys.executable, "-I", str(Path(rasterise_process.__file__))]
    limits = [str(width), str(LONGEST_SECONDS), str(LARGEST_MEMORY)]
    folders = [folder for folder in sys.path if folder]
    try:
        ended = subprocess.run(
            [*program, *limits, *folders],
            input=svg,
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{name}: drawing it takes longer than {LONGEST_SECONDS} seconds; simplify the drawing"
        ) from None
    except OSError as error:
        raise InputError(f"{name}: the program that draws SVG cannot be started ({error.strerror})") from None

    if ended.returncode == _CANNOT_DRAW:
        reason = ended.stderr.decode(errors="replace")[:100]
        raise InputError(f"{name}: cannot be drawn ({reason}); save it as plain SVG")
    if ended.returncode != 0:
        raise InputError(
            f"{name}: cannot be drawn within the limits of time and memory; simplify the drawing"
        )
    return ended.stdout


def _require_moderate(root: Any, name: str, width: int) -> None:
    """Refuse what would take long or very much memory, and what refers to other files.

    Raises:
        InputError: something of it is refused.
    """
    try:
        drawn_width, drawn_height, _ = size_and_view(root)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name}: {error}; save it as plain SVG") from None
    height = width * drawn_height / drawn_width
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{name}: would be {width} x {height:.0f} pixels, more than {MOST_PIXELS:,}; crop it, "
            "or choose a smaller --side"
        )

    filters = 0
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.endswith("href") and not value.startswith(("#", "data:")):
                raise InputError(
                    f"{name}: refers to {value[:60]!r}; only content of the file itself is drawn"
                )
        if tag_of(element).startswith("fe"):
            filters += 1
            _require_few_octaves(element, name)
    if filters > MOST_FILTERS:
        raise InputError(f"{name}: has {filters} filter operations, at most {MOST_FILTERS}; remove some")


def _require_few_octaves(element: Any, name: str) -> None:
    written = element.get("numOctaves", "1")
    try:
        few = float(written) <= MOST_OCTAVES
    except ValueError:
        few = False
    if not few:
        raise InputError(
            f"{name}: has a noise filter with numOctaves {written[:20]!r}; give a number up to {MOST_OCTAVES}"
        )
