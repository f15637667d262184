"""The devices that the checks of this folder run on: the pretend device everywhere, and CUDA where there is one."""

from __future__ import annotations

import abc
import contextlib
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from tests.devices.pretend import DEVICE, PretendDevice


class Place(abc.ABC):
    """A device besides the CPU.

    Attributes:
        device: torch's name of it.
    """

    device: torch.device

    @abc.abstractmethod
    def entered(self) -> contextlib.AbstractContextManager:
        """Return the context in which the device can be used."""

    @abc.abstractmethod
    def watched(self) -> contextlib.AbstractContextManager[list[str]]:
        """Return a context whose value lists, at its end, what the host waited for in it."""


class Pretended(Place):
    """The pretend device."""

    device = DEVICE

    def __init__(self) -> None:
        self.mode = PretendDevice()

    def entered(self) -> contextlib.AbstractContextManager:
        return self.mode

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[str]]:
        waits: list[str] = []
        self.mode.waits.clear()
        yield waits
        waits += self.mode.waits


class Cuda(Place):
    """A real GPU."""

    device = torch.device("cuda")

    def entered(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[str]]:
        waits: list[str] = []
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                yield waits
        finally:
            torch.cuda.set_sync_debug_mode("default")
        waits += [
            f"{one.message} ({one.filename}:{one.lineno})"
            for one in caught
            if "synchroniz" in str(one.message)
        ]


def on_host(tensor: Tensor) -> Tensor:
    """Return a copy of a tensor on the CPU."""
    return tensor.detach().cpu()
