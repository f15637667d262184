"""Ordered "over" compositing, shared by the renderers that paint element upon element.

Layers are premultiplied RGBA blocks in *depth-major* order (`artgen.renderers.binning.stack`
makes it): the bins (tiles, pixels, whole pictures) are sorted by how many layers they
hold, most first, so that the layers of depth k are one contiguous slice that belongs to
the first `lengths[k]` bins. Compositing is then a loop over depth of slice updates,
without an index in it.

Source: T. Porter, T. Duff, "Compositing Digital Images", SIGGRAPH 1984.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

Layers = Float[Tensor, "pairs 4 pixels"]
"""Premultiplied RGBA blocks of (bin, element) pairs, depth-major, the lowest first."""
Bins = Float[Tensor, "bins 4 pixels"]
"""Premultiplied RGBA pictures of the bins that hold a layer, fullest first."""

ALPHA = 3
DEPTHS_AT_ONCE = 32
"""Layers per bin the parallel form pads and multiplies in one go."""


def over(layers: Layers, lengths: Sequence[int]) -> Bins:
    """Paint the layers of every bin over each other, the lowest first.

    `canvas = layer + (1 - alpha) * canvas`, depth by depth. The backward pass recomputes
    what it needs: it keeps no canvas per depth, and is exact for `alpha = 1` too since
    nothing is divided by a transmittance. Same bits for any number of threads.

    Args:
        layers: [M, 4, Q] premultiplied RGBA, depth-major.
        lengths: number of bins that hold a layer at depth 0, 1, ...; never increasing,
            summing to M.

    Returns:
        [lengths[0], 4, Q] premultiplied RGBA of the bins.

    Raises:
        ValueError: `lengths` do not describe the layers.

    Example:
        >>> red, veil = torch.tensor([1.0, 0, 0, 1]), torch.tensor([0, 0, 0.5, 0.5])
        >>> over(torch.stack([red, veil])[..., None], [1, 1]).flatten()
        tensor([0.5000, 0.0000, 0.5000, 1.0000])
    """
    if sum(lengths) != len(layers) or any(a < b for a, b in itertools.pairwise(lengths)):
        raise ValueError(f"lengths {list(lengths)[:8]} are not the depths of {len(layers)} layers")
    if not lengths:
        return layers
    function: Any = _OverInParallel if layers.is_cuda else _OverByDepth
    return function.apply(layers, tuple(lengths))


def _slices(lengths: Sequence[int]) -> Iterator[tuple[int, slice]]:
    start = 0
    for length in lengths:
        yield length, slice(start, start + length)
        start += length


class _OverByDepth(torch.autograd.Function):
    """A loop over depth; the fastest on a CPU."""

    @staticmethod
    def forward(ctx: Any, layers: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Return the canvases; only the layers are kept for the gradient."""
        ctx.save_for_backward(layers)
        ctx.lengths = lengths
        canvas = layers[: lengths[0]].clone()
        for length, part in list(_slices(lengths))[1:]:
            layer = layers[part]
            canvas[:length].mul_(1 - layer[:, ALPHA:]).add_(layer)
        return canvas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Go up once for what lies below each layer, then down with what lies above.

        With g the gradient at a bin and A the transmittance of all above a layer, its
        colours get `A g`, and its alpha besides loses `A (g . canvas below)`. That dot
        product follows the same recurrence as the canvas, with one number per pixel.
        """
        (layers,) = ctx.saved_tensors
        clear = 1 - layers[:, ALPHA]
        below = torch.empty_like(clear)
        running = torch.zeros_like(gradient[:, 0])
        for length, part in _slices(ctx.lengths):
            below[part] = running[:length]
            shown = (gradient[:length] * layers[part]).sum(1)
            running[:length].mul_(clear[part]).add_(shown)
        result = torch.empty_like(layers)
        above = torch.ones_like(running)
        for length, part in reversed(list(_slices(ctx.lengths))):
            visible = above[:length]
            torch.mul(gradient[:length], visible[:, None], out=result[part])
            result[part, ALPHA].addcmul_(visible, below[part], value=-1)
            visible.mul_(clear[part])
        return result, None


class _OverInParallel(torch.autograd.Function):
    """Products over many depths at once; few launches, for CUDA."""

    @staticmethod
    def forward(ctx: Any, layers: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Return the canvases; only the layers are kept for the gradient."""
        ctx.save_for_backward(layers)
        ctx.lengths = lengths
        canvas = torch.zeros_like(layers[: lengths[0]])
        for bins, index in _padded_chunks(lengths, layers.device):
            padded = _take(layers, index)
            clear = 1 - padded[:, :, ALPHA:]
            above = _exclusive_product(clear)
            canvas[:bins] = canvas[:bins] * (above[0] * clear[0]) + (above * padded).sum(0)
        return canvas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """As `_OverByDepth.backward`, with the recurrence solved by a parallel scan."""
        (layers,) = ctx.saved_tensors
        chunks = list(_padded_chunks(ctx.lengths, layers.device))
        running = torch.zeros_like(gradient[:, 0])
        below = []
        for bins, index in chunks:
            padded = _take(layers, index)
            shown = (gradient[None, :bins] * padded).sum(2)
            scanned = _scan(1 - padded[:, :, ALPHA], shown, running[:bins])
            below.append(scanned[:-1])
            running[:bins] = scanned[-1]
        result = torch.zeros_like(layers)
        transmittance = torch.ones_like(running)
        for (bins, index), dot in reversed(list(zip(chunks, below, strict=True))):
            clear = 1 - _take(layers, index)[:, :, ALPHA]
            above = _exclusive_product(clear) * transmittance[:bins]
            part = above[:, :, None] * gradient[None, :bins]
            part[:, :, ALPHA] -= above * dot
            real = index < len(layers)
            result[index[real]] = part[real]
            transmittance[:bins] = above[0] * clear[0]
        return result, None


