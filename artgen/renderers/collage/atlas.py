"""The patches of a collage as one texture, so that all are sampled in one call.

The atlas contains each patch at several sizes, half an octave apart (L. Williams, "Pyramidal
Parametrics", 1983), so that a patch that is shown small has been filtered beforehand.
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
"""Clear texels around each texture; places outside are clamped to their middle, where value and slope are 0."""
SMALLEST_TEXTURE = 6
"""Longer side in texels at which a patch's series of smaller textures ends."""
CELLS = 32
"""Cells per side of the coverage tables."""

Texture = Float[Tensor, "4 height width"]


class Tables(NamedTuple):
    """What sampling looks up for each patch; see `Patches`."""

    half: Float[Tensor, "patches 2"]
    covered: Int[Tensor, "patches cells cells"]
    open: Int[Tensor, "patches cells cells"]


class Patches:
    """The pictures of the patches, which all copies of a renderer share; read only.

    Args:
        pixels: [h, w, 4] straight RGBA of 8 bits each.

    Attributes:
        half: [K, 2] half of width and height in units of the longer side.
        side: [K] longer side in pixels.
        covered: [K, C+1, C+1] number of cells above and left of a corner that are not clear.
        open: [K, C+1, C+1] the same for cells that are not opaque.
        colour: [K, 3] mean colour weighted by alpha, in [0, 1].
    """

    def __init__(self, pixels: Sequence[np.ndarray]) -> None:
        self.pixels = tuple(pixels)
        sizes = torch.tensor([[picture.shape[1], picture.shape[0]] for picture in pixels])
        self.side = sizes.amax(1)  # [K, 2] to [K]
        self.half = sizes / self.side[:, None] / 2  # [K, 2]

        alphas = [picture[..., 3] for picture in pixels]
        self.covered = torch.stack([_area_table(_cells(alpha > 0)) for alpha in alphas])
        self.open = torch.stack([_area_table(_cells(alpha < 255)) for alpha in alphas])
        self.colour = torch.stack([_mean_colour(picture) for picture in pixels])
        self._tables: dict[torch.device, Tables] = {}

    def __len__(self) -> int:
        return len(self.pixels)

    def __deepcopy__(self, memo: object) -> Patches:
        return self

    def tables(self, device: torch.device) -> Tables:
        """Return the tables on a device; copied there once."""
        if device not in self._tables:
            self._tables[device] = Tables(self.half.to(device), self.covered.to(device), self.open.to(device))
        return self._tables[device]

    def levels(self, index: int) -> int:
        """Number of textures of a patch, each half an octave smaller than the one before."""
        octaves = math.log2(self.side[index].item() / SMALLEST_TEXTURE)
        return 1 + max(0, math.floor(STEPS_PER_OCTAVE * octaves))

    def texture(self, index: int, level: int) -> Texture:
        """Return [4, h, w] a patch, premultiplied, shrunk by a factor of `2^(level / 2)`.

        Args:
            index: number of the patch.
            level: 0 for its own size.
        """
        picture = self.pixels[index]  # [h, w, 4]
        if level == 0:
            return torch.from_numpy(premultiplied(picture))

        ratio = 2.0 ** (-level / STEPS_PER_OCTAVE)
        height, width = (max(1, round(side * ratio)) for side in picture.shape[:2])
        # Pillow rather than torch: for many small pictures, starting threads costs more than they save
        premultiplied_picture = Image.fromarray(picture).convert("RGBa")
        small = premultiplied_picture.resize((width, height), Image.Resampling.BILINEAR)
        channels_first = np.asarray(small, np.float32).transpose(2, 0, 1)  # [4, h, w]
        return torch.from_numpy(channels_first / np.float32(255))


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    """Return [h, w, 4] straight 8-bit RGBA as float32 [4, h, w] premultiplied in [0, 1]."""
    texture = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)  # [4, h, w]
    texture[:3] *= texture[3:]
    return np.ascontiguousarray(texture)


