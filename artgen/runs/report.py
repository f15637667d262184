"""run.json: what was made, with what, how long it took."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch

from artgen.config import RunConfig
from artgen.runs.setup import Workshop

MEASURED_PACKAGES = ("artgen", "torch", "open-clip-torch", "kornia", "timm", "numpy", "pillow", "safetensors")

Outcome = Literal["done", "plateau", "stopped", "failed"]


@dataclass(frozen=True)
class RunResult:
    """What a run ended with.

    Args:
        folder: the run's folder.
        picture: the best candidate's picture.
        pictures: all pictures written, best first.
        reason: why the run ended.
        loss: the best candidate's smoothed loss.
        losses: all candidates' smoothed losses, in the order of `pictures`.
        step: number of steps done.
        seconds: time spent, over all sittings.
        seed: what it can be run again with.
    """

    folder: Path
    picture: Path
    pictures: Sequence[Path]
    reason: Outcome
    loss: float
    losses: Sequence[float]
    step: int
    seconds: float
    seed: int


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"python": platform.python_version()}
    for package in MEASURED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_report(
    result: RunResult,
    config: RunConfig,
    workshop: Workshop,
    error: str | None,
    credits: Sequence[dict[str, str]],
) -> str:
    """Return run.json.

    Args:
        result: what was made.
        config: how.
        workshop: with what.
        error: what stopped it, if anything did.
        credits: name, source, licence and author of every asset in the best picture.
    """
    report: dict[str, Any] = {
        "reason": result.reason,
        "error": error,
        "step": result.step,
        "seconds": round(result.seconds, 3),
        "seconds_per_step": round(result.seconds / result.step, 5) if result.step else None,
        "seed": result.seed,
        "pictures": [picture.name for picture in result.pictures],
        "losses": [loss if math.isfinite(loss) else None for loss in result.losses],
        "guides": [
            {
                "name": guide.name,
                "sha256": guide.weights_digest or guide.digest,
                "digest": guide.digest,
                "format": str(guide.precision).removeprefix("torch."),
            }
            for guide in workshop.guides
        ],
        "views_per_pass": workshop.stage.objective.views_per_pass,
        "canvas": f"{workshop.stage.canvas.width}x{workshop.stage.canvas.height}",
        "device": str(workshop.device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "credits": list(credits),
        "config": json.loads(config.to_json()),
    }
    return json.dumps(report, indent=2, ensure_ascii=False)
