"""Cutouts: random views of the picture, warped straight to the guide's size.

Each view is one homography (perspective after crop after flip). All views of all
candidates are drawn in one tensor operation and sampled in one `grid_sample` from a
mipmap atlas, so that a view that shrinks the picture still reaches every pixel with
its gradient (Williams 1983, "Pyramidal parametrics").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from kornia.geometry.transform import get_perspective_transform
from torch import Tensor
from torch.nn import functional

from artgen.config import CutoutOptions
from artgen.devices import sampled, send, tensor_on
from artgen.guides.base import Variation
from artgen.types import WHOLE, Image, Region, Size

WIDEST_CROP = 4 / 3
"""Largest ratio of a crop's sides; the guide's own picture is (nearly) square."""

Homographies = Float[Tensor, "population views 3 3"]
"""From a view's unit square to fractions of the canvas, x before y."""

_DRAWS = 12


def varied(options: CutoutOptions, preferred: Variation) -> CutoutOptions:
    """Return the options with the guides' preferred variation wherever they are None."""
    return options.model_copy(update=vars(_variation(options, preferred)))


def _variation(options: CutoutOptions, preferred: Variation) -> Variation:
    """Return the variation of the options, with the preferred one where they are None."""
    configured = {name: getattr(options, name) for name in vars(preferred)}
    given = {name: value for name, value in configured.items() if value is not None}
    variation = replace(preferred, **given)
    return replace(variation, smallest=min(variation.smallest, options.largest))


def draw_homographies(
    options: CutoutOptions,
    regions: Sequence[Region],
    canvas: Size,
    generators: Sequence[torch.Generator],
    wrap: bool = False,
) -> Homographies:
    """Draw `options.count` views for each region and candidate.

    Args:
        options: crop sizes, perspective and flip; None means the default `Variation`.
        regions: R rectangles; every view stays within its rectangle.
        canvas: size of the picture, for the aspect ratio of the crops.
        generators: one per candidate, so that a candidate's views do not depend on
            the others.
        wrap: let views of the whole picture start anywhere and cross its right and lower
            edge, as if the picture were repeated there.

    Returns:
        [P, R * V, 3, 3], region by region.
    """
    variation = _variation(options, Variation())
    views = len(regions) * options.count

    # [P, views, draws]: 0 scale, 1-2 position, 3-10 perspective of the corners, 11 flip
    draws = torch.stack([torch.rand(views, _DRAWS, generator=generator) for generator in generators])
    bounds = torch.tensor([list(region) for region in regions]).repeat_interleave(options.count, dim=0)
    corners = _corners(variation, options.largest, bounds, canvas, draws, wrap)  # [P, views, 4, 2]

    unit = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).expand_as(corners)
    flat = get_perspective_transform(unit.reshape(-1, 4, 2), corners.reshape(-1, 4, 2))
    return flat.reshape(len(generators), views, 3, 3)


def _corners(
    variation: Variation, largest_crop: float, bounds: Tensor, canvas: Size, draws: Tensor, wrap: bool
) -> Tensor:
    """Return [P, views, 4, 2] the corners of the views in fractions of the canvas."""
    low, extent = bounds[:, :2], bounds[:, 2:] - bounds[:, :2]
    pixels = extent * torch.tensor([canvas.width, canvas.height])
    longest = pixels.amin(dim=-1, keepdim=True) * WIDEST_CROP
    largest = torch.minimum(pixels, longest) / pixels * extent

    scale = variation.smallest + (largest_crop - variation.smallest) * draws[..., 0:1]
    crop = largest * scale
    room = extent - crop
    if wrap:
        is_whole = (bounds == bounds.new_tensor(WHOLE)).all(dim=-1, keepdim=True)
        room = torch.where(is_whole, torch.ones_like(room), room)
    start = low + room * draws[..., 1:3]  # [P, views, 2]

    inward = draws[..., 3:11].unflatten(-1, (4, 2)) * variation.perspective / 2
    unit = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    unit = unit + inward * (1 - 2 * unit)
    mirrored = unit[..., [1, 0, 3, 2], :]
    is_mirrored = draws[..., 11] < variation.flip  # [P, views]
    unit = torch.where(is_mirrored[..., None, None], mirrored, unit)

    return start[..., None, :] + crop[..., None, :] * unit


