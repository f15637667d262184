"""Ordered "over" compositing, shared by the renderers that paint element over element.

Layers are premultiplied RGBA blocks in *depth-major* order (`artgen.renderers.binning.stack`
makes it): the bins (tiles, pixels, whole pictures) are sorted by their number of layers, most
first, so that the layers of depth k are one contiguous slice, and belong to the first
`lengths[k]` bins. Compositing is then a loop over depth of slice updates, without any index.

Letters: M layers, B bins, Q pixels of a bin, D depths of a chunk.

Source: T. Porter, T. Duff, "Compositing Digital Images", SIGGRAPH 1984.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from artgen.devices import tensor_on

Layers = Float[Tensor, "pairs 4 pixels"]
"""Premultiplied RGBA blocks of (bin, element) pairs, depth-major, the lowest first."""
Bins = Float[Tensor, "bins 4 pixels"]
"""Premultiplied RGBA pictures of the bins with at least one layer, fullest first."""
Chunk = tuple[int, Tensor]
"""Number of bins that a chunk of depths touches, and the [D, B] index of its layers."""

ALPHA = 3
"""Channel of the opacity."""
DEPTHS_AT_ONCE = 32
"""Depths that the parallel form pads and multiplies at once; bounds the memory spent on padding."""


def put_over(layer: Tensor, below: Tensor) -> Tensor:
    """Return a layer painted over what is below it, `layer + (1 - alpha) * below`.

    Args:
        layer: [..., 4, H, W] premultiplied RGBA.
        below: [..., 4, H, W] premultiplied RGBA, or opaque colours [..., 3, H, W]; H and W may be 1.

    Returns:
        As many channels as `below`.

    Example:
        >>> veil = torch.tensor([0.0, 0.0, 0.5, 0.5]).view(4, 1, 1)
        >>> put_over(veil, torch.ones(3, 1, 1)).flatten()
        tensor([0.5000, 0.5000, 1.0000])
    """
    channels = below.shape[-3]
    clear = 1 - layer[..., ALPHA:, :, :]  # [..., 1, H, W]
    return layer[..., :channels, :, :] + clear * below


def over(layers: Layers, lengths: Sequence[int]) -> Bins:
    """Paint the layers of every bin over each other, the lowest first.

    `canvas = layer + (1 - alpha) * canvas`, depth by depth. The backward pass recomputes what it
    needs and stores no canvas per depth. It is exact for `alpha = 1` too, because it never
    divides by a transmittance. The bits are the same for any number of threads.

    Args:
        layers: [M, 4, Q] premultiplied RGBA, depth-major.
        lengths: number of bins with a layer at depth 0, 1, ...; never increasing, with sum M.

    Returns:
        [lengths[0], 4, Q] premultiplied RGBA of the bins.

    Raises:
        ValueError: `lengths` do not describe the layers.

    Example:
        >>> red, veil = torch.tensor([1.0, 0, 0, 1]), torch.tensor([0, 0, 0.5, 0.5])
        >>> over(torch.stack([red, veil])[..., None], [1, 1]).flatten()
        tensor([0.5000, 0.0000, 0.5000, 1.0000])
    """
    increases = any(shallow < deep for shallow, deep in itertools.pairwise(lengths))
    if sum(lengths) != len(layers) or increases:
        raise ValueError(f"lengths {list(lengths)[:8]} are not the depths of {len(layers)} layers")
    if not lengths:
        return layers

    # one launch per depth is cheap on a CPU; on a GPU launches dominate, so depths are taken together
    function: type[_OverInParallel] | type[_OverByDepth] = _OverByDepth
    if layers.is_cuda:
        function = _OverInParallel
    return function.apply(layers, tuple(lengths))


def _slices(lengths: Sequence[int]) -> list[tuple[int, slice]]:
    """Return for each depth the number of bins, and the slice of its layers."""
    slices = []
    start = 0
    for length in lengths:
        slices.append((length, slice(start, start + length)))
        start += length
    return slices


class _OverByDepth(torch.autograd.Function):
    """A loop over depth; the fastest form on a CPU."""

    @staticmethod
    def forward(ctx: Any, layers: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Return the [B, 4, Q] canvases; only the layers are saved for the gradient."""
        ctx.save_for_backward(layers)
        ctx.lengths = lengths

        lowest, *higher = _slices(lengths)
        canvas = layers[lowest[1]].clone()  # [B, 4, Q]
        for length, part in higher:
            layer = layers[part]  # [length, 4, Q]
            canvas[:length].mul_(1 - layer[:, ALPHA:]).add_(layer)
        return canvas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Go up once for what lies below each layer, then down with what lies above.

        With g the gradient at a bin and A the transmittance of everything above a layer, the
        gradient of its colours is `A g`, and that of its alpha is lower by `A (g . canvas below)`.
        This dot product follows the same recurrence as the canvas, with one number per pixel.
        """
        (layers,) = ctx.saved_tensors
        slices = _slices(ctx.lengths)
        clear = 1 - layers[:, ALPHA]  # [M, Q]

        # upwards: `below` is g . canvas below each layer
        below = torch.empty_like(clear)  # [M, Q]
        running = torch.zeros_like(gradient[:, 0])  # [B, Q]
        for length, part in slices:
            below[part] = running[:length]
            shown = (gradient[:length] * layers[part]).sum(1)  # [length, Q]
            running[:length].mul_(clear[part]).add_(shown)

        # downwards: `above` is A, the transmittance of the layers that are done
        result = torch.empty_like(layers)  # [M, 4, Q]
        above = torch.ones_like(running)  # [B, Q]
        for length, part in reversed(slices):
            visible = above[:length]
            torch.mul(gradient[:length], visible[:, None], out=result[part])
            result[part, ALPHA].addcmul_(visible, below[part], value=-1)
            visible.mul_(clear[part])
        return result, None


class _OverInParallel(torch.autograd.Function):
    """Products over many depths at once; few launches, for CUDA."""

    @staticmethod
    def forward(ctx: Any, layers: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Return the [B, 4, Q] canvases; only the layers are saved for the gradient."""
        ctx.save_for_backward(layers)
        ctx.lengths = lengths

        canvas = torch.zeros_like(layers[: lengths[0]])  # [B, 4, Q]
        for bins, index in _padded_chunks(lengths, layers.device):
            padded = _take(layers, index)  # [D, bins, 4, Q]
            clear = 1 - padded[:, :, ALPHA:]  # [D, bins, 1, Q]
            above = _exclusive_product(clear)

            visible = (above * padded).sum(0)  # [bins, 4, Q]
            canvas[:bins] = canvas[:bins] * (above[0] * clear[0]) + visible
        return canvas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """As `_OverByDepth.backward`, with the recurrence solved by a parallel scan."""
        (layers,) = ctx.saved_tensors
        chunks = _padded_chunks(ctx.lengths, layers.device)

        # upwards: g . canvas below each layer, chunk by chunk
        running = torch.zeros_like(gradient[:, 0])  # [B, Q]
        below = []
        for bins, index in chunks:
            padded = _take(layers, index)  # [D, bins, 4, Q]
            shown = (gradient[None, :bins] * padded).sum(2)  # [D, bins, Q]
            scanned = _scan(1 - padded[:, :, ALPHA], shown, running[:bins])  # [D + 1, bins, Q]
            below.append(scanned[:-1])
            running[:bins] = scanned[-1]

        # downwards, with the transmittance of the chunks above
        result = layers.new_zeros(len(layers) + 1, *layers.shape[1:])  # [M + 1, 4, Q], the last for padding
        transmittance = torch.ones_like(running)  # [B, Q]
        for (bins, index), dot in reversed(list(zip(chunks, below, strict=True))):
            clear = 1 - _take(layers, index)[:, :, ALPHA]  # [D, bins, Q]
            above = _exclusive_product(clear) * transmittance[:bins]

            part = above[:, :, None] * gradient[None, :bins]  # [D, bins, 4, Q]
            part[:, :, ALPHA] -= above * dot
            result[index] = part

            transmittance[:bins] = above[0] * clear[0]
        return result[:-1], None


