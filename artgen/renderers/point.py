"""Pointing at elements: which strokes, patches or cells show at a point or in an area, and their outlines.

An element shows where the picture has a gradient with respect to its paint. For elements painted over each
other, this gradient is the element's share of the pixel: how much it covers, times its opacity, times what the
elements above let through. An element that is hidden, clear or somewhere else has none. Only a window around
the point is rendered, by the renderer's own `forward`, so every renderer with elements can be pointed at.

A renderer whose paint is more than a tensor `colour` [P, N, 3] states its own shares (`HasVisibility`), one whose
elements are not stored in the order of painting its order (`HasPaintingOrder`), and one without layers the
outlines of its elements (`HasOutlines`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from artgen.errors import UsageError
from artgen.geometry import Size, Window
from artgen.renderers.areas import box, disc, filled
from artgen.renderers.base import Renderer
from artgen.renderers.elements import ElementRenderer

LEAST_SHARE = 0.5 / 255
"""Smallest share of a pixel that counts: with the strongest contrast it changes the pixel by half a level."""
LEAST_AREA = 0.5
"""Smallest area, in pixels, that counts in a larger area."""
LEAST_GRADIENT = 1e-6
"""Smallest gradient that counts as one, for elements that have no colour."""

Shares = Float[Tensor, "population elements"]
"""How many pixels of an area each element fills, counted by its share of each pixel."""
Weight = Float[Tensor, "height width"]
"""How much each pixel of a window counts, at least 0."""


@runtime_checkable
class HasElementIds(Protocol):
    """A renderer whose elements have ids."""

    def element_ids(self) -> Int[Tensor, "population elements"]:
        """Return [P, N] the ids of the elements of each candidate, as they are stored."""
        ...


@runtime_checkable
class HasVisibility(Protocol):
    """A renderer that states itself how much of a picture each element fills."""

    def visibility(self, size: Size, window: Window, weight: Weight) -> Shares:
        """Return [P, N] the sum over the window's pixels of each element's share, times the pixel's weight."""
        ...


@runtime_checkable
class HasPaintingOrder(Protocol):
    """A renderer that does not paint its elements in the order in which they are stored."""

    def painting_order(self) -> Int[Tensor, "population elements"]:
        """Return [P, N] where the elements of each candidate are stored, the lowest first."""
        ...


@runtime_checkable
class HasOutlines(Protocol):
    """A renderer that knows the outlines of its elements."""

    def element_outline(self, place: int, size: Size) -> str:
        """Return the outline of the element stored at this place, as SVG path data in pixels."""
        ...


# --- pointing ----------------------------------------------------------------------


def elements_at(
    renderer: Renderer,
    x: float,
    y: float,
    radius: float = 0.0,
    candidate: int = 0,
    size: Size | None = None,
) -> list[int]:
    """Return the ids of the elements that show at a point, the topmost last.

    Args:
        renderer: strokes, collage, pixel, or any other with elements.
        x: fraction of the picture's width, in [0, 1].
        y: fraction of the picture's height, in [0, 1].
        radius: of the disc that counts, as a fraction of the longer side; with 0 the pixel under the point.
        candidate: the picture that is pointed at.
        size: of the picture as it is shown; the canvas if None.

    Raises:
        UsageError: the renderer has no elements, the point is outside the picture, or there is no such candidate.
    """
    return list(shares_at(renderer, x, y, radius, candidate, size))


def shares_at(
    renderer: Renderer,
    x: float,
    y: float,
    radius: float = 0.0,
    candidate: int = 0,
    size: Size | None = None,
) -> dict[int, float]:
    """Return how much each element fills of a disc, in pixels, by id, the topmost last; see `elements_at`.

    At a single pixel these are the elements' shares of it, in [0, 1].
    """
    for name, value in (("x", x), ("y", y), ("radius", radius)):
        if not 0 <= value <= 1:
            raise UsageError(f"{name} {value} is outside the picture; give a fraction from 0 to 1")

    size = size or renderer.canvas
    window, weight = disc(x * size.width, y * size.height, radius * max(size), size)
    return _shown(renderer, size, window, weight, candidate)


def elements_in(
    renderer: Renderer,
    polygon: Sequence[tuple[float, float]],
    candidate: int = 0,
    size: Size | None = None,
) -> list[int]:
    """Return the ids of the elements that show anywhere within a polygon, the topmost last.

    Args:
        renderer: strokes, collage, pixel, or any other with elements.
        polygon: corners as (x, y) in fractions of the picture's width and height; parts outside it are ignored.
        candidate: the picture that is pointed at.
        size: of the picture as it is shown; the canvas if None.

    Raises:
        UsageError: the renderer has no elements, the polygon has fewer than three corners, or there is no such
            candidate.
    """
    if len(polygon) < 3:
        raise UsageError(f"a polygon of {len(polygon)} corners has no area; give at least 3")
    if not all(math.isfinite(number) for corner in polygon for number in corner):
        raise UsageError("a corner of the polygon is not finite; give fractions of the width and height")

    size = size or renderer.canvas
    inside = filled(polygon, size)  # [H, W]
    if not bool(inside.any()):
        return []
    window = box(inside)
    rows, columns = window.slices_in(Window(0, 0, *size))
    return list(_shown(renderer, size, window, inside[rows, columns].float(), candidate))


