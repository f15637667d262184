"""The patches of a collage as one texture, so that all are sampled in one call.

Each patch is there at several sizes, half an octave apart (L. Williams, "Pyramidal
Parametrics", 1983), so that a patch that is shown small has been filtered before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

STEPS_PER_OCTAVE = 2
BORDER = 2
"""Clear texels around each texture; clamping to their middle gives value and slope zero."""
SMALLEST = 6
"""Longer side in texels below which no smaller texture is made."""
CELLS = 32
"""Cells per side of the coverage tables."""

Texture = Float[Tensor, "4 height width"]


class Patches:
    """The pictures of the patches, read only: shared by all copies of a renderer.

    Args:
        pixels: [h, w, 4] straight RGBA of 8 bits each.

    Attributes:
        half: [K, 2] half of width and height in units of the longer side.
        side: [K] longer side in pixels.
        covered: [K, C+1, C+1] number of cells that are not clear, up and left of a corner.
        open: the same for cells that are not opaque.
        colour: [K, 3] mean colour of what is covered, in [0, 1].
    """

    def __init__(self, pixels: Sequence[np.ndarray]) -> None:
        self.pixels = tuple(pixels)
        sizes = torch.tensor([[picture.shape[1], picture.shape[0]] for picture in pixels])
        self.side = sizes.amax(1)
        self.half = sizes / self.side[:, None] / 2
        alphas = [picture[..., 3] for picture in pixels]
        self.covered = torch.stack([_area_table(_cells(alpha > 0)) for alpha in alphas])
        self.open = torch.stack([_area_table(_cells(alpha < 255)) for alpha in alphas])
        self.colour = torch.stack([_mean_colour(picture) for picture in pixels])

    def __len__(self) -> int:
        return len(self.pixels)

    def __deepcopy__(self, memo: object) -> Patches:
        return self

    def levels(self, index: int) -> int:
        """Number of textures there are of a patch."""
        return 1 + max(0, math.floor(STEPS_PER_OCTAVE * math.log2(self.side[index].item() / SMALLEST)))

    def texture(self, index: int, level: int) -> Texture:
        """Return a patch, premultiplied, `2^(level / 2)` times smaller than it is.

        Args:
            index: which patch.
            level: 0 for its own size.
        """
        picture = self.pixels[index]
        if level == 0:
            return torch.from_numpy(premultiplied(picture))
        ratio = 2.0 ** (-level / STEPS_PER_OCTAVE)
        height, width = (max(1, round(side * ratio)) for side in picture.shape[:2])
        # Pillow rather than torch: many small pictures, for which threads cost more than they give
        small = Image.fromarray(picture).convert("RGBa").resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(small, np.float32).transpose(2, 0, 1) / np.float32(255))


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    """Return [h, w, 4] straight 8-bit RGBA as float32 [4, h, w] premultiplied in [0, 1]."""
    texture = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    texture[:3] *= texture[3:]
    return np.ascontiguousarray(texture)


def _mean_colour(pixels: np.ndarray) -> Tensor:
    sums = premultiplied(pixels).sum((1, 2))
    return torch.from_numpy(sums[:3] / sums[3])


def _cells(mask: np.ndarray) -> np.ndarray:
    """Return [C, C] whether a cell, laid over the whole picture, touches any True pixel."""
    for axis in (0, 1):
        length = mask.shape[axis]
        edges = np.arange(CELLS + 1) * length / CELLS
        first = np.floor(edges[:-1]).astype(int).clip(0, length - 1)
        last = np.maximum(np.ceil(edges[1:]).astype(int), first + 1).clip(1, length)
        sums = np.concatenate([np.zeros_like(mask.take([0], axis), int), mask.cumsum(axis)], axis)
        mask = sums.take(last, axis) > sums.take(first, axis)
    return mask


def _area_table(cells: np.ndarray) -> Tensor:
    """Return [C+1, C+1] the summed-area table (F. Crow, 1984)."""
    table = np.zeros((CELLS + 1, CELLS + 1), np.int32)
    table[1:, 1:] = cells.cumsum(0).cumsum(1)
    return torch.from_numpy(table)


class Slots(NamedTuple):
    """Where elements find their texture in the atlas.

    Args:
        origin: [E, 2] x and y of the patch's centre in texels.
        density: [E, 2] texels per unit of the patch's coordinates, in x and y.
        low: [E, 2] least x and y that may be sampled, in texels.
        high: [E, 2] greatest.
    """

    origin: Tensor
    density: Tensor
    low: Tensor
    high: Tensor


class Atlases(dict[float, "Atlas"]):
    """The atlases in use by the size they are for; copies of a renderer share them."""

    def __deepcopy__(self, memo: object) -> Atlases:
        return self

    def keep(self, size: float, atlas: Atlas) -> None:
        """Add one, and forget all but the latest other: that of the canvas, or of an export."""
        for old in [each for each in self if each != size][:-1]:
            del self[old]
        self[size] = atlas


class Atlas:
    """Textures of some patches at the sizes a picture needs.

    Args:
        patches: all patches.
        contents: [K'] which of them to hold.
        longest: length of the longest patch that will be shown, in pixels; no texture
            much larger than that is kept.
        like: gives the number format and the device.
    """

    def __init__(self, patches: Patches, contents: Tensor, longest: float, like: Tensor) -> None:
        self.contents = contents
        self.texture: Tensor
        self._slots: Tensor
        self._level_limit = torch.zeros(len(patches), 2, dtype=torch.long)
        textures: list[tuple[int, int, Tensor]] = []
        for index in contents.tolist():
            count = patches.levels(index)
            first = min(_level(float(patches.side[index]), longest), count - 1)
            self._level_limit[index] = torch.tensor([first, count - 1])
            textures += [(index, level, patches.texture(index, level)) for level in range(first, count)]
        self._fill(patches, textures)
        self._side = patches.side.to(like)
        self._level_limit = self._level_limit.to(like.device)
        self._slots, self.texture = self._slots.to(like), self.texture.to(like)

    def _fill(self, patches: Patches, textures: list[tuple[int, int, Tensor]]) -> None:
        """Pack the textures in rows of falling height."""
        order = sorted(range(len(textures)), key=lambda i: -textures[i][2].shape[1])
        area = sum((t.shape[1] + 2 * BORDER) * (t.shape[2] + 2 * BORDER) for _, _, t in textures)
        width = max(math.ceil(math.sqrt(area)), max(t.shape[2] for _, _, t in textures) + 2 * BORDER)
        corners, x, y, row = {}, 0, 0, 0
        for i in order:
            high, wide = (side + 2 * BORDER for side in textures[i][2].shape[1:])
            if x + wide > width:
                x, y, row = 0, y + row, 0
            corners[i] = (x, y)
            x, row = x + wide, max(row, high)
        pixels = np.zeros((4, y + row, width), np.float32)
        levels = 1 + max(level for _, level, _ in textures)
        slots = np.zeros((len(patches), levels, 4, 2), np.float32)
        half = patches.half.numpy()
        for i, (index, level, texture) in enumerate(textures):
            left, top = corners[i][0] + BORDER, corners[i][1] + BORDER
            high, wide = texture.shape[1:]
            pixels[:, top : top + high, left : left + wide] = texture.numpy()
            middle = (left + wide / 2, top + high / 2)
            density = (wide / (2 * half[index, 0]), high / (2 * half[index, 1]))
            low = (left - BORDER / 2, top - BORDER / 2)
            far = (left + wide + BORDER / 2, top + high + BORDER / 2)
            slots[index, level] = middle, density, low, far
        self.texture, self._slots = torch.from_numpy(pixels), torch.from_numpy(slots)

    def slots(self, patch: Int[Tensor, " elements"], shown: Float[Tensor, " elements"]) -> Slots:
        """Return the textures to use.

        Args:
            patch: [E] which patch each element shows; all must be among `contents`.
            shown: [E] longer side in pixels as it is shown.
        """
        limit = self._level_limit[patch]
        level = (STEPS_PER_OCTAVE * torch.log2(self._side[patch] / shown)).round().long()
        level = torch.minimum(torch.maximum(level, limit[:, 0]), limit[:, 1])
        return Slots(*self._slots[patch, level].unbind(1))


def _level(side: float, shown: float) -> int:
    """Return the largest texture a picture needs, with a margin for rounding."""
    return max(0, math.floor(STEPS_PER_OCTAVE * math.log2(side / max(shown, 1e-6)) - 0.5))


def touching(
    table: Int[Tensor, "patches cells cells"],
    patch: Int[Tensor, " pairs"],
    half: Float[Tensor, "pairs 2"],
    low: Float[Tensor, "pairs 2"],
    high: Float[Tensor, "pairs 2"],
) -> Int[Tensor, " pairs"]:
    """Count the marked cells that rectangles of patches touch.

    Args:
        table: summed-area tables of the patches.
        patch: [M] which patch.
        half: [M, 2] half width and height of the patch.
        low: [M, 2] left and upper edge of the rectangle in patch coordinates.
        high: [M, 2] right and lower edge.
    """
    first = ((low + half) * (CELLS / 2) / half).floor().clamp(0, CELLS).long()
    last = ((high + half) * (CELLS / 2) / half).ceil().clamp(0, CELLS).long()
    flat = table.flatten()
    start = patch * (CELLS + 1) ** 2

    def at(corner_y: Tensor, corner_x: Tensor) -> Tensor:
        """Look up the table at one corner of each rectangle, [M]."""
        return flat[start + corner_y * (CELLS + 1) + corner_x]

    (x0, y0), (x1, y1) = first.unbind(1), last.unbind(1)
    count = at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0)
    return count.where((x1 > x0) & (y1 > y0), 0)
