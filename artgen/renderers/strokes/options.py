"""Options of the strokes renderer."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from artgen.errors import InputError
from artgen.images import parse_colour
from artgen.renderers.base import RendererOptions

MOST_STROKES = 100_000


def _counts(value: Any) -> Any:
    """Read `64` or `"4,8,16"`."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() for part in parts):
            raise ValueError(f"{value!r} is not a number of strokes; write 64, or 4,8,16 to grow in steps")
        return tuple(int(part) for part in parts)
    return (value,) if isinstance(value, int) else value


def _check_colour(name: Any) -> None:
    try:
        parse_colour(str(name))
    except InputError as error:
        raise ValueError(str(error)) from None


def _joined(values: tuple[Any, ...]) -> str:
    return ",".join(str(value) for value in values)


Growth = Annotated[tuple[int, ...], BeforeValidator(_counts), PlainSerializer(_joined)]


class StrokesOptions(RendererOptions):
    """Options of the strokes renderer; lengths are parts of the picture's shorter side."""

    strokes: Growth = Field((160,), description="number of strokes, or a growing series such as 4,8,16,32,64")
    segments: int = Field(1, ge=1, le=8, description="cubic Bezier curves per stroke")
    shape: Literal["open", "closed"] = Field("open", description="open: brush strokes; closed: filled shapes")
    fill: Literal["nonzero", "evenodd"] = Field(
        "nonzero", description="what is inside a closed shape that crosses itself"
    )
    ink: Literal["free", "palette", "black"] = Field(
        "free", description="colours of the strokes: any, those of --palette, or black only"
    )
    palette: str | None = Field(
        None,
        description="colours separated by commas, a .gpl, .hex or .pal file, or a name; implies --ink palette",
    )
    paper: str | None = Field(
        None,
        description="a colour that covers the background, 'learned', or 'transparent'; default: --background",
    )
    start: Literal["edges", "saliency"] = Field(
        "edges", description="with --init PICTURE: begin on its edges, or where the guide looks"
    )
    spread: float | None = Field(
        None,
        gt=0,
        le=1,
        description="part of the picture's sides that random strokes begin in; "
        "default 0.65 if the border is to stay calm, else 1",
    )
    width: float = Field(0.04, gt=0, le=1, description="width of a stroke at the start")
    thinnest: float = Field(0.002, ge=0, le=1, description="least width")
    widest: float = Field(0.25, gt=0, le=1, description="greatest width")
    opaque: bool = Field(False, description="no stroke lets what is below shine through")
    taper: float = Field(
        0.0, ge=0, le=0.5, description="part of a stroke over which each end narrows to a point"
    )
    blend: Literal["srgb", "linear"] = Field(
        "srgb",
        description="space colours mix in: srgb as browsers do, linear as light does (the SVG then looks darker)",
    )

    @model_validator(mode="after")
    def _consistent(self) -> StrokesOptions:
        if not self.strokes or not all(1 <= count <= MOST_STROKES for count in self.strokes):
            raise ValueError(f"strokes: each number must be 1 to {MOST_STROKES}; 64 is a good start")
        if any(a >= b for a, b in itertools.pairwise(self.strokes)):
            raise ValueError("strokes: a series must grow, such as 4,8,16,32,64")
        if self.ink == "palette" and self.palette is None:
            raise ValueError("ink palette needs a palette, such as --palette '#112233,gold'")
        if self.ink == "black" and self.palette is not None:
            raise ValueError("palette and black ink contradict each other; give one of them")
        if self.paper not in (None, "learned", "transparent"):
            _check_colour(self.paper)
        if not self.thinnest <= self.width <= self.widest:
            raise ValueError("thinnest, width and widest must be in this order")
        return self
