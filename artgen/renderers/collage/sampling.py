"""Sampling the patches of a collage where they are, tile by tile.

Only tiles that a patch really touches are sampled, all of them in one `grid_sample`, and
where order is exact only what no opaque patch hides: cost follows the visible pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from artgen.renderers.binning import Stacks, TileGrid, stack, tiles_in_boxes
from artgen.renderers.collage.atlas import BORDER, Atlas, Patches, Slots, touching
from artgen.renderers.collage.geometry import Affine, boxes, inverse

BILINEAR, ZEROS = 0, 0
"""Codes of `grid_sampler`: interpolation, and clear beyond the texture."""


class Samples(NamedTuple):
    """The patches' pixels in the tiles they touch.

    Args:
        layers: [M, 4, Q] premultiplied RGBA as in the patches, depth-major.
        element: [M] row of the flattened [P * N] elements each comes from.
        stacks: how the pairs are ordered.
    """

    layers: Float[Tensor, "pairs 4 pixels"]
    element: Int[Tensor, " pairs"]
    stacks: Stacks


class Scene(NamedTuple):
    """What is to be sampled, elements of each candidate in the order of painting.

    Args:
        affine: [P, N, 2, 3] patch coordinates to pixels.
        patch: [P, N] which patch.
        patches: the patches.
        atlas: their textures.
    """

    affine: Affine
    patch: Int[Tensor, "population elements"]
    patches: Patches
    atlas: Atlas


def sample(scene: Scene, grid: TileGrid, ordered: bool) -> Samples:
    """Sample every patch in every tile it touches.

    Args:
        scene: patches and where they are.
        grid: the tiles.
        ordered: True if a patch hides those below it, so that hidden pairs are left out.
    """
    to_patch = inverse(scene.affine).flatten(0, 1)
    patch = scene.patch.flatten()
    with torch.no_grad():
        shown = scene.affine[..., :2].detach().flatten(0, 1).det().abs().sqrt()
        slots = scene.atlas.slots(patch, shown)
        element, bins = _pairs(scene, to_patch.detach(), slots, grid, ordered)
        stacks = stack(bins)
        element, bins = element[stacks.order], bins[stacks.order]
        lowest, highest = (_normalised(edge[element], scene.atlas) for edge in (slots.low, slots.high))
    rows = _texel_rows(to_patch, slots, scene.atlas)[element]
    rows = _from_corner(rows, torch.stack(grid.origin(bins), -1))
    layers = _Sample.apply(rows, lowest, highest, scene.atlas.texture, grid.tile)
    return Samples(layers, element, stacks)


def _pairs(
    scene: Scene, to_patch: Tensor, slots: Slots, grid: TileGrid, ordered: bool
) -> tuple[Tensor, Tensor]:
    """Return [M] element and [M] bin where a patch covers something, in order of painting."""
    population, count = scene.patch.shape
    patch = scene.patch.flatten()
    half = scene.patches.half.to(to_patch)[patch]
    extents = boxes(scene.affine, half.view(population, count, 2)).flatten(0, 1)
    candidate = torch.arange(population, device=patch.device).repeat_interleave(count)
    element, bins = tiles_in_boxes(grid, extents, candidate)
    low, high = _tiles_in_patches(to_patch, slots, grid, element, bins)
    query = patch[element], half[element], low, high
    kept = touching(scene.patches.covered.to(patch.device), *query) > 0
    if ordered:
        inside = ((low >= -query[1]) & (high <= query[1])).all(1)
        opaque = inside & (touching(scene.patches.open.to(patch.device), *query) == 0)
        kept &= _not_hidden(bins, opaque, grid)
    return element[kept], bins[kept]


def _tiles_in_patches(
    to_patch: Tensor, slots: Slots, grid: TileGrid, element: Tensor, bins: Tensor
) -> tuple[Tensor, Tensor]:
    """Return [M, 2] corners, in patch coordinates, of all texels that matter to a tile."""
    linear, offset = to_patch[element].split([2, 1], -1)
    middle = torch.stack(grid.origin(bins), -1).to(linear) + grid.tile / 2
    at = (linear @ middle[..., None] + offset)[..., 0]
    reach = linear.abs().sum(-1) * (grid.tile - 1) / 2 + BORDER / slots.density[element]
    return at - reach, at + reach


def _not_hidden(bins: Tensor, opaque: Tensor, grid: TileGrid) -> Tensor:
    """Return [M] False for pairs below an opaque one in the same bin."""
    position = torch.arange(len(bins), device=bins.device)
    last = torch.full((grid.bins,), -1, device=bins.device)
    last = last.scatter_reduce(0, bins, position.where(opaque, -1), "amax")
    return position >= last[bins]


def _texel_rows(to_patch: Tensor, slots: Slots, atlas: Atlas) -> Tensor:
    """Return [E, 2, 3] maps from pixels to `grid_sample` coordinates in the atlas."""
    texel = to_patch * slots.density[..., None]
    moved = torch.cat([texel[..., :2], (texel[..., 2] + slots.origin)[..., None]], -1)
    scale = 2 / _extent(atlas)
    return moved * scale[:, None] - moved.new_tensor([[0, 0, 1.0]])


def _from_corner(rows: Tensor, corner: Tensor) -> Tensor:
    """Let [M, 2, 3] maps take pixels from the upper left pixel centre of each tile."""
    middle = corner.to(rows) + 0.5
    offset = rows[..., 2] + (rows[..., :2] * middle[:, None]).sum(-1)
    return torch.cat([rows[..., :2], offset[..., None]], -1)


def _extent(atlas: Atlas) -> Tensor:
    height, width = atlas.texture.shape[1:]
    return atlas.texture.new_tensor([width, height])


def _normalised(texels: Tensor, atlas: Atlas) -> Tensor:
    return texels * (2 / _extent(atlas)) - 1


class _Sample(torch.autograd.Function):
    """`grid_sample` of many tiles whose gradient goes to the tiles' affine maps alone."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, lowest: Tensor, highest: Tensor, texture: Tensor, tile: int
    ) -> Tensor:
        """Sample.

        Args:
            ctx: autograd's.
            rows: [M, 2, 3] maps from pixels within the tile to texture coordinates.
            lowest: [M, 2] least coordinates to sample; everything beyond is clear.
            highest: [M, 2] greatest.
            texture: [4, H, W] the atlas; gets no gradient.
            tile: T, side of the tiles in pixels.

        Returns:
            [M, 4, T * T]
        """
        basis = _basis(tile, rows)
        place = (rows @ basis).clamp_(lowest[..., None], highest[..., None])
        place = place.view(-1, 2, tile, tile).permute(0, 2, 3, 1)
        ctx.save_for_backward(place, texture, basis)
        many = texture.expand(len(rows), -1, -1, -1)
        layers = torch.ops.aten.grid_sampler_2d(many, place, BILINEAR, ZEROS, False)
        return layers.view(len(rows), 4, tile * tile)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Reduce each tile's gradient to its map; clamped places are flat, so have none."""
        place, texture, basis = ctx.saved_tensors
        count, tile = place.shape[:2]
        many = texture.expand(count, -1, -1, -1)
        shaped = gradient.reshape(count, 4, tile, tile)
        _, slope = torch.ops.aten.grid_sampler_2d_backward(
            shaped, many, place, BILINEAR, ZEROS, False, [False, True]
        )
        return slope.view(count, tile * tile, 2).transpose(1, 2) @ basis.T, None, None, None, None


def _basis(tile: int, like: Tensor) -> Tensor:
    """Return [3, T * T] x, y and 1 of a tile's pixels from its upper left one."""
    steps = torch.arange(tile, device=like.device, dtype=like.dtype)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return functional.pad(torch.stack([x.flatten(), y.flatten()]), (0, 0, 0, 1), value=1.0)
