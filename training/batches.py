"""Batches from shards, with random crops, mirroring, brightness and coarse grids; lengths of attacks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = 64


def scaled(noise: Tensor, length: Tensor) -> Tensor:
    """Return noise [N, ...] rescaled to the L2 lengths [N]."""
    norm = noise.flatten(1).norm(dim=1).clamp_min(1e-12)
    return noise * (length / norm)[:, None, None, None]


def within(noise: Tensor, length: Tensor) -> Tensor:
    """Return noise [N, ...] shortened to at most the L2 lengths [N]."""
    norm = noise.flatten(1).norm(dim=1).clamp_min(1e-12)
    return noise * (length / norm).clamp(max=1)[:, None, None, None]


def cropped(images: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
    """Return random windows, uint8 [B, 3, 64, 64] (channels_last), of the images `rows` of [S, 3, H, H]."""
    room = images.shape[-1] - SIZE + 1
    top, left = torch.randint(room, (2, len(rows), 1), generator=generator)
    y, x = top + torch.arange(SIZE), left + torch.arange(SIZE)
    return images[rows[:, None, None], :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def coarse(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images as grids of few cells, sharp or smooth, like unfinished paintings."""
    cells = (12, 16, 21, 32)[int(torch.randint(4, (1,), generator=generator))]
    small = F.interpolate(images, size=(cells, cells), mode="area")
    if torch.rand((), generator=generator) < 0.5:
        return F.interpolate(small, size=(SIZE, SIZE), mode="nearest")
    return F.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)


def draw(data: dict[str, Tensor], count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a random batch of the scenes in `data`.

    Args:
        data: shards, joined.
        count: scenes in the batch.
        generator: draws the scenes and their variations.

    Returns:
        `images`, float [B, 3, 64, 64] in 0..1 (channels_last), and the other tensors of those scenes.
    """
    rows = torch.randint(len(data["images"]), (count,), generator=generator)
    batch = {key: value[rows] for key, value in data.items() if key != "images"}
    images = cropped(data["images"], rows, generator).float() / 255

    mirror = batch["may_flip"] & (torch.rand(count, generator=generator) < 0.5)
    images = torch.where(mirror[:, None, None, None], images.flip(3), images)
    part = count // 5
    images = torch.cat([coarse(images[:part], generator), images[part:]])

    gain = 1 + 0.25 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    shift = 0.12 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    images = ((images - 0.5) * gain + 0.5 + shift).clamp(0, 1)
    batch["images"] = images.contiguous(memory_format=torch.channels_last)
    return batch
