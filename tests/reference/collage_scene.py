"""The fixed scene that collage is checked and timed on; the seed and the numbers are part of it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from artgen.assets import Patch
from artgen.renderers.collage import Collage
from artgen.renderers.collage.renderer import CollageOptions
from artgen.types import Size
from tests.reference import collage as reference

SEED = 20220512
SIDE = 224
MODES = (
    "over",
    "opacity",
    "transparency",
    "masked_transparency_clipped",
    "masked_transparency_normed",
)


def patches(number: int = 40, least: int = 30, greatest: int = 90) -> list[Patch]:
    """Return soft-edged blobs with a smooth pattern; sides are even and between `least` and `greatest`."""
    random = np.random.default_rng(SEED)
    return [_blob(random, f"blob {index}", least, greatest) for index in range(number)]


def _blob(random: np.random.Generator, name: str, least: int, greatest: int) -> Patch:
    height, width = 2 * random.integers(least // 2, greatest // 2 + 1, 2)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    waves = sum(random.uniform(0, 0.12) * np.cos(k * angle + random.uniform(0, 6)) for k in (2, 3, 5))
    alpha = ((0.95 + waves - 0.3 - radius) * 12).clip(0, 1)
    alpha[[0, -1], width // 2] = alpha[height // 2, [0, -1]] = 1 / 255  # so that nothing is cropped off
    phases, turns = random.uniform(0, 6, 3), random.uniform(-4, 4, (2, 3))
    colour = 0.5 + 0.5 * np.sin(x[..., None] * turns[0] + y[..., None] * turns[1] + phases)
    pixels = np.concatenate([colour, alpha[..., None]], 2)
    return Patch(name, "scene", (pixels * 255).round().astype(np.uint8))


def scene(
    blending: str,
    population: int = 2,
    count: int = 100,
    side: int = SIDE,
    colour: str = "rgb",
    **options: object,
) -> Collage:
    """Return a collage of `count` patches that are magnified 1 to 2 times, turned by any angle."""
    chosen = CollageOptions(
        count=count, blending=blending, colour=colour, min_scale=0.05, max_scale=2, **options
    )
    renderer = Collage(chosen, Size(side, side), patches=patches())
    generator = torch.Generator().manual_seed(SEED)
    renderer.init(population, generator)
    ranges = {
        "translation": (-0.5, 0.5),
        "rotation": (-math.pi, math.pi),
        "squeeze": (0.8, 1.3),
        "shear": (-0.15, 0.15),
        "order": (0.0, 1.0),
        "scale": (1.0, 2.0),
    }
    with torch.no_grad():  # all of it drawn here, so that no default of the renderer changes the scene
        for name, (least, greatest) in ranges.items():
            parameter = renderer.get_parameter(name)
            parameter.copy_(least + (greatest - least) * torch.rand(parameter.shape, generator=generator))
        renderer.scale.mul_(renderer.patches.side[renderer.patch] / SIDE)
        if colour != "none":
            renderer.colour.copy_(0.5 + 0.5 * torch.rand(renderer.colour.shape, generator=generator))
    return renderer


def pixel_maps(renderer: Collage, size: tuple[int, int]) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return the oracle's textures, matrices [P * N, 2, 2] and centres [P * N, 2] in pixels.

    Textures are shrunk as the renderer says it does, in half octaves.
    """
    short = min(size)
    sides = renderer.patches.side[renderer.patch].flatten()
    shown = renderer.scale.flatten() * short
    textures, ratios = [], []
    for index, side, length in zip(
        renderer.patch.flatten().tolist(), sides.tolist(), shown.tolist(), strict=True
    ):
        level = max(0, min(round(2 * math.log2(side / length)), renderer.patches.levels(index) - 1))
        texture = renderer.patches.texture(index, level)
        whole = renderer.patches.pixels[index].shape
        textures.append(texture)
        ratios.append([whole[1] / texture.shape[2], whole[0] / texture.shape[1]])
    matrix = reference.matrices(
        renderer.rotation.flatten(), shown / sides, renderer.squeeze.flatten(), renderer.shear.flatten()
    )
    matrix = matrix * matrix.new_tensor(ratios)[:, None]
    middle = matrix.new_tensor([size[1] / 2, size[0] / 2])
    return textures, matrix, middle + renderer.translation.flatten(0, 1) * short


def dense_layers(renderer: Collage, size: tuple[int, int]) -> Tensor:
    """Return [P, N, 4, H, W] coloured layers by the oracle."""
    layers = reference.dense(*pixel_maps(renderer, size), size)
    return _coloured(renderer, layers.unflatten(0, tuple(renderer.patch.shape)))


def _coloured(renderer: Collage, layers: Tensor) -> Tensor:
    if renderer.options.colour != "rgb":
        return layers
    opaque = torch.ones_like(renderer.colour[..., :1])
    return layers * torch.cat([renderer.colour, opaque], -1)[..., None, None]


def dense(renderer: Collage, size: tuple[int, int]) -> Tensor:
    """Render [P, 4, H, W] by the oracle."""
    return reference.blend(renderer.options.blending, dense_layers(renderer, size), renderer.order)


def whole_pixel_scene(count: int = 30, side: int = SIDE) -> Collage:
    """Return patches that stay on canvases of their own and are moved by whole pixels.

    CLIP-CLOP's second resampling then does not blur, so that both definitions agree.
    """
    renderer = scene("transparency", population=1, count=count, side=side)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        larger = 1 + 0.2 * torch.rand(1, count, generator=generator)
        renderer.scale.copy_(renderer.patches.side[renderer.patch] / side * larger)
        renderer.translation.copy_(torch.randint(-40, 41, (1, count, 2), generator=generator) / side)
    return renderer


def two_pass_layers(renderer: Collage, size: tuple[int, int]) -> Tensor:
    """Return [P, N, 4, H, W] coloured layers as CLIP-CLOP makes them, of patches with even sides."""
    textures, matrix, centre = pixel_maps(renderer, size)
    canvases = torch.zeros(len(textures), 4, *size)
    for canvas, texture in zip(canvases, textures, strict=True):
        height, width = texture.shape[1:]
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        canvas[:, top : top + height, left : left + width] = texture
    moved = centre - centre.new_tensor([size[1] / 2, size[0] / 2])
    layers = reference.two_passes(canvases, matrix, moved)
    return _coloured(renderer, layers.unflatten(0, tuple(renderer.patch.shape)))


def two_passes(renderer: Collage, size: tuple[int, int]) -> Tensor:
    """Render [P, 4, H, W] as CLIP-CLOP does: canvases of patches, two resamplings, one blend."""
    return reference.blend(renderer.options.blending, two_pass_layers(renderer, size), renderer.order)
