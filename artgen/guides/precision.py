"""Choosing a guide's number format by measurement, once per machine."""

from __future__ import annotations

import json
import logging
import platform
import statistics
import time
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch.nn import functional

from artgen.errors import InputError
from artgen.files import read_file
from artgen.guides.base import Guide
from artgen.plain_json import read_json

logger = logging.getLogger(__name__)

LEAST_AGREEMENT = 0.99
"""Cosine between the gradients of two formats, below which the smaller one is refused."""
LEAST_GAIN = 0.9
"""bfloat16 must take less than this fraction of float32's time to be chosen."""
LARGEST_CACHE = 1 << 20
"""Largest file of remembered choices in bytes."""
_REPETITIONS = 3


def format_name(precision: torch.dtype) -> Literal["float32", "bfloat16"]:
    """Return the name of a number format in checkpoints."""
    return "bfloat16" if precision == torch.bfloat16 else "float32"


def choose_precision(guide: Guide, views: int, device: torch.device, wanted: str = "auto") -> torch.dtype:
    """Return the faster of float32 and bfloat16, if the gradients agree.

    The choice is measured once for each guide, batch size, device, thread count and torch
    version, and kept in the user's cache. The same machine therefore makes the same choice again.

    Args:
        guide: the guide to measure.
        views: pictures per pass.
        device: where it runs.
        wanted: "auto", or a format to use without measuring.
    """
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wanted]

    path = user_cache_path("artgen") / "precision.json"
    key = "/".join(
        [guide.digest[:16], str(views), str(device), platform.processor() or platform.machine(),
         str(torch.get_num_threads()), torch.__version__]
    )  # fmt: skip

    known = _read(path)
    if known.get(key) not in ("float32", "bfloat16"):
        known = {key: _measure(guide, views, device)}
        _remember(path, known)
    return getattr(torch, known[key])


def _measure(guide: Guide, views: int, device: torch.device) -> str:
    """Return the name of the faster format whose gradients agree with float32."""
    images = torch.rand(views, 3, *guide.image_size, generator=torch.Generator().manual_seed(0)).to(device)
    before = guide.precision
    timings, gradients = {}, {}
    try:
        for precision in (torch.float32, torch.bfloat16):
            guide.use_precision(precision)
            timings[precision], gradients[precision] = _time_gradient(guide, images)
    except RuntimeError as error:  # an operation without a bfloat16 kernel
        logger.info("bfloat16 does not work for %s: %s", guide.name, error)
        return "float32"
    finally:
        guide.use_precision(before)

    full, half = (gradients[p].flatten().double() for p in (torch.float32, torch.bfloat16))
    agreement = float(functional.cosine_similarity(full, half, dim=0))
    gain = timings[torch.bfloat16] / timings[torch.float32]
    logger.info(
        "%s: bfloat16 takes %.2f of float32's time, gradients agree to %.4f", guide.name, gain, agreement
    )
    return "bfloat16" if agreement > LEAST_AGREEMENT and gain < LEAST_GAIN else "float32"


def _time_gradient(guide: Guide, images: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Return the median seconds of forward and backward, and the gradient to the pictures."""
    seconds = []
    for _ in range(_REPETITIONS + 1):
        leaf = images.clone().requires_grad_()
        begun = time.perf_counter()
        embedded = guide.encode_image(leaf)
        embedded[:, 0].sum().backward()
        if images.device.type == "cuda":
            torch.cuda.synchronize(images.device)
        seconds.append(time.perf_counter() - begun)
    assert leaf.grad is not None
    return statistics.median(seconds[1:]), leaf.grad


def _read(path: Path) -> dict[str, str]:
    """Return the cached choices; none if the file is missing or damaged."""
    try:
        values = read_json(read_file(path, LARGEST_CACHE))
    except (InputError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _remember(path: Path, choice: dict[str, str]) -> None:
    """Add a choice to the cache; without a writable cache it is measured again next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=10):
            temporary = path.with_suffix(".new")
            temporary.write_text(json.dumps({**_read(path), **choice}, indent=1), encoding="utf-8")
            temporary.replace(path)
    except (OSError, TimeoutError) as error:
        logger.info("the number format cannot be saved in %s: %s", path, error)
