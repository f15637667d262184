"""Options of the collage renderer."""

from __future__ import annotations

from pydantic import Field, model_validator

from artgen.assets import Patch
from artgen.renderers._collage_blending import Blending
from artgen.renderers._collage_colour import ColourSpace
from artgen.renderers.base import RendererOptions


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
