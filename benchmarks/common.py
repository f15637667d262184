"""What all benchmarks share."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from artgen.engine.report import versions


def alternate(
    parts: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2
) -> dict[str, list[float]]:
    """Return each part's seconds per call, run in turn so that a machine's drift hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for round_ in range(rounds + warmup):
        for name, part in parts.items():
            begun = time.perf_counter()
            part()
            if round_ >= warmup:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def median_ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the ratios, pair by pair."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def report(figures: Mapping[str, Any]) -> None:
    """Print the figures with versions, threads and load."""
    machine = {"threads": torch.get_num_threads(), "load": os.getloadavg(), "versions": versions()}
    print(json.dumps({**figures, "machine": machine}, indent=2))
