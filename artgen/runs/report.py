"""run.json: what was made, with what, and how long it took."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch

from artgen.config import RunConfig
from artgen.errors import InputError
from artgen.files import read_file
from artgen.guides.base import Guide
from artgen.guides.precision import format_name
from artgen.library.lineage import ancestors, run_identity
from artgen.plain_json import read_json
from artgen.runs.context import RunContext
from artgen.runs.folder import CONFIGURATION

REPORT = "run.json"
"""Name of the file in a run's folder."""
LARGEST_REPORT = 1 << 24
"""Largest such file in bytes; one with the credits of 5,000 patches has about 2,000,000."""
MEASURED_PACKAGES = ("artgen", "torch", "open-clip-torch", "kornia", "timm", "numpy", "pillow", "safetensors")

Outcome = Literal["done", "plateau", "stopped", "failed"]


@dataclass(frozen=True)
class RunResult:
    """What a run made.

    Args:
        folder: the run's folder.
        picture: the best candidate's picture.
        pictures: all pictures written, best first.
        reason: why the run ended.
        loss: the best candidate's smoothed loss.
        losses: all candidates' smoothed losses, in the order of `pictures`.
        step: number of steps done.
        seconds: time spent, resumed parts included.
        seed: repeats the run.
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


def run_report(
    result: RunResult,
    config: RunConfig,
    context: RunContext,
    views_per_pass: int,
    credits: Sequence[dict[str, str]],
    error: str | None = None,
) -> str:
    """Return run.json.

    Args:
        result: what was made.
        config: the configuration that is recorded.
        context: what the run worked with.
        views_per_pass: cutouts of each candidate that went through a guide at once.
        credits: name, source, licence and author of every asset in the best picture.
        error: what ended the run early, if anything did.
    """
    canvas = context.problem.canvas
    described = json.loads(config.to_json())
    ended = datetime.now(UTC)

    report: dict[str, Any] = {
        "reason": result.reason,
        "error": error,
        "begun": _text(_begun(result, ended)),
        "ended": _text(ended),
        "step": result.step,
        "steps": _total_steps(config),
        "seconds": round(result.seconds, 3),
        "seconds_per_step": round(result.seconds / result.step, 5) if result.step else None,
        "seed": result.seed,
        "pictures": [picture.name for picture in result.pictures],
        "losses": [loss if math.isfinite(loss) else None for loss in result.losses],
        "guides": [_described(guide) for guide in context.guides],
        "views_per_pass": views_per_pass,
        "canvas": f"{canvas.width}x{canvas.height}",
        "device": str(context.settings.device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "credits": list(credits),
        "identity": run_identity(described),
        "ancestors": list(ancestors(described)),
        "config": described,
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def read_report(folder: Path) -> dict[str, Any]:
    """Return the content of a run's run.json.

    Raises:
        InputError: it is missing, damaged or too large.
    """
    path = folder / REPORT
    content = read_file(path, LARGEST_REPORT, "paint the picture again")
    try:
        report = read_json(content)
    except ValueError as error:
        raise InputError(f"{path}: {error}; paint the picture again") from None
    if not isinstance(report, dict):
        raise InputError(f"{path}: is not a JSON object; paint the picture again")
    return report


def _begun(result: RunResult, ended: datetime) -> datetime:
    """Return when a run began: the configuration is written then, and never again, also if it is resumed."""
    try:
        return datetime.fromtimestamp((result.folder / CONFIGURATION).stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return ended - timedelta(seconds=result.seconds)


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _total_steps(config: RunConfig) -> int | None:
    """Return the number of steps of all tiles, None for a run that is limited by time."""
    if config.seconds is not None:
        return None
    tiling = config.tiling()
    if tiling is not None:
        return config.steps * tiling.count
    return config.steered(len(config.steering)).steps


def _described(guide: Guide) -> dict[str, str]:
    return {
        "name": guide.name,
        "sha256": guide.weights_digest or guide.digest,
        "digest": guide.digest,
        "format": format_name(guide.precision),
    }
