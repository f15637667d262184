"""Options of the strokes renderer."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from artgen.errors import InputError
from artgen.images import parse_colour
from artgen.option_kinds import ADVANCED, Kind
from artgen.renderers.base import RendererOptions

MOST_STROKES = 100_000
"""Largest number of strokes in each candidate."""


def _counts(value: object) -> object:
    """Read `64` or `"4,8,16"`."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() for part in parts):
            raise ValueError(f"{value!r} is not a number of strokes; write 64, or 4,8,16 to grow in steps")
        return tuple(int(part) for part in parts)
    return (value,) if isinstance(value, int) else value


def _check_colour(name: str) -> None:
    try:
        parse_colour(name)
    except InputError as error:
        raise ValueError(str(error)) from None


def _joined(values: tuple[int, ...]) -> str:
    return ",".join(str(value) for value in values)


Growth = Annotated[tuple[int, ...], BeforeValidator(_counts), PlainSerializer(_joined), Kind("counts")]


class StrokesOptions(RendererOptions):
    """Options of the strokes renderer; lengths are fractions of the picture's shorter side."""

    strokes: Growth = Field((160,), description="number of strokes, or a growing series such as 4,8,16,32,64")
    segments: int = Field(
        1, ge=1, le=8, description="cubic Bezier curves in each stroke", json_schema_extra=ADVANCED
    )
    shape: Literal["open", "closed"] = Field("open", description="open: brush strokes; closed: filled shapes")
    fill: Literal["nonzero", "evenodd"] = Field(
        "nonzero",
        description="which parts of a closed shape that crosses itself are filled",
        json_schema_extra=ADVANCED,
    )
    ink: Literal["free", "palette", "black"] = Field(
        "free", description="colours of the strokes: any, only those of --palette, or only black"
    )
    palette: Annotated[str, Kind("palette")] | None = Field(
        None,
        description="colours separated by commas, a .gpl, .hex or .pal file, or the name of a palette; "
        "implies --ink palette",
    )
    paper: Annotated[str, Kind("colour", words=("learned", "transparent"))] | None = Field(
        None,
        description="a colour that covers the background, 'learned', or 'transparent'; "
        "by default the background shows",
    )
    start: Literal["edges", "saliency"] = Field(
        "edges",
        description="with --init PICTURE: place strokes on its edges, or where the guide looks",
        json_schema_extra=ADVANCED,
    )
    spread: float | None = Field(
        None,
        gt=0,
        le=1,
        description="fraction of the canvas, around its centre, where random strokes start; "
        "default: 0.65 with a plain border, otherwise 1",
        json_schema_extra=ADVANCED,
    )
    width: float = Field(0.04, gt=0, le=1, description="width of a stroke at the start")
    thinnest: float = Field(0.002, ge=0, le=1, description="smallest width", json_schema_extra=ADVANCED)
    widest: float = Field(0.25, gt=0, le=1, description="largest width", json_schema_extra=ADVANCED)
    opaque: bool = Field(False, description="make all strokes fully opaque", json_schema_extra=ADVANCED)
    taper: float = Field(
        0.0, ge=0, le=0.5, description="fraction of a stroke over which each end narrows to a point"
    )
    blend: Literal["srgb", "linear"] = Field(
        "srgb",
        description="colour space of the blending: srgb as in browsers, or linear light (the SVG then looks darker)",
        json_schema_extra=ADVANCED,
    )

    @property
    def starts_on_saliency(self) -> bool:
        """Whether strokes start where a guide looks in the initial picture."""
        return self.start == "saliency"

    @model_validator(mode="after")
    def _consistent(self) -> StrokesOptions:
        if not self.strokes or not all(1 <= count <= MOST_STROKES for count in self.strokes):
            raise ValueError(f"strokes: each number must be from 1 to {MOST_STROKES}; 64 is a good start")
        if any(fewer >= more for fewer, more in itertools.pairwise(self.strokes)):
            raise ValueError("strokes: a series must grow, such as 4,8,16,32,64")
        if self.ink == "palette" and self.palette is None:
            raise ValueError("ink palette needs a palette, such as --palette '#112233,gold'")
        if self.ink == "black" and self.palette is not None:
            raise ValueError("palette and black ink contradict each other; give one of them")
        if self.paper is not None and self.paper not in ("learned", "transparent"):
            _check_colour(self.paper)
        if not self.thinnest <= self.width <= self.widest:
            raise ValueError(
                f"width {self.width} must be between thinnest {self.thinnest} and widest {self.widest}"
            )
        return self
