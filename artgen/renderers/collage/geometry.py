"""Where the patches of a collage are: affine maps, and the boxes they cover.

Lengths are in *units of the picture's shorter side*, the origin is the picture's centre,
x goes right and y down, so that the same parameters give the same picture at any size.
A patch's own coordinates have the origin at its centre and its longer side has length 1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.devices import tensor_on
from artgen.types import Size

Affine = Float[Tensor, "population elements 2 3"]
"""Maps (x, y, 1) to (x, y)."""

INTERPOLATION_REACH = 1
"""Pixels by which bilinear interpolation reaches beyond a patch's edge."""


class Pose(NamedTuple):
    """Position and shape of every patch.

    Args:
        translation: [P, N, 2] centre.
        rotation: [P, N] radians, clockwise as seen (y goes down).
        scale: [P, N] length of the patch's longer side.
        squeeze: [P, N] factor of width over height; the area stays the same.
        shear: [P, N] how far x moves per y, before the rotation.
    """

    translation: Float[Tensor, "population elements 2"]
    rotation: Float[Tensor, "population elements"]
    scale: Float[Tensor, "population elements"]
    squeeze: Float[Tensor, "population elements"]
    shear: Float[Tensor, "population elements"]


def patch_to_pixels(pose: Pose, size: Size) -> Affine:
    """Return the maps from patch coordinates to pixels of a picture of this size."""
    root = pose.squeeze.sqrt()  # [P, N], as all numbers here
    width, height = pose.scale * root, pose.scale / root
    cosine, sine = pose.rotation.cos(), pose.rotation.sin()
    sheared = pose.shear * height

    # rotation @ [[width, sheared], [0, height]]
    first = torch.stack([cosine * width, cosine * sheared - sine * height], -1)  # [P, N, 2]
    second = torch.stack([sine * width, sine * sheared + cosine * height], -1)
    linear = torch.stack([first, second], -2) * min(size)  # [P, N, 2, 2]
    offset = centres(pose.translation, size)[..., None]  # [P, N, 2, 1]
    return torch.cat([linear, offset], -1)  # [P, N, 2, 3]


def centres(translation: Tensor, size: Size) -> Tensor:
    """Return [P, N, 2] translations as pixels of a picture of this size."""
    middle = tensor_on([size.width / 2, size.height / 2], translation.device, translation.dtype)  # [2]
    return middle + translation * min(size)


def inverse(affine: Affine) -> Affine:
    """Return the inverse maps, written out so that they are exact and cheap to differentiate."""
    first_row, second_row = affine.unbind(-2)  # [P, N, 3] each
    a, b, x = first_row.unbind(-1)  # [P, N] each
    c, d, y = second_row.unbind(-1)

    determinant = a * d - b * c
    first = torch.stack([d, -b, b * y - d * x], -1)  # [P, N, 3]
    second = torch.stack([-c, a, c * x - a * y], -1)
    return torch.stack([first, second], -2) / determinant[..., None, None]  # [P, N, 2, 3]


@torch.no_grad()
def boxes(affine: Affine, half: Float[Tensor, "population elements 2"]) -> Tensor:
    """Return [P, N, 4] left, top, right, bottom in pixels of what the patches cover.

    Args:
        affine: [P, N, 2, 3] patch coordinates to pixels.
        half: [P, N, 2] half the patches' width and height in patch coordinates.
    """
    linear, middle = affine[..., :2], affine[..., 2]  # [P, N, 2, 2], [P, N, 2]
    reach = (linear.abs() * half[..., None, :]).sum(-1) + INTERPOLATION_REACH  # [P, N, 2]
    return torch.cat([middle - reach, middle + reach], -1)  # [P, N, 4]
