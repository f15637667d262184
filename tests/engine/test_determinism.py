"""Same seed, same bits; killed and resumed, same bits."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artgen.config import RunConfig
from artgen.engine.events import Stepped
from artgen.renderers import renderers
from artgen.runs.paint import paint, painting, resume

FILES = ("image.png", "checkpoint.safetensors", "metrics.jsonl")
SMALL = {"strokes": {"strokes": "8"}, "collage": {"count": 6}, "pixel": {"cells": 12}}


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def configuration(tiny_guide: str, renderer: str = "pixel", **changes: object) -> RunConfig:
    values = {
        "prompts": "a blue rabbit",
        "guides": tiny_guide,
        "renderer": renderer,
        "options": SMALL.get(renderer, {}),
        "steps": 12,
        "seed": 7,
        "population": 2,
        "canvas": "48x36",
        "size": "96x72",
        "cutouts": {"count": 4},
        "losses": {"smoothness": 0.1},
        "evolution": {"every": 4},
        "precision": "float32",
        "snapshots": {"checkpoint_seconds": 0},
    }
    return RunConfig.make(values | changes)


@pytest.mark.parametrize("renderer", renderers.names())
def test_same_seed_same_bits(renderer: str, tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide, renderer)
    for name in ("one", "two"):
        paint(config, tmp_path / name)
    other = config.model_copy(update={"seed": 8})
    paint(other, tmp_path / "other")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert digests(tmp_path / "one")["image.png"] != digests(tmp_path / "other")["image.png"]


@pytest.mark.parametrize("renderer", renderers.names())
def test_stopped_and_resumed_gives_the_same_bits(renderer: str, tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide, renderer)
    paint(config, tmp_path / "whole")
    run = painting(config, tmp_path / "parts")
    for event in run:
        if isinstance(event, Stepped) and event.stage.name == "run" and event.step == 5:
            break
    stopped = run.result
    assert (stopped.reason, stopped.step) == ("stopped", 5)
    finished = resume(tmp_path / "parts")
    assert (finished.reason, finished.step) == ("done", 12)
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")


@pytest.mark.parametrize("renderer", renderers.names())
def test_killed_and_resumed_gives_the_same_bits(renderer: str, tiny_guide: str, tmp_path: Path):
    often = {"checkpoint_seconds": 0.05}
    config = configuration(tiny_guide, renderer, steps=100, threads=2, snapshots=often)
    paint(config, tmp_path / "whole")
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    folder = tmp_path / "killed"
    command = [
        sys.executable,
        "-P",
        "-m",
        "artgen",
        "--config",
        str(tmp_path / "config.yaml"),
        "--out",
        str(folder),
    ]
    _kill_after_first_checkpoint(command, folder, more_seconds=0.3)
    for more_seconds in (0.05, 0.6):
        _kill_after_first_checkpoint(
            [sys.executable, "-P", "-m", "artgen", "resume", str(folder)], folder, more_seconds
        )
    resume(folder)
    assert digests(folder) == digests(tmp_path / "whole")


def _kill_after_first_checkpoint(command: list[str], folder: Path, more_seconds: float) -> None:
    """Start a run, and end it with SIGKILL soon after it has written a new checkpoint."""
    checkpoint = folder / "checkpoint.safetensors"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    process = subprocess.Popen([*command, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before):
        time.sleep(0.01)
    time.sleep(more_seconds)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert checkpoint.exists()
