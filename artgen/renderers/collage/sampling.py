"""Sampling the patches of a collage at their places, tile by tile.

Only tiles that a patch really touches are sampled, all in one `grid_sample`. With exact
order, tiles of a patch that an opaque patch hides are left out too, so that the cost
follows the visible pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from artgen.devices import known_to_repeat, tensor_on
from artgen.renderers.binning import Stacks, TileGrid, stack, tiles_in_boxes
from artgen.renderers.collage.atlas import BORDER, Atlas, Patches, Slots, touching
from artgen.renderers.collage.geometry import Affine, boxes, inverse

BILINEAR, ZEROS = 0, 0
"""Codes of `grid_sampler`: bilinear interpolation, and zeros (clear) outside the texture."""

Pairs = Int[Tensor, " pairs"]
PairPoints = Float[Tensor, "pairs 2"]


class Samples(NamedTuple):
    """The patches' pixels in the tiles they touch.

    Args:
        layers: [M, 4, Q] premultiplied RGBA as in the patches, depth-major.
        element: [M] index of each pair's element among all [P * N].
        stacks: how the pairs are ordered.
    """

    layers: Float[Tensor, "pairs 4 pixels"]
    element: Int[Tensor, " pairs"]
    stacks: Stacks


class Scene(NamedTuple):
    """What to sample, the elements of each candidate in the order of painting.

    Args:
        affine: [P, N, 2, 3] patch coordinates to pixels.
        patch: [P, N] the patch that each element shows.
        patches: all patches.
        atlas: textures of the patches.
    """

    affine: Affine
    patch: Int[Tensor, "population elements"]
    patches: Patches
    atlas: Atlas


def sample(scene: Scene, grid: TileGrid, ordered: bool) -> Samples:
    """Sample every patch in every tile it touches.

    Args:
        scene: patches and their places.
        grid: the tiles.
        ordered: True if a patch hides those below it, so that hidden pairs can be left out.
    """
    to_patch = inverse(scene.affine).flatten(0, 1)  # [P * N, 2, 3]
    patch = scene.patch.flatten()  # [P * N]

    # the choice of tiles and textures has no gradient
    with torch.no_grad():
        linear = scene.affine[..., :2].detach().flatten(0, 1)  # [P * N, 2, 2]
        shown = linear.det().abs().sqrt()  # [P * N]
        slots = scene.atlas.slots(patch, shown)
        element, bins = _pairs(scene, to_patch.detach(), slots, grid, ordered)  # [M] each

        stacks = stack(bins)
        element, bins = element[stacks.order], bins[stacks.order]
        lowest = _normalised(slots.low[element], scene.atlas)  # [M, 2]
        highest = _normalised(slots.high[element], scene.atlas)

    rows = _texel_rows(to_patch, slots, scene.atlas)[element]  # [M, 2, 3]
    rows = _from_corner(rows, torch.stack(grid.origin(bins), -1))
    layers = _Sample.apply(rows, lowest, highest, scene.atlas.texture, grid.tile)  # [M, 4, Q]
    return Samples(layers, element, stacks)


def _pairs(
    scene: Scene, to_patch: Tensor, slots: Slots, grid: TileGrid, ordered: bool
) -> tuple[Pairs, Pairs]:
    """Return [M] element and [M] bin where a patch covers something, in order of painting."""
    population, count = scene.patch.shape
    patch = scene.patch.flatten()  # [P * N]
    tables = scene.patches.tables(to_patch.device)
    half = tables.half.to(to_patch.dtype)[patch]  # [P * N, 2]

    # every tile that the patch's box overlaps
    extents = boxes(scene.affine, half.view(population, count, 2)).flatten(0, 1)  # [P * N, 4]
    candidate = torch.arange(population, device=patch.device).repeat_interleave(count)  # [P * N]
    element, bins = tiles_in_boxes(grid, extents, candidate)  # [M] each

    # of these, the tiles where the patch is not clear
    low, high = _tiles_in_patches(to_patch, slots, grid, element, bins)  # [M, 2] each
    pair_patch, pair_half = patch[element], half[element]
    visible = touching(tables.covered, pair_patch, pair_half, low, high) > 0  # [M]

    if ordered:
        inside = ((low >= -pair_half) & (high <= pair_half)).all(1)
        opaque = inside & (touching(tables.open, pair_patch, pair_half, low, high) == 0)
        visible &= _not_hidden(bins, opaque, grid)
    remaining = visible.nonzero()[:, 0]  # found once, because a GPU has to be waited for
    return element[remaining], bins[remaining]


def _tiles_in_patches(
    to_patch: Tensor, slots: Slots, grid: TileGrid, element: Pairs, bins: Pairs
) -> tuple[PairPoints, PairPoints]:
    """Return [M, 2] the corners, in patch coordinates, of all texels that affect a tile."""
    linear, offset = to_patch[element].split([2, 1], -1)  # [M, 2, 2], [M, 2, 1]
    middle = torch.stack(grid.origin(bins), -1).to(linear) + grid.tile / 2  # [M, 2]
    place = (linear @ middle[..., None] + offset)[..., 0]  # [M, 2]

    from_pixels = linear.abs().sum(-1) * (grid.tile - 1) / 2
    from_texels = BORDER / slots.density[element]
    reach = from_pixels + from_texels
    return place - reach, place + reach


def _not_hidden(bins: Pairs, opaque: Tensor, grid: TileGrid) -> Tensor:
    """Return [M] False for pairs below an opaque one in the same bin."""
    position = torch.arange(len(bins), device=bins.device)  # [M]
    uppermost = torch.full((grid.bins,), -1, device=bins.device)  # [bins]
    uppermost = uppermost.scatter_reduce(0, bins, position.where(opaque, -1), "amax")
    return position >= uppermost[bins]


def _texel_rows(to_patch: Tensor, slots: Slots, atlas: Atlas) -> Float[Tensor, "elements 2 3"]:
    """Return [E, 2, 3] maps from pixels to `grid_sample` coordinates in the atlas."""
    texel = to_patch * slots.density[..., None]  # [E, 2, 3]
    offset = texel[..., 2] + slots.origin  # [E, 2]
    moved = torch.cat([texel[..., :2], offset[..., None]], -1)  # [E, 2, 3]
    scale = 2 / _extent(atlas)  # [2]
    return moved * scale[:, None] - tensor_on([[0, 0, 1.0]], moved.device, moved.dtype)


def _from_corner(rows: Tensor, corner: Tensor) -> Float[Tensor, "pairs 2 3"]:
    """Let [M, 2, 3] maps count pixels from the centre of each tile's upper left pixel."""
    middle = corner.to(rows) + 0.5  # [M, 2]
    offset = rows[..., 2] + (rows[..., :2] * middle[:, None]).sum(-1)  # [M, 2]
    return torch.cat([rows[..., :2], offset[..., None]], -1)