def _shown(
    renderer: Renderer, size: Size, window: Window, weight: Weight, candidate: int
) -> dict[int, float]:
    """Return the shares of the elements that show, by id, the topmost last."""
    ids = ids_of(renderer, candidate)  # N numbers
    shares = shares_of(renderer, size, window, weight)[candidate].tolist()
    order = list(range(len(ids)))
    if isinstance(renderer, HasPaintingOrder):
        order = renderer.painting_order()[candidate].tolist()

    least = min(LEAST_SHARE * float(weight.sum()), LEAST_AREA)
    return {ids[place]: shares[place] for place in order if shares[place] >= least}


def ids_of(renderer: Renderer, candidate: int) -> list[int]:
    """Return the ids of the elements of a candidate, as they are stored.

    Raises:
        UsageError: the renderer has no elements, or there is no such candidate.
    """
    if not 0 <= candidate < renderer.population:
        last = renderer.population - 1
        raise UsageError(f"there is no candidate {candidate}; they are numbered 0 to {last}")
    if isinstance(renderer, HasElementIds):
        return renderer.element_ids()[candidate].tolist()
    if isinstance(renderer, ElementRenderer):
        return list(range(renderer.element_count))
    raise UsageError("this renderer has no elements to point at; use pixel, strokes or collage")


# --- shares ------------------------------------------------------------------------


def shares_of(renderer: Renderer, size: Size, window: Window, weight: Weight) -> Shares:
    """Return [P, N] how many pixels of a window each element fills.

    Args:
        renderer: with elements.
        size: size of the whole picture in pixels.
        window: the part that counts.
        weight: [H, W] how much each pixel of the window counts.
    """
    if isinstance(renderer, HasVisibility):
        return renderer.visibility(size, window, weight)
    return shares_by_gradient(renderer, size, window, weight)


def shares_by_gradient(renderer: Renderer, size: Size, window: Window, weight: Weight) -> Shares:
    """Return [P, N] how many pixels of a window each element fills, from the gradient of the renderer's `forward`.

    The gradient is that with respect to the elements' `colour`, whether it is learned or not. Elements without
    one count as filling all pixels if the picture depends on any of their parameters, else none.
    """
    tensors = _element_tensors(renderer)
    colour = tensors.get("colour")
    if colour is None:
        gradients = _gradients(renderer, tensors, size, window, _fixed_noise(weight))
        total = weight.new_zeros(renderer.population, len(ids_of(renderer, 0)))  # [P, N]
        for gradient in gradients:
            total = total + gradient.reshape(*total.shape, -1).square().sum(2).to(total)
        return (total.sqrt() > LEAST_GRADIENT).float() * weight.sum()

    # away from 0 and 1, where clamped colours have no gradient
    inner = {"colour": 0.25 + 0.5 * colour}
    flat = torch.stack([weight, weight, weight, torch.zeros_like(weight)])  # [4, H, W]
    (gradient,) = _gradients(renderer, inner, size, window, flat)
    return gradient.abs().amax(2)


def _element_tensors(renderer: Renderer) -> dict[str, Tensor]:
    """Return the numbers that describe elements, [P, N, ...], by name."""
    count = len(ids_of(renderer, 0))
    whole: frozenset[str] = getattr(renderer, "per_candidate", frozenset())
    tensors = {}
    for name, tensor in renderer.state().items():
        per_element = tensor.dim() > 1 and tensor.shape[1] == count and name not in whole
        if per_element and tensor.is_floating_point():
            tensors[name] = tensor.detach()
    return tensors


def _gradients(
    renderer: Renderer, tensors: dict[str, Tensor], size: Size, window: Window, cotangent: Tensor
) -> list[Tensor]:
    """Return the gradients of a weighted sum of a window's pixels with respect to some of a renderer's tensors.

    Args:
        renderer: is rendered with these tensors in place of its own, and not changed.
        tensors: by name.
        size: size of the whole picture in pixels.
        window: the part to render.
        cotangent: [4, H, W] weight of each number of the picture.
    """
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    if not leaves:
        return []
    with torch.enable_grad():
        canvas = torch.func.functional_call(renderer, leaves, (size, window))  # [P, 4, H, W]
        value = (canvas * cotangent.to(canvas)).sum()
        if not value.requires_grad:
            return [torch.zeros_like(leaf) for leaf in leaves.values()]
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)

    pairs = zip(found, leaves.values(), strict=True)
    return [torch.zeros_like(leaf) if gradient is None else gradient.nan_to_num() for gradient, leaf in pairs]


def _fixed_noise(weight: Weight) -> Tensor:
    """Return [4, H, W] weights that do not cancel each other; always the same ones."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, *weight.shape, generator=generator) * weight.cpu()
