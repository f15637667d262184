"""The device that a run uses, and what the user should know about it."""

from __future__ import annotations

import torch

from artgen.config import RunConfig
from artgen.engine.events import Notice
from artgen.errors import UsageError


def pick_device(wanted: str) -> torch.device:
    """Return the device of that name, or the best there is for "auto".

    Raises:
        UsageError: torch does not have that device here.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device).item()  # fails on `meta`, which has no numbers
    except (RuntimeError, AssertionError):
        raise UsageError(f"device {wanted!r} is not available here; use --set device=auto") from None
    return device


def device_notices(config: RunConfig, device: torch.device) -> list[Notice]:
    """Return what the user should know about the device: where it is not the one asked for, or an option is idle."""
    notices = []
    if config.device not in ("auto", device.type, str(device)):
        notices.append(
            f"device {config.device!r} is not available here: continuing on {device.type}, "
            "so the picture agrees closely with that of the other device, but not bit for bit"
        )
    if config.cuda_graph and device.type != "cuda":
        notices.append(f"cuda_graph has no effect on {device.type}")
    if config.deterministic and device.type == "cpu":
        notices.append("deterministic has no effect on cpu: the same seed always gives the same bits there")
    return [Notice(message) for message in notices]


def device_or_best(wanted: str) -> torch.device:
    """Return the device of that name if torch has it here, else the best there is."""
    try:
        return pick_device(wanted)
    except UsageError:
        return pick_device("auto")
