"""The bounds of a collage's parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from artgen.renderers._collage_options import CollageOptions
from artgen.types import Size

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