def _padded_chunks(lengths: Sequence[int], device: torch.device) -> Iterator[tuple[int, Tensor]]:
    """Yield the bins a chunk of depths touches and the [depths, bins] index of its layers.

    An index of `sum(lengths)` stands for "no layer".
    """
    length = torch.tensor(lengths, device=device)
    start = length.cumsum(0) - length
    for first in range(0, len(lengths), DEPTHS_AT_ONCE):
        chunk = slice(first, first + DEPTHS_AT_ONCE)
        columns = torch.arange(lengths[first], device=device)
        index = start[chunk, None] + columns
        yield lengths[first], index.where(columns < length[chunk, None], sum(lengths))


def _take(layers: Tensor, index: Tensor) -> Tensor:
    """Return [depths, bins, 4, Q] layers, clear ones where the index is past the end."""
    taken = layers[index.clamp(max=len(layers) - 1)]
    return taken.where((index < len(layers))[..., None, None], 0)


def _exclusive_product(clear: Tensor) -> Tensor:
    """Return for each depth the product of `clear` over all depths above it."""
    above = clear.flip(0).cumprod(0).roll(1, 0)
    above[0] = 1
    return above.flip(0)


def _scan(factor: Tensor, term: Tensor, first: Tensor) -> Tensor:
    """Solve `x[k + 1] = factor[k] x[k] + term[k]`, `x[0] = first`, for all k at once.

    W. D. Hillis, G. L. Steele, "Data Parallel Algorithms", 1986: log2(depths) steps.

    Args:
        factor: [K, ...].
        term: [K, ...].
        first: [...].

    Returns:
        [K + 1, ...]
    """
    factor, term = factor.clone(), term.clone()
    step = 1
    while step < len(factor):
        term[step:] = term[step:] + factor[step:] * term[:-step].clone()
        factor[step:] = factor[step:] * factor[:-step].clone()
        step *= 2
    return torch.cat([first[None], term + factor * first])
