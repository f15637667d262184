"""Where the patches of a collage lie: affine maps, and the boxes they cover.

Lengths are in *units of the picture's shorter side*, the origin is the picture's centre,
x goes right and y down, so that the same parameters give the same picture at any size.
A patch's own coordinates have the origin at its centre and its longer side has length 1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.types import Size

Affine = Float[Tensor, "population elements 2 3"]
"""Maps (x, y, 1) to (x, y)."""


class Pose(NamedTuple):
    """Position and form of every patch.

    Args:
        translation: [P, N, 2] centre.
        rotation: [P, N] radians, clockwise as seen (y goes down).
        scale: [P, N] length of the patch's longer side.
        squeeze: [P, N] factor of width over height, at the same area.
        shear: [P, N] how far x moves per y, before turning.
    """

    translation: Float[Tensor, "population elements 2"]
    rotation: Float[Tensor, "population elements"]
    scale: Float[Tensor, "population elements"]
    squeeze: Float[Tensor, "population elements"]
    shear: Float[Tensor, "population elements"]


def patch_to_pixels(pose: Pose, size: Size) -> Affine:
    """Return the maps from patch coordinates to pixels of a picture of this size."""
    root = pose.squeeze.sqrt()
    width, height = pose.scale * root, pose.scale / root
    cosine, sine = pose.rotation.cos(), pose.rotation.sin()
    sheared = pose.shear * height
    first = torch.stack([cosine * width, cosine * sheared - sine * height], -1)
    second = torch.stack([sine * width, sine * sheared + cosine * height], -1)
    linear = torch.stack([first, second], -2) * min(size)
    return torch.cat([linear, centres(pose.translation, size)[..., None]], -1)


def centres(translation: Tensor, size: Size) -> Tensor:
    """Return [P, N, 2] translations as pixels of a picture of this size."""
    middle = translation.new_tensor([size.width / 2, size.height / 2])
    return middle + translation * min(size)


def inverse(affine: Affine) -> Affine:
    """Return the inverse maps, written out so that they are exact and cheap to differentiate."""
    (a, b, x), (c, d, y) = (row.unbind(-1) for row in affine.unbind(-2))
    determinant = a * d - b * c
    first = torch.stack([d, -b, b * y - d * x], -1)
    second = torch.stack([-c, a, c * x - a * y], -1)
    return torch.stack([first, second], -2) / determinant[..., None, None]


@torch.no_grad()
def boxes(affine: Affine, half: Float[Tensor, "population elements 2"]) -> Tensor:
    """Return [P, N, 4] left, top, right, bottom in pixels of what patches cover.

    Args:
        affine: patch coordinates to pixels.
        half: half the patches' width and height in patch coordinates.
    """
    reach = (affine[..., :2].abs() * half[..., None, :]).sum(-1) + 1  # 1 pixel for interpolation
    middle = affine[..., 2]
    return torch.cat([middle - reach, middle + reach], -1)