def sample_views(
    image: Image, homographies: Homographies, side: Size, wrap: bool = False
) -> Float[Tensor, "population views 3 h w"]:
    """Warp the picture into views.

    Args:
        image: [P, 3, H, W] pictures.
        homographies: [P, V, 3, 3] from `draw_homographies`, or a part of its views.
        side: size of a view.
        wrap: repeat the picture to the right and below, for views that cross its edges.

    Returns:
        [P, V, 3, side.height, side.width], bilinear from the mipmap level whose pixels
        are nearest to the view's in size. Outside the canvas its edge is repeated.
    """
    if wrap:
        image = image.repeat(1, 1, 2, 2)
        homographies = torch.tensor([0.5, 0.5, 1.0])[:, None] * homographies
    population, views = homographies.shape[:2]
    canvas = Size(*image.shape[-2:])
    places = _places(send(homographies, image.device), side)  # [P, V, h, w, 2]

    # Each view is sampled from one mipmap level.
    scale = _shrink(homographies, canvas, side)  # [P, V]
    deepest = max(0, math.ceil(math.log2(max(canvas.height / side.height, canvas.width / side.width, 1))))
    deepest = min(deepest, int(math.log2(min(canvas))))
    level = send(scale.clamp(min=1).log2().round().clamp(max=deepest).long(), image.device)
    atlas, sizes, offsets = _atlas(image, deepest)

    # From fractions of the canvas to pixels of the level, then to pixels of the atlas.
    shape = (population, views, 1, 1, 2)
    extent = sizes.index_select(0, level.flatten()).view(shape)
    offset = offsets.index_select(0, level.flatten()).view(shape)
    whole = tensor_on([canvas.width, canvas.height], image.device) / 2.0 ** level.view(*shape[:-1], 1)
    pixels = torch.minimum((places * whole - 0.5).clamp(min=0), extent - 1) + offset

    atlas_size = tensor_on([atlas.shape[-1], atlas.shape[-2]], image.device)
    grid = ((pixels + 0.5) * 2 / atlas_size - 1).flatten(1, 2).to(image.dtype)
    return sampled(atlas, grid).unflatten(2, (views, side.height)).transpose(1, 2)


def _places(homographies: Tensor, side: Size) -> Tensor:
    """Return [P, V, h, w, 2] the pixel centres of the views in fractions of the canvas."""
    device = homographies.device
    down = (torch.arange(side.height, device=device) + 0.5) / side.height
    across = (torch.arange(side.width, device=device) + 0.5) / side.width
    rows, columns = homographies[..., None, None, :, 1], homographies[..., None, None, :, 0]

    x, y = across[:, None], down[:, None, None]
    homogeneous = columns * x + rows * y + homographies[..., None, None, :, 2]
    return homogeneous[..., :2] / homogeneous[..., 2:]


def _shrink(homographies: Tensor, canvas: Size, side: Size) -> Tensor:
    """Return [P, V] the canvas pixels per view pixel, at the view's centre, longer axis."""
    centre = homographies.new_tensor([0.5, 0.5, 1.0])
    place = homographies @ centre  # [P, V, 3]
    depth = place[..., 2:]

    # The derivative of the projection x / z (quotient rule).
    projected = (place[..., :2] / depth)[..., None] * homographies[..., 2:, :2]
    derivative = (homographies[..., :2, :2] - projected) / depth[..., None]

    pixels = derivative * homographies.new_tensor([canvas.width, canvas.height])[:, None]
    per_axis = pixels.norm(dim=-2) / homographies.new_tensor([side.width, side.height])  # [P, V, 2]
    return per_axis.amax(dim=-1)


def _atlas(image: Tensor, deepest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return one texture with all mipmap levels, and each level's [w, h] and [x, y] offset."""
    levels = [image]
    for _ in range(deepest):
        levels.append(functional.avg_pool2d(levels[-1], 2, ceil_mode=True, count_include_pad=False))

    # The picture on the left, all smaller levels in a column on its right.
    sizes = [[level.shape[-1], level.shape[-2]] for level in levels]
    offsets, top = [[0, 0]], 0
    for level in levels[1:]:
        offsets.append([image.shape[-1], top])
        top += level.shape[-2]

    if deepest:
        width = levels[1].shape[-1]
        padded = [functional.pad(level, (0, width - level.shape[-1])) for level in levels[1:]]
        column = torch.cat(padded, dim=-2)
        height = max(image.shape[-2], column.shape[-2])
        parts = [functional.pad(part, (0, 0, 0, height - part.shape[-2])) for part in (image, column)]
        image = torch.cat(parts, dim=-1)

    as_tensor = [tensor_on(values, image.device, image.dtype) for values in (sizes, offsets)]
    return image, as_tensor[0], as_tensor[1]