def _mean_colour(pixels: np.ndarray) -> Tensor:
    """Return [3] the mean colour weighted by alpha."""
    sums = premultiplied(pixels).sum((1, 2))  # [4]
    return torch.from_numpy(sums[:3] / sums[3])


def _cells(mask: np.ndarray) -> np.ndarray:
    """Return [C, C] whether each cell of a grid over the whole picture touches any True pixel."""
    for axis in (0, 1):
        length = mask.shape[axis]
        edges = np.arange(CELLS + 1) * length / CELLS  # [C + 1], in pixels
        first = np.floor(edges[:-1]).astype(int).clip(0, length - 1)
        last = np.maximum(np.ceil(edges[1:]).astype(int), first + 1).clip(1, length)

        # running counts: a cell touches a True pixel if the count rises within it
        sums = np.concatenate([np.zeros_like(mask.take([0], axis), int), mask.cumsum(axis)], axis)
        mask = sums.take(last, axis) > sums.take(first, axis)
    return mask


def _area_table(cells: np.ndarray) -> Tensor:
    """Return [C+1, C+1] the summed-area table (F. Crow, 1984)."""
    table = np.zeros((CELLS + 1, CELLS + 1), np.int32)  # [C + 1, C + 1]
    table[1:, 1:] = cells.cumsum(0).cumsum(1)
    return torch.from_numpy(table)


class Slots(NamedTuple):
    """Where in the atlas each element's texture is.

    Args:
        origin: [E, 2] x and y of the patch's centre in texels.
        density: [E, 2] texels per unit of the patch's coordinates, in x and y.
        low: [E, 2] least x and y that may be sampled, in texels.
        high: [E, 2] greatest x and y.
    """

    origin: Tensor
    density: Tensor
    low: Tensor
    high: Tensor


class Atlases(dict[float, "Atlas"]):
    """The atlases in use, by the size they are made for; copies of a renderer share them."""

    def __deepcopy__(self, memo: object) -> Atlases:
        return self

    def keep(self, size: float, atlas: Atlas) -> None:
        """Add an atlas, and forget all others but the latest.

        Two are enough: one for the canvas and one for an export.
        """
        others = [other for other in self if other != size]
        for old in others[:-1]:
            del self[old]
        self[size] = atlas


class LevelTexture(NamedTuple):
    """A patch at one size.

    Args:
        patch: number of the patch.
        level: see `Patches.texture`.
        texture: [4, h, w] premultiplied.
    """

    patch: int
    level: int
    texture: Texture


