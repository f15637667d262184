"""Restricting cells to a palette: nearest colours with straight-through gradients, and ordered dithering."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.palettes import nearest_colours

Cells = Float[Tensor, "population channels rows columns"]
Palettes = Float[Tensor, "palettes colours 3"]

BAYER_SIDE = 8
"""Side of the threshold matrix in cells."""


def to_palette(colour: Cells, palettes: Palettes, dither: float = 0.0) -> Cells:
    """Return the palette's colour nearest to each cell's, with straight-through gradients.

    The value is exactly a colour of the palette. The gradient goes to the cell's own
    colour as if it were shown itself (Bengio et al. 2013), and to the palette's colour
    that was chosen, if the palette is learned.

    Args:
        colour: [P, 3, rows, columns] the cells' own colours, sRGB.
        palettes: [P, N, 3], or [1, N, 3] for all candidates.
        dither: strength of the ordered dithering; 1 mixes neighbours in the palette evenly.
    """
    population, _, rows, columns = colour.shape
    palettes = palettes.expand(population, -1, -1)  # [P, N, 3]

    wanted = colour.detach()
    if dither:
        thresholds = _thresholds_on(rows, columns, colour.device, colour.dtype)  # [rows, columns]
        wanted = wanted + dither * spacing(palettes).view(-1, 1, 1, 1) * thresholds  # [P, 3, rows, columns]

    flat = wanted.flatten(2).transpose(1, 2)  # [P, rows * columns, 3]
    chosen = torch.stack([nearest_colours(*pair) for pair in zip(flat, palettes, strict=True)])
    taken = palettes.gather(1, chosen[..., None].expand(-1, -1, 3))  # [P, rows * columns, 3]

    # adds zero to the value, and passes the gradient to the cells' own colours
    return taken.transpose(1, 2).reshape(colour.shape) + (colour - colour.detach())


def to_binary(alpha: Cells) -> Cells:
    """Return 0 or 1, whichever is nearer, with straight-through gradients."""
    return (alpha.detach() >= 0.5).to(alpha) + (alpha - alpha.detach())


@torch.no_grad()
def spacing(palettes: Palettes) -> Float[Tensor, " palettes"]:
    """Return the mean distance from a colour to its nearest neighbour, per channel."""
    if palettes.shape[1] == 1:
        return palettes.new_zeros(len(palettes))

    distances = (palettes[:, :, None] - palettes[:, None]).norm(dim=-1)  # [P, N, N]
    own = torch.eye(palettes.shape[1], device=palettes.device, dtype=torch.bool)
    return distances.masked_fill(own, torch.inf).amin(dim=-1).mean(dim=-1) / 3**0.5


@functools.lru_cache(maxsize=4)
def _thresholds_on(rows: int, columns: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return `bayer_thresholds` on a device, cached there because each copy waits for the GPU."""
    return bayer_thresholds(rows, columns).to(device, dtype)


def bayer_thresholds(rows: int, columns: int) -> Float[Tensor, "rows columns"]:
    """Return Bayer's thresholds (1973) in (-0.5, 0.5) with mean 0, repeated over the cells.

    Example:
        >>> bayer_thresholds(1, 2).tolist()
        [[-0.4921875, 0.0078125]]
    """
    matrix = torch.zeros(1, 1)  # doubles its side until it is [8, 8]
    while len(matrix) < BAYER_SIDE:
        finest = torch.tensor([[0.0, 2.0], [3.0, 1.0]]).repeat_interleave(len(matrix), 0)
        matrix = 4 * matrix.repeat(2, 2) + finest.repeat_interleave(len(matrix), 1)

    thresholds = (matrix + 0.5) / matrix.numel() - 0.5
    repeats = (-(-rows // BAYER_SIDE), -(-columns // BAYER_SIDE))
    return thresholds.repeat(repeats)[:rows, :columns]  # [rows, columns]
