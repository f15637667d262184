"""Guides that are loaded once and used by several runs."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from artgen.config.guide_spec import GuideSpec
from artgen.guides.base import Guide
from artgen.guides.loading import load_guide


class GuidePool:
    """Loads each guide once per device, and keeps it.

    Runs that share a pool one after another each choose the number format they need. Runs that take turns must
    use the same `precision`.

    Args:
        guides: guides that are loaded already.

    Example:
        >>> pool = GuidePool()
        >>> # for seed in range(4):
        >>> #     paint(RunConfig(prompts="a blue rabbit", seed=seed), guides=pool)
    """

    def __init__(self, guides: Iterable[Guide] = ()) -> None:
        self._loaded: dict[tuple[str, str], Guide] = {}
        for guide in guides:
            self._loaded[guide.name, _device_name(guide.device)] = guide

    def get(self, spec: GuideSpec, device: torch.device) -> Guide:
        """Return a guide, loaded if it is not there yet.

        Raises:
            UsageError: there is no such guide.
            InputError: its weights cannot be read.
        """
        key = spec.label, _device_name(device)
        if key not in self._loaded:
            self._loaded[key] = load_guide(spec, device)
        return self._loaded[key]


def _device_name(device: torch.device) -> str:
    """Return the name of a device; `cuda` is the current one, such as `cuda:0`."""
    if device.type == "cuda" and device.index is None:
        return f"cuda:{torch.cuda.current_device()}"
    return str(device)
