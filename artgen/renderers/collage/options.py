"""Options of the collage renderer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field, model_validator
from torch import Tensor

from artgen.assets import Patch
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

    patches: str = Field(
        "animals", description="patch sets, by name or path, separated by commas (artgen assets list)"
    )
    include: str = Field("", description="only patches whose names match, e.g. 'cat*,dog'")
    min_pixels: int = Field(0, ge=0, description="leave out patches whose longer side is shorter")
    max_pixels: int = Field(4096, ge=4, description="leave out patches whose longer side is longer")
    normalise_brightness: bool = Field(False, description="make the brightest colour of each patch 255")
    skip_bad: bool = Field(False, description="go on without patches that cannot be used")
    count: int = Field(100, ge=1, le=10_000, description="number of patches in the picture")
    blending: Blending = Field("over", description="how patches lie upon each other; over: exact order")
    colour: ColourSpace = Field("rgb", description="space in which patches are recoloured; none: as they are")
    min_colour: float = Field(
        0.0, ge=0, le=1, description="least factor of a colour (hsv: saturation, value)"
    )
    max_colour: float = Field(1.0, ge=0, le=1, description="greatest factor of a colour")
    max_hue: float = Field(1.57, ge=0, le=6.3, description="greatest factor of the hue (hsv)")
    min_scale: float = Field(0.06, gt=0, le=4, description="least longer side of a patch, in shorter sides")
    max_scale: float = Field(0.6, gt=0, le=4, description="greatest longer side, in shorter sides")
    min_rotation: float = Field(-180, ge=-180, le=180, description="least rotation in degrees")
    max_rotation: float = Field(180, ge=-180, le=180, description="greatest rotation in degrees")
    min_squeeze: float = Field(0.6, ge=0.1, le=10, description="least factor of width over height")
    max_squeeze: float = Field(1.6, ge=0.1, le=10, description="greatest factor of width over height")
    max_shear: float = Field(0.3, ge=0, le=2, description="greatest shear to either side")
    margin: float = Field(0.15, ge=-0.4, le=1, description="how far centres may leave the picture")
    swaps: float = Field(0.05, ge=0, le=1, description="part of the patches evolution exchanges at a time")
    mutated: float = Field(0.3, ge=0, le=1, description="part of the patches evolution moves at a time")
    invert: bool = Field(False, description="invert the colours (for ink on a white background)")

    @model_validator(mode="after")
    def _ordered(self) -> CollageOptions:
        for name in ("colour", "scale", "rotation", "squeeze", "pixels"):
            least, greatest = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if least > greatest:
                raise ValueError(f"min_{name} {least} is greater than max_{name} {greatest}; swap them")
        return self

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return least and greatest value by parameter, where they are plain numbers."""
        turn = 3.141592653589793 / 180
        return {
            "rotation": (self.min_rotation * turn, self.max_rotation * turn),
            "scale": (self.min_scale, self.max_scale),
            "squeeze": (self.min_squeeze, self.max_squeeze),
            "shear": (-self.max_shear, self.max_shear),
            "order": (0.0, 1.0),
        }


WHOLE_TURN = 2 * math.pi


@torch.no_grad()
def clamp_(parameters: Mapping[str, Tensor], options: CollageOptions, canvas: Size) -> None:
    """Bring a collage's parameters into their bounds, in place; rotations wrap if all are allowed."""
    for name, (least, greatest) in options.bounds().items():
        value = parameters[name]
        if name == "rotation" and greatest - least > WHOLE_TURN - 1e-6:
            value.sub_((value / WHOLE_TURN).round() * WHOLE_TURN)
        else:
            value.clamp_(least, greatest)
    reach = reach_of_centres(options, canvas, parameters["translation"])
    _between_(parameters["translation"], -reach, reach)
    if options.colour != "none":
        _between_(parameters["colour"], *colour_bounds(options, parameters["colour"]))


def _between_(value: Tensor, least: Tensor, greatest: Tensor) -> None:
    value.copy_(torch.minimum(torch.maximum(value, least), greatest))


def reach_of_centres(options: CollageOptions, canvas: Size, like: Tensor) -> Tensor:
    """Return [2] greatest distance of a patch's centre from the picture's, in shorter sides."""
    limits = like.new_tensor([canvas.width, canvas.height]) / (2 * min(canvas)) + options.margin
    return limits.clamp(min=0)


def colour_bounds(options: CollageOptions, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return [3] least and [3] greatest factors of a colour, in the options' colour space."""
    least, greatest = options.min_colour, options.max_colour
    if options.colour == "hsv":
        return like.new_tensor([0, least, least]), like.new_tensor([options.max_hue, greatest, greatest])
    return like.new_tensor([least] * 3), like.new_tensor([greatest] * 3)
