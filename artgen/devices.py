"""Moving values to a device without waiting for it.

A GPU works through a queue. A plain `.to("cuda")` or `torch.tensor(values, device="cuda")` first waits until the
queue is empty, which costs more than the copy. The functions here put the copy into the queue.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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
