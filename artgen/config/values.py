"""Values as people write them: sizes, shapes and names."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from artgen.errors import UsageError
from artgen.geometry import Size

LARGEST_SIDE = 32768
"""Longest side of a picture in pixels."""


def parse_size(value: Any) -> Any:
    """Read `"640x480"` (width x height) as a `Size`."""
    if value is not None and not isinstance(value, Size):
        value = str(value)
        width, cross, height = value.lower().partition("x")
        if not cross or not width.strip().isdecimal() or not height.strip().isdecimal():
            raise ValueError(f"{value[:40]!r} is not a size; write WIDTHxHEIGHT, such as 640x480")
        value = Size(int(height), int(width))
    if isinstance(value, Size) and not all(1 <= side <= LARGEST_SIDE for side in value):
        raise ValueError(f"a size needs sides of 1 to {LARGEST_SIDE} pixels")
    return value


def written_size(text: str) -> Size:
    """Read `"640x480"` from the command line.

    Raises:
        UsageError: not a size, or too large.
    """
    try:
        size: Size = parse_size(text)
    except ValueError as error:
        raise UsageError(f"--size: {error}") from None
    return size


def parse_aspect(value: Any) -> Any:
    """Read `"3:2"` (width:height) as a number."""
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
    if not value.strip():
        raise ValueError("is empty; name something, or leave it out")
    return value


Named = Annotated[str, AfterValidator(_not_blank)]
"""A file, a colour or a palette; an empty text, as of a variable that is not set, is none."""
WrittenSize = Annotated[
    Size, BeforeValidator(parse_size), PlainSerializer(lambda size: f"{size.width}x{size.height}")
]
Aspect = Annotated[float, BeforeValidator(parse_aspect), Field(gt=0.02, lt=50)]
