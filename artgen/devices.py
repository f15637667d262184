"""Moving values to a device without waiting for it, and operations with the same bits in every run.

A GPU works through a queue. A plain `.to("cuda")` or `torch.tensor(values, device="cuda")` first waits until the
queue is empty, which costs more than the copy. `send` and `tensor_on` put the copy into the queue.

Some of torch's operations add up in a different order each time they run on a GPU. In deterministic mode they
raise an error, and `sampled` and `resized` compute the same values in a fixed order instead.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Environment variable that cuBLAS must find before its first product, to repeat its bits."""


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device, in the same number format; the tensor itself if it is there already.

    Only for copies to a device: a copy to the CPU must wait before its values can be read.
    """
    if device.type == "cpu":
        return tensor.to(device)
    # On MPS the source would have to stay in memory until the copy is done.
    return tensor.to(device, non_blocking=device.type != "mps")


def tensor_on(values: Any, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor of numbers on a device.

    Args:
        values: numbers, or nested lists of numbers.
        device: where the tensor is wanted.
        dtype: number format; torch's choice for these values if None.

    Example:
        >>> tensor_on([1, 2], torch.device("cpu"))
        tensor([1, 2])
    """
    return send(torch.tensor(values, dtype=dtype), device)


# --- deterministic mode ----------------------------------------------------------------


@contextlib.contextmanager
def deterministic_mode(wanted: bool) -> Iterator[None]:
    """Use only operations that repeat their bits on a GPU, if wanted; else change nothing."""
    if not wanted:
        yield
        return

    repeat_products()
    with _torch_setting(True):
        yield


def repeat_products() -> None:
    """Make cuBLAS repeat its bits; call it before the first product on a GPU."""
    os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")


@contextlib.contextmanager
def known_to_repeat() -> Iterator[None]:
    """Allow an operation that torch refuses in deterministic mode, where its result has a fixed order after all."""
    with _torch_setting(False):
        yield


@contextlib.contextmanager
def _torch_setting(deterministic: bool) -> Iterator[None]:
    """Change torch's setting, which is global, and restore it at the end."""
    before = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warns)


def sampled(
    texture: Float[Tensor, "population channels height width"], grid: Float[Tensor, "population h w 2"]
) -> Float[Tensor, "population channels h w"]:
    """Return `grid_sample` of a texture, bilinear, with its edge repeated outside.

    Args:
        texture: [P, C, H, W].
        grid: [P, h, w, 2] x and y from -1 to 1 across the texture; gets no gradient in deterministic mode.
    """
    if not torch.are_deterministic_algorithms_enabled():
        return functional.grid_sample(
            texture, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
    return _sampled_in_order(texture, grid.detach())


def _sampled_in_order(texture: Tensor, grid: Tensor) -> Tensor:
    """Return `grid_sample` by four look-ups, whose gradients torch can add in a fixed order."""
    height, width = texture.shape[-2:]
    x = (((grid[..., 0] + 1) * width - 1) / 2).clamp(0, width - 1)  # [P, h, w] in texels
    y = (((grid[..., 1] + 1) * height - 1) / 2).clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)

    flat = texture.flatten(2)  # [P, C, H * W]
    across, down = x - left, y - top
    result = torch.zeros((), dtype=texture.dtype, device=texture.device)
    for row, row_weight in ((top, 1 - down), (bottom, down)):
        for column, column_weight in ((left, 1 - across), (right, across)):
            index = (row * width + column).long().flatten(1)  # [P, h * w]
            texels = flat.gather(2, index[:, None].expand(-1, flat.shape[1], -1))
            result = result + texels.unflatten(2, x.shape[1:]) * (row_weight * column_weight)[:, None]
    return result


def resized(
    images: Float[Tensor, "items channels height width"], size: tuple[int, int], mode: Literal["bicubic"]
) -> Float[Tensor, "items channels new_height new_width"]:
    """Return pictures of this height and width, with antialiasing."""
    if not torch.are_deterministic_algorithms_enabled():
        return functional.interpolate(images, size, mode=mode, antialias=True)

    rows = _resizing(images.shape[-2], size[0], mode, images.device, images.dtype)  # [new_height, height]
    columns = _resizing(images.shape[-1], size[1], mode, images.device, images.dtype)  # [new_width, width]
    return rows @ images @ columns.T


@functools.lru_cache(maxsize=16)
def _resizing(length: int, wanted: int, mode: str, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the [wanted, length] matrix that resizes a column of a picture."""
    columns = torch.eye(length)[None, None]  # [1, 1, length, length]
    matrix = functional.interpolate(columns, (wanted, length), mode=mode, antialias=True)
    return matrix[0, 0].to(device, dtype)