class Atlas:
    """Textures of some patches at the sizes a picture needs.

    Args:
        patches: all patches.
        contents: [K'] the patches to include, each once.
        longest: longer side of the largest patch that will be shown, in pixels; much larger
            textures are left out.
        like: a tensor with the number format and the device to use.
    """

    def __init__(self, patches: Patches, contents: Tensor, longest: float, like: Tensor) -> None:
        self.contents = contents
        self.is_complete = len(contents) == len(patches)
        self.texture: Tensor  # [4, H, W]
        self._slots: Tensor  # [K, levels, 4, 2], the four values of `Slots`
        self._level_limit = torch.zeros(len(patches), 2, dtype=torch.long)  # first and last level

        textures: list[LevelTexture] = []
        for index in contents.tolist():
            count = patches.levels(index)
            first = min(_level(float(patches.side[index]), longest), count - 1)
            self._level_limit[index] = torch.tensor([first, count - 1])
            levels = range(first, count)
            textures += [LevelTexture(index, level, patches.texture(index, level)) for level in levels]
        self._fill(patches, textures)

        self._side = patches.side.to(like)
        self._level_limit = self._level_limit.to(like.device)
        self._slots, self.texture = self._slots.to(like), self.texture.to(like)

    def _fill(self, patches: Patches, textures: list[LevelTexture]) -> None:
        """Copy the textures into one, and note where each is."""
        corners, height, width = _packed(textures)
        pixels = np.zeros((4, height, width), np.float32)
        levels = 1 + max(texture.level for texture in textures)
        slots = np.zeros((len(patches), levels, 4, 2), np.float32)
        halves = patches.half.numpy()  # [K, 2]

        for (index, level, texture), corner in zip(textures, corners, strict=True):
            left, top = corner[0] + BORDER, corner[1] + BORDER
            high, wide = texture.shape[1:]
            pixels[:, top : top + high, left : left + wide] = texture.numpy()

            centre = (left + wide / 2, top + high / 2)
            density = (wide / (2 * halves[index, 0]), high / (2 * halves[index, 1]))
            lowest = (left - BORDER / 2, top - BORDER / 2)
            highest = (left + wide + BORDER / 2, top + high + BORDER / 2)
            slots[index, level] = centre, density, lowest, highest

        self.texture, self._slots = torch.from_numpy(pixels), torch.from_numpy(slots)

    def serves(self, patch: Int[Tensor, "population elements"]) -> bool:
        """Return whether the atlas is on the device of these patches and contains them all.

        The device is read only if the atlas leaves some patches out.
        """
        if self.texture.device != patch.device:
            return False
        return self.is_complete or bool(torch.isin(patch, self.contents).all())

    def slots(self, patch: Int[Tensor, " elements"], shown: Float[Tensor, " elements"]) -> Slots:
        """Return where the texture of each element is: the one nearest to its size in the picture.

        Args:
            patch: [E] the patch that each element shows; all must be in `contents`.
            shown: [E] length in pixels of the patch's longer side in the picture.
        """
        limit = self._level_limit[patch]  # [E, 2]
        level = (STEPS_PER_OCTAVE * torch.log2(self._side[patch] / shown)).round().long()
        level = torch.minimum(torch.maximum(level, limit[:, 0]), limit[:, 1])
        values = self._slots[patch, level]  # [E, 4, 2]
        return Slots(*values.unbind(1))


def _packed(textures: list[LevelTexture]) -> tuple[list[tuple[int, int]], int, int]:
    """Pack textures, with their borders, into rows, the tallest first.

    Returns:
        x and y of each texture's upper left corner; height and width of the whole.
    """
    sizes = []
    for _, _, texture in textures:
        high, wide = texture.shape[1:]
        sizes.append((high + 2 * BORDER, wide + 2 * BORDER))

    # about square, but wide enough for the widest
    area = sum(high * wide for high, wide in sizes)
    width = max(math.ceil(math.sqrt(area)), max(wide for _, wide in sizes))

    corners = [(0, 0)] * len(sizes)
    x, y, row_height = 0, 0, 0
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number][0]):
        high, wide = sizes[number]
        if x + wide > width:
            x, y, row_height = 0, y + row_height, 0
        corners[number] = (x, y)
        x, row_height = x + wide, max(row_height, high)
    return corners, y + row_height, width


def _level(side: float, shown: float) -> int:
    """Return the level of the largest texture a picture needs, with a margin for rounding."""
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
        table: [K, C+1, C+1] summed-area tables of the patches.
        patch: [M] number of each rectangle's patch.
        half: [M, 2] half width and height of the patch.
        low: [M, 2] left and upper edge of the rectangle in patch coordinates.
        high: [M, 2] right and lower edge.
    """
    # the corners' numbers in the table, [M, 2] each
    first = ((low + half) * (CELLS / 2) / half).floor().clamp(0, CELLS).long()
    last = ((high + half) * (CELLS / 2) / half).ceil().clamp(0, CELLS).long()

    flat = table.flatten()
    start = patch * (CELLS + 1) ** 2  # [M], of each patch's own table

    def at(corner_y: Tensor, corner_x: Tensor) -> Tensor:
        """Look up the table at one corner of each rectangle, [M]."""
        return flat[start + corner_y * (CELLS + 1) + corner_x]

    (x0, y0), (x1, y1) = first.unbind(1), last.unbind(1)
    count = at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0)
    return count.where((x1 > x0) & (y1 > y0), 0)
