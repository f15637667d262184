"""Options of the collage renderer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from artgen.assets import Patch
from artgen.devices import tensor_on
from artgen.option_kinds import ADVANCED, Kind
from artgen.renderers.base import RendererOptions
from artgen.renderers.collage.blending import Blending
from artgen.renderers.collage.recolour import ColourSpace
from artgen.types import Size


class Sources(tuple[Patch, ...]):
    """The patches of a renderer; copies of the renderer share them."""

    def __deepcopy__(self, memo: object) -> Sources:
        return self


class CollageOptions(RendererOptions):
    """Options of `--renderer collage`."""

    patches: Annotated[str, Kind("patch sets")] = Field(
        "animals", description="patch sets, by name or path, separated by commas (artgen assets list)"
    )
    include: str = Field(
        "", description="use only patches whose names match, e.g. 'cat*,dog'", json_schema_extra=ADVANCED
    )
    min_pixels: int = Field(
        0, ge=0, description="skip patches whose longer side has fewer pixels", json_schema_extra=ADVANCED
    )
    max_pixels: int = Field(
        4096, ge=4, description="skip patches whose longer side has more pixels", json_schema_extra=ADVANCED
    )
    normalise_brightness: bool = Field(
        False, description="brighten each patch until its brightest colour is 255", json_schema_extra=ADVANCED
    )
    skip_bad: bool = Field(False, description="skip patches that cannot be read", json_schema_extra=ADVANCED)
    count: int = Field(100, ge=1, le=10_000, description="number of patches in the picture")
    blending: Blending = Field(
        "over", description="how overlapping patches combine; over: the upper one hides the lower"
    )
    colour: ColourSpace = Field(
        "rgb", description="colour space in which patches are tinted; none: keep their colours"
    )
    min_colour: float = Field(
        0.0,
        ge=0,
        le=1,
        description="smallest factor of a colour (hsv: of saturation and value)",
        json_schema_extra=ADVANCED,
    )
    max_colour: float = Field(
        1.0, ge=0, le=1, description="largest factor of a colour", json_schema_extra=ADVANCED
    )
    max_hue: float = Field(
        1.57, ge=0, le=6.3, description="largest factor of the hue (hsv)", json_schema_extra=ADVANCED
    )
    min_scale: float = Field(
        0.06,
        gt=0,
        le=4,
        description="smallest patch: its longer side as a fraction of the picture's shorter side",
    )
    max_scale: float = Field(
        0.6,
        gt=0,
        le=4,
        description="largest patch: its longer side as a fraction of the picture's shorter side",
    )
    min_rotation: float = Field(
        -180, ge=-180, le=180, description="smallest rotation in degrees", json_schema_extra=ADVANCED
    )
    max_rotation: float = Field(
        180, ge=-180, le=180, description="largest rotation in degrees", json_schema_extra=ADVANCED
    )
    min_squeeze: float = Field(
        0.6, ge=0.1, le=10, description="smallest factor of width over height", json_schema_extra=ADVANCED
    )
    max_squeeze: float = Field(
        1.6, ge=0.1, le=10, description="largest factor of width over height", json_schema_extra=ADVANCED
    )
    max_shear: float = Field(
        0.3, ge=0, le=2, description="largest shear to either side", json_schema_extra=ADVANCED
    )
    margin: float = Field(
        0.15,
        ge=-0.4,
        le=1,
        description="how far a patch's centre may leave the picture, as a fraction of the shorter side",
        json_schema_extra=ADVANCED,
    )
    swaps: float = Field(
        0.05,
        ge=0,
        le=1,
        description="fraction of the patches that a mutation exchanges for others",
        json_schema_extra=ADVANCED,
    )
    mutated: float = Field(
        0.3,
        ge=0,
        le=1,
        description="fraction of the patches that a mutation moves",
        json_schema_extra=ADVANCED,
    )
    invert: bool = Field(
        False, description="invert the colours (for ink on a white background)", json_schema_extra=ADVANCED
    )

    @model_validator(mode="after")
    def _ordered(self) -> CollageOptions:
        for name in ("colour", "scale", "rotation", "squeeze", "pixels"):
            least, greatest = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if least > greatest:
                raise ValueError(f"min_{name} {least} is greater than max_{name} {greatest}; swap them")
        return self

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return the smallest and largest value of each parameter whose bounds are plain numbers."""
        turn = 3.141592653589793 / 180
        return {
            "rotation": (self.min_rotation * turn, self.max_rotation * turn),
            "scale": (self.min_scale, self.max_scale),
            "squeeze": (self.min_squeeze, self.max_squeeze),
            "shear": (-self.max_shear, self.max_shear),
            "order": (0.0, 1.0),
        }


WHOLE_TURN = 2 * math.pi
"""In radians."""


@torch.no_grad()
def clamp_(parameters: Mapping[str, Tensor], options: CollageOptions, canvas: Size) -> None:
    """Clamp a collage's parameters to their bounds, in place; rotations wrap if the whole turn is allowed."""
    for name, (least, greatest) in options.bounds().items():
        value = parameters[name]
        # a little less than a whole turn, because degrees are converted with rounding
        if name == "rotation" and greatest - least > WHOLE_TURN - 1e-6:
            value.sub_((value / WHOLE_TURN).round() * WHOLE_TURN)
        else:
            value.clamp_(least, greatest)

    reach = reach_of_centres(options, canvas, parameters["translation"])
    _between_(parameters["translation"], -reach, reach)
    if options.colour != "none":
        _between_(parameters["colour"], *colour_bounds(options, parameters["colour"]))


def _between_(value: Tensor, least: Tensor, greatest: Tensor) -> None:
    """Clamp in place between bounds that are tensors."""
    value.copy_(torch.minimum(torch.maximum(value, least), greatest))


def reach_of_centres(options: CollageOptions, canvas: Size, like: Tensor) -> Tensor:
    """Return [2] how far a patch's centre may be from the picture's, in shorter sides."""
    limits = (
        tensor_on([canvas.width, canvas.height], like.device, like.dtype) / (2 * min(canvas)) + options.margin
    )
    return limits.clamp(min=0)


def colour_bounds(options: CollageOptions, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return [3] the smallest and [3] the largest factors of a colour, in the options' colour space."""
    least, greatest = options.min_colour, options.max_colour
    if options.colour == "hsv":
        smallest, largest = [0, least, least], [options.max_hue, greatest, greatest]
    else:
        smallest, largest = [least] * 3, [greatest] * 3
    return tensor_on(smallest, like.device, like.dtype), tensor_on(largest, like.device, like.dtype)
