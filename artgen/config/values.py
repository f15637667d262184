"""Types of configuration values that people write as text: sizes, aspect ratios, names."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from artgen.errors import UsageError
from artgen.geometry import Size
from artgen.option_kinds import Kind

LARGEST_SIDE = 32768
"""Longest side of a picture in pixels."""


def parse_size(value: Any) -> Any:
    """Read `"640x480"` (width x height) as a `Size`; pass on None.

    Raises:
        ValueError: not a size, or a side is out of range.
    """
    if value is not None and not isinstance(value, Size):
        value = str(value)
        width, cross, height = value.lower().partition("x")
        if not cross or not width.strip().isdecimal() or not height.strip().isdecimal():
            raise ValueError(f"{value[:40]!r} is not a size; write WIDTHxHEIGHT, such as 640x480")
        # Python refuses to read thousands of digits; six are too large already.
        value = Size(int(height.strip()[:6]), int(width.strip()[:6]))

    if isinstance(value, Size) and not all(1 <= side <= LARGEST_SIDE for side in value):
        raise ValueError(f"the sides of a size must be 1 to {LARGEST_SIDE} pixels")
    return value


def size_option(text: str) -> Size:
    """Read the command-line option `--size`, such as `"640x480"`.

    Raises:
        UsageError: the text is not a size, or the size is too large.
    """
    try:
        size: Size = parse_size(text)
    except ValueError as error:
        raise UsageError(f"--size: {error}") from None
    return size


def parse_aspect(value: Any) -> Any:
    """Read `"3:2"` (width:height) as a number; pass on anything else.

    Raises:
        ValueError: the parts are not numbers, or the height is 0.
    """
    if isinstance(value, str) and ":" in value:
        width, _, height = value.partition(":")
        try:
            value = float(width) / float(height)
        except (ValueError, ZeroDivisionError):
            raise ValueError(
                f"{value[:40]!r} is not an aspect ratio; write WIDTH:HEIGHT, such as 3:2"
            ) from None
    return value


def _not_blank(value: str) -> str:
    """Refuse an empty text, which usually comes from a shell variable that is not set."""
    if not value.strip():
        raise ValueError("is empty; name something, or leave it out")
    return value


def _format_size(size: Size) -> str:
    """Return a size as `parse_size` reads it."""
    return f"{size.width}x{size.height}"


NameField = Annotated[str, AfterValidator(_not_blank)]
"""Name or path of a file, a colour or a palette; never empty."""
FileField = Annotated[NameField, Kind("file")]
"""Path of a local file or folder; never empty."""
PaletteField = Annotated[NameField, Kind("palette")]
"""A palette's name, its colours separated by commas, or its file; never empty."""
BackgroundField = Annotated[NameField, Kind("background")]
"""A colour, or the path of a picture; never empty."""
SizeField = Annotated[Size, BeforeValidator(parse_size), PlainSerializer(_format_size), Kind("size")]
"""A size, written as `640x480` (width x height)."""
AspectField = Annotated[float, BeforeValidator(parse_aspect), Field(gt=0.02, lt=50), Kind("aspect")]
"""Width / height, written as a number or as `3:2`."""
