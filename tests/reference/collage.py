"""The dense collage: every patch on the whole canvas. Slow, and short enough to be checked by eye.

`dense` resamples each patch once. `two_passes` is how CLIP-CLOP's own program goes about
it (P. Mirowski et al. 2022): each patch in the middle of a canvas of its own, turned and
scaled by one `grid_sample`, then moved by a second one. It blurs twice, and cuts off what
leaves the canvas before it is moved; where moves are by whole pixels and nothing is cut
off both are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.1


def matrices(rotation: Tensor, scale: Tensor, squeeze: Tensor, shear: Tensor) -> Tensor:
    """Return [E, 2, 2] from patch to picture: turn after shear after stretch; all arguments [E]."""
    zero, one = torch.zeros_like(scale), torch.ones_like(scale)
    stretch = torch.stack([scale * squeeze.sqrt(), zero, zero, scale / squeeze.sqrt()], -1)
    slant = torch.stack([one, shear, zero, one], -1)
    turn = torch.stack([rotation.cos(), -rotation.sin(), rotation.sin(), rotation.cos()], -1)
    turn, slant, stretch = (matrix.unflatten(-1, (2, 2)) for matrix in (turn, slant, stretch))
    return turn @ slant @ stretch


def dense(
    textures: list[Tensor],
    matrix: Tensor,
    centre: Tensor,
    size: tuple[int, int],
) -> Tensor:
    """Sample every patch on the whole canvas.

    Args:
        textures: E premultiplied patches [4, h, w].
        matrix: [E, 2, 2] from the patches' pixels to the canvas's pixels.
        centre: [E, 2] x, y of the patches' centres in pixels.
        size: height and width of the canvas.

    Returns:
        [E, 4, H, W]
    """
    height, width = size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([x, y], -1).to(centre)
    layers = []
    for texture, forward, middle in zip(textures, matrix, centre, strict=True):
        texture = functional.pad(texture, (2, 2, 2, 2)).to(centre)
        place = (pixels - middle) @ torch.linalg.inv(forward).T
        side = place.new_tensor([texture.shape[2], texture.shape[1]])
        layers.append(functional.grid_sample(texture[None], (place * 2 / side)[None], align_corners=False)[0])
    return torch.stack(layers)


def two_passes(canvases: Tensor, matrix: Tensor, moved: Tensor) -> Tensor:
    """Turn and scale patches on canvases of their own, then move them.

    Args:
        canvases: [E, 4, H, W] premultiplied patches in the middle of square canvases.
        matrix: [E, 2, 2] from patch to picture.
        moved: [E, 2] by how many pixels, x and y.

    Returns:
        [E, 4, H, W]
    """
    count, _, height, width = canvases.shape
    backward = torch.linalg.inv(matrix)
    turned = torch.cat([backward, torch.zeros(count, 2, 1).to(matrix)], 2)
    grid = functional.affine_grid(turned, list(canvases.shape), align_corners=True)
    canvases = functional.grid_sample(canvases, grid, align_corners=True)
    shift = -2 * moved / moved.new_tensor([width - 1, height - 1])
    identity = torch.eye(2).expand(count, 2, 2).to(matrix)
    grid = functional.affine_grid(
        torch.cat([identity, shift[..., None]], 2), list(canvases.shape), align_corners=True
    )
    return functional.grid_sample(canvases, grid, align_corners=True)


def blend(mode: str, layers: Tensor, order: Tensor) -> Tensor:
    """Blend layers.

    Args:
        mode: name of the blending mode.
        layers: [P, N, 4, H, W] premultiplied, coloured.
        order: [P, N] depth orders in [0, 1].

    Returns:
        [P, 4, H, W] premultiplied; for the modes that CLIP-CLOP has, the colours are what
        it shows on black.
    """
    colour, alpha = layers[:, :, :3], layers[:, :, 3:]
    if mode == "over":
        return torch.stack([_over(each[rank]) for each, rank in zip(layers, order.argsort(1), strict=True)])
    if mode == "transparency":
        light = colour.sum(1).clamp(0, 1)
        return torch.cat([light, light.amax(1, keepdim=True)], 1)
    if mode == "opacity":
        depth = order[..., None, None, None]
        logit = torch.where(alpha > 0.5, depth * alpha / TEMPERATURE, alpha - 5)
        return (logit.softmax(1) * layers * alpha).sum(1)
    mask = alpha.sum(1)
    mean = colour.sum(1) / (mask + 1e-8)
    greatest = mask.amax((2, 3), keepdim=True) if mode == "masked_transparency_normed" else 1
    shown = (mask / greatest).clamp(0, 1)
    return torch.cat([mean * shown, shown], 1)


def _over(layers: Tensor) -> Tensor:
    """Paint [N, 4, H, W] over each other, the first lowest."""
    canvas = torch.zeros_like(layers[0])
    for layer in layers:
        canvas = layer + (1 - layer[3]) * canvas
    return canvas