def _extent(atlas: Atlas) -> Float[Tensor, " 2"]:
    """Return the atlas's width and height in texels."""
    height, width = atlas.texture.shape[1:]
    return tensor_on([width, height], atlas.texture.device, atlas.texture.dtype)


def _normalised(texels: PairPoints, atlas: Atlas) -> PairPoints:
    """Return places in texels as `grid_sample` coordinates, -1 to 1 across the atlas."""
    return texels * (2 / _extent(atlas)) - 1


class _Sample(torch.autograd.Function):
    """`grid_sample` of many tiles whose gradient goes to the tiles' affine maps alone."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, lowest: Tensor, highest: Tensor, texture: Tensor, tile: int
    ) -> Tensor:
        """Sample every tile.

        Args:
            ctx: the context of autograd.
            rows: [M, 2, 3] maps from pixels within the tile to texture coordinates.
            lowest: [M, 2] least coordinates to sample; everything beyond is clear.
            highest: [M, 2] greatest.
            texture: [4, H, W] the atlas; gets no gradient.
            tile: T, side of the tiles in pixels.

        Returns:
            [M, 4, T * T]
        """
        basis = _basis(tile, rows)  # [3, T * T]
        place = (rows @ basis).clamp_(lowest[..., None], highest[..., None])  # [M, 2, T * T]
        place = place.view(-1, 2, tile, tile).permute(0, 2, 3, 1)  # [M, T, T, 2]
        ctx.save_for_backward(place, texture, basis)

        # the operator, not `grid_sample`: its backward can then leave out the texture's gradient
        many = texture.expand(len(rows), -1, -1, -1)  # [M, 4, H, W], without a copy
        layers = torch.ops.aten.grid_sampler_2d(many, place, BILINEAR, ZEROS, False)
        return layers.view(len(rows), 4, tile * tile)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Reduce each tile's gradient to its map. Clamped places lie in a flat border, so their slope is 0."""
        place, texture, basis = ctx.saved_tensors
        count, tile = place.shape[:2]
        many = texture.expand(count, -1, -1, -1)  # [M, 4, H, W], without a copy
        shaped = gradient.reshape(count, 4, tile, tile)  # [M, 4, T, T]

        # torch refuses this in deterministic mode, but only the texture's gradient has no fixed order
        with known_to_repeat():
            _, slope = torch.ops.aten.grid_sampler_2d_backward(
                shaped, many, place, BILINEAR, ZEROS, False, [False, True]
            )
        by_pixel = slope.view(count, tile * tile, 2).transpose(1, 2)  # [M, 2, T * T]
        return by_pixel @ basis.T, None, None, None, None  # [M, 2, 3]


def _basis(tile: int, like: Tensor) -> Tensor:
    """Return [3, T * T] x, y and 1 of a tile's pixels, counted from its upper left one."""
    steps = torch.arange(tile, device=like.device, dtype=like.dtype)
    y, x = torch.meshgrid(steps, steps, indexing="ij")  # [T, T] each
    places = torch.stack([x.flatten(), y.flatten()])  # [2, T * T]
    return functional.pad(places, (0, 0, 0, 1), value=1.0)
