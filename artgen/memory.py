"""Recognise that memory ran out, and refuse work that can never fit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from artgen.errors import RunError, UsageError
from artgen.geometry import Size

FLOATS_PER_PIXEL = 24
"""Least number of floats in memory for each pixel of each candidate during a step: RGBA and RGB, their
gradients, the picture on its background, the feedback, and the cutouts' mipmaps."""
FLOATS_PER_EXPORTED_PIXEL = 12
"""Number of floats in memory for each pixel while a picture is written: RGBA, RGB on its background, their bytes."""
CPU = torch.device("cpu")
_GIGABYTE = 1e9


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out, on a CPU or elsewhere.

    Example:
        >>> is_out_of_memory(MemoryError())
        True
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


@contextlib.contextmanager
def memory_reported(cure: str) -> Iterator[None]:
    """Turn an out-of-memory error into a `RunError` that names the cure.

    Args:
        cure: what the user can do ("use a smaller --canvas").
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(f"out of memory; {cure}") from None


def check_canvas(population: int, canvas: Size, device: torch.device) -> None:
    """Refuse a canvas that cannot fit into memory, before any work starts.

    Raises:
        UsageError: it needs more memory than is free.
    """
    needed = 4 * FLOATS_PER_PIXEL * population * canvas.height * canvas.width
    what = f"{population} candidates of {canvas.width}x{canvas.height} need at least"
    require_memory(needed, what, "use a smaller --canvas or --population (--size may stay large)", device)


def check_export(size: Size) -> None:
    """Refuse a finished picture that cannot fit into memory, before any work starts.

    Raises:
        UsageError: it needs more memory than is free.
    """
    needed = 4 * FLOATS_PER_EXPORTED_PIXEL * size.height * size.width
    require_memory(needed, f"a picture of {size.width}x{size.height} needs at least", "use a smaller --size")


def require_memory(needed: int | float, what: str, cure: str, device: torch.device = CPU) -> None:
    """Refuse work that needs more memory than is free.

    Args:
        needed: bytes.
        what: subject and verb of the message ("a picture of 64x64 needs at least").
        cure: what the user can do.
        device: the device whose memory is needed.

    Raises:
        UsageError: it needs more memory than is free.
    """
    free = available_memory(device)
    if needed > free:
        raise UsageError(f"{what} {needed / _GIGABYTE:.1f} GB, {free / _GIGABYTE:.1f} GB are free; {cure}")


def available_memory(device: torch.device) -> float:
    """Return the number of free bytes, infinity if the system does not say."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (OSError, ValueError, AttributeError):
        return float("inf")
