"""What shows at a point, found out by leaving each element out, and by the definition of each blending mode."""

from __future__ import annotations

import torch
from torch import Tensor

from artgen.renderers.base import Renderer
from artgen.renderers.collage import Collage
from artgen.renderers.collage.blending import COVERED, TEMPERATURE, UNCOVERED, finish
from artgen.renderers.pixel import Pixel
from artgen.renderers.strokes import Strokes
from artgen.types import Size, Window

FAR = 1e3
"""Position of a patch that is left out, in the picture's shorter sides."""


@torch.no_grad()
def differences(renderer: Renderer, size: Size) -> Tensor:
    """Return [N, P, H, W] by how much each pixel changes at most, in any channel, without each element."""
    if isinstance(renderer, Strokes):
        return _without_strokes(renderer, size)
    if isinstance(renderer, Collage):
        return _without_patches(renderer, size)
    assert isinstance(renderer, Pixel)
    return _without_cells(renderer, size)


def _without_strokes(renderer: Strokes, size: Size) -> Tensor:
    whole = renderer(size)
    state = {name: tensor.clone() for name, tensor in renderer.state().items()}
    described = [name for name, tensor in state.items() if tensor.shape[:2] == renderer.locked.shape]
    count, found = renderer.element_count, []
    for element in range(count):
        left = [other for other in range(count) if other != element]
        renderer.load_state(
            {name: tensor[:, left] if name in described else tensor for name, tensor in state.items()}
        )
        found.append((renderer(size) - whole).abs().amax(1))
    renderer.load_state(state)
    return torch.stack(found)


def _without_patches(renderer: Collage, size: Size) -> Tensor:
    """Move each patch far away; the greatest sum of alphas, which scales the whole picture, stays as it was."""
    window = Window(0, 0, *size)
    greatest = None
    if renderer.options.blending == "masked_transparency_normed":
        greatest = renderer._sums(size, window)[:, 3].amax((1, 2))

    def draw() -> Tensor:
        return finish(renderer.options.blending, renderer._sums(size, window), greatest)

    whole, found = draw(), []
    for element in range(renderer.element_count):
        place = renderer.translation[:, element].clone()
        renderer.translation[:, element] = FAR
        found.append((draw() - whole).abs().amax(1))
        renderer.translation[:, element] = place
    return torch.stack(found)


def _without_cells(renderer: Pixel, size: Size) -> Tensor:
    """Replace what is shown of each cell, since a picture without a cell is not defined."""
    cells = renderer.shown().clone()  # [P, 4, rows, columns]
    rows, columns = cells.shape[-2:]
    side = 2 ** int(renderer.level[0])
    shown = renderer.shown
    whole, found = renderer(size), []
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            other = cells.clone()
            other[..., top : top + side, left : left + side] = 0
            renderer.shown = lambda other=other: other
            found.append((renderer(size) - whole).abs().amax(1))
    renderer.shown = shown
    return torch.stack(found)


@torch.no_grad()
def shares(renderer: Strokes | Collage, candidate: int, size: Size) -> Tensor:
    """Return [N, H, W] the share of each element in each pixel, from its own picture and the mode's definition."""
    single = renderer.candidate(candidate)
    alpha, light = torch.zeros(2, renderer.element_count, *size)
    for layer in single.layers(size):
        if "element" in layer.metadata:
            height, width = layer.image.shape[1:]
            box = slice(layer.top, layer.top + height), slice(layer.left, layer.left + width)
            alpha[layer.metadata["element"], *box] = layer.image[3]
            light[layer.metadata["element"], *box] = layer.image[:3].amax(0)

    mode = renderer.options.blending if isinstance(renderer, Collage) else "over"
    if mode == "transparency":
        return light
    if mode == "opacity":
        order = single.order[0][:, None, None]
        weight = torch.where(alpha > COVERED, order * alpha / TEMPERATURE, alpha + UNCOVERED).exp()
        return weight * alpha.square() / weight.sum(0)
    if mode.startswith("masked"):
        return alpha / (alpha.sum(0) + 1e-8) * alpha.sum(0).clamp(max=1)
    return _over(alpha, single.order[0] if isinstance(renderer, Collage) else None)


def _over(alpha: Tensor, order: Tensor | None) -> Tensor:
    """Return [N, H, W] how much of each element the ones above it let through, times its alpha."""
    count = len(alpha)
    painting = list(range(count)) if order is None else order.argsort(stable=True).tolist()
    result, through = torch.zeros_like(alpha), torch.ones_like(alpha[0])
    for element in reversed(painting):
        result[element] = through * alpha[element]
        through = through * (1 - alpha[element])
    return result