def _padded_chunks(lengths: Sequence[int], device: torch.device) -> list[Chunk]:
    """Return chunks of at most `DEPTHS_AT_ONCE` depths, the lowest first.

    An index of `sum(lengths)` stands for "no layer".
    """
    length = tensor_on(lengths, device)  # [depths]
    start = length.cumsum(0) - length

    chunks = []
    for first in range(0, len(lengths), DEPTHS_AT_ONCE):
        depths = slice(first, first + DEPTHS_AT_ONCE)
        bin_number = torch.arange(lengths[first], device=device)  # [B]
        index = start[depths, None] + bin_number  # [D, B]
        has_layer = bin_number < length[depths, None]
        chunks.append((lengths[first], index.where(has_layer, sum(lengths))))
    return chunks


def _take(layers: Tensor, index: Tensor) -> Tensor:
    """Return [D, B, 4, Q] layers, clear ones where the index is past the end."""
    taken = layers[index.clamp(max=len(layers) - 1)]  # [D, B, 4, Q]
    real = index < len(layers)  # [D, B]
    return taken.where(real[..., None, None], 0)


def _exclusive_product(clear: Tensor) -> Tensor:
    """Return for each depth the product of `clear` over all depths above it, [D, ...] as given."""
    above = clear.flip(0).cumprod(0).roll(1, 0)
    above[0] = 1
    return above.flip(0)


def _scan(factor: Tensor, term: Tensor, first: Tensor) -> Tensor:
    """Solve `x[k + 1] = factor[k] x[k] + term[k]`, `x[0] = first`, for all k at once.

    W. D. Hillis, G. L. Steele, "Data Parallel Algorithms", 1986: log2(depths) steps.

    Args:
        factor: [D, ...].
        term: [D, ...].
        first: [...].

    Returns:
        [D + 1, ...] the values of x.
    """
    factor, term = factor.clone(), term.clone()

    # after each round an entry combines twice as many steps of the recurrence
    step = 1
    while step < len(factor):
        term[step:] = term[step:] + factor[step:] * term[:-step].clone()
        factor[step:] = factor[step:] * factor[:-step].clone()
        step *= 2

    later = term + factor * first  # [D, ...]
    return torch.cat([first[None], later])  # [D + 1, ...]
