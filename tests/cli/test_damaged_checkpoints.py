"""Checkpoints that are truncated, foreign or forged, and a full disk: one line, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from artgen.runs.checkpoint import load_checkpoint, previous_checkpoint, save_checkpoint


@pytest.fixture
def finished_run(artgen, photograph: Path) -> Path:
    small = ["--canvas", "16x16", "--size", "16x16", "--cells", "4", "--timelapse", "none"]
    assert (
        artgen("paint", "--target", photograph, "--steps", 2, "--seed", 1, *small, "--out", "run").status == 0
    )
    return Path("run")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def rewrite_facts(path: Path, **changes: object) -> None:
    """Change what a checkpoint says, and leave its tensors; the checksum is right."""
    checkpoint = load_checkpoint(path)
    save_checkpoint(path, replace(checkpoint, facts={**checkpoint.facts, **changes}))
    previous_checkpoint(path).unlink()


def rewrite_tensor(path: Path, name: str, tensor: torch.Tensor) -> None:
    """Change one tensor of a checkpoint; the checksum is right."""
    checkpoint = load_checkpoint(path)
    group, _, rest = name.partition("/")
    groups = {each: dict(tensors) for each, tensors in checkpoint.tensors.items()}
    groups[group][rest] = tensor
    save_checkpoint(path, replace(checkpoint, tensors=groups))
    previous_checkpoint(path).unlink()


def rewrite_metadata(path: Path, text: str) -> None:
    """Replace the facts by any text, which has no checksum."""
    save_file(load_file(path), path, metadata={"artgen": text})


BROKEN_CHECKPOINTS = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "pickle": lambda path: torch.save({}, path),
    "foreign": lambda path: save_file({"weight": torch.zeros(3)}, path),
    "no metadata": lambda path: save_file(load_file(path), path),
    "other version": lambda path: rewrite_metadata(path, '{"format": 99}'),
    "no checksum": lambda path: rewrite_metadata(path, '{"format": 2}'),
    "deep facts": lambda path: rewrite_metadata(path, "[" * 200_000),
    "step past the end": lambda path: rewrite_facts(path, step=999999),
    "step is text": lambda path: rewrite_facts(path, step="two"),
    "views missing": lambda path: rewrite_facts(path, views_per_pass=0),
    "other renderer": lambda path: rewrite_facts(path, config={"target": "x.png", "renderer": "strokes"}),
    "unknown key": lambda path: rewrite_facts(path, config={"target": "x.png", "stepz": 1}),
    "no configuration": lambda path: rewrite_facts(path, config=7),
    "other cells": lambda path: rewrite_tensor(path, "renderer/colour", torch.zeros(1, 3, 5, 5)),
    "other type": lambda path: rewrite_tensor(
        path, "renderer/colour", torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    ),
    "not finite": lambda path: rewrite_tensor(path, "renderer/colour", torch.full((1, 3, 4, 4), torch.nan)),
    "other moments": lambda path: rewrite_tensor(path, "optimiser/colour/exp_avg", torch.zeros(7)),
    "no losses": lambda path: rewrite_tensor(path, "loop/smoothed", torch.zeros(0)),
    "losses of others": lambda path: rewrite_tensor(path, "loop/smoothed", torch.zeros(3)),
    "losses of another type": lambda path: rewrite_tensor(path, "loop/smoothed", torch.zeros(1, dtype=int)),
    "half a picture": lambda path: rewrite_tensor(path, "loop/image", torch.zeros(1, 3, 1, 1)),
    "other stream": lambda path: rewrite_tensor(path, "streams/init", torch.zeros(3, dtype=torch.uint8)),
}


@pytest.mark.parametrize("case", BROKEN_CHECKPOINTS, ids=str)
def test_broken_checkpoints(case: str, finished_run: Path, artgen):
    BROKEN_CHECKPOINTS[case](finished_run / "checkpoint.safetensors")
    before = files(finished_run)
    for command in (["resume", finished_run], ["export", finished_run]):
        answer = artgen(*command)
        if command[0] == "export" and answer.status == 0:
            assert case in ("other moments", "other stream", "views missing", "half a picture")
            continue
        assert answer.status == 2
        assert answer.error_line()
    assert {name: content for name, content in files(finished_run).items() if "export" not in name} == before


def test_full_disk_keeps_what_is_there(finished_run: Path, artgen, monkeypatch: pytest.MonkeyPatch):
    import errno
    import os

    before = files(finished_run)

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    answer = artgen("resume", finished_run, "--quiet")
    assert (answer.status, "No space left" in answer.error_line()) == (1, True)
    assert "free some space" in answer.error_line()
    assert files(finished_run) == before


@pytest.mark.parametrize(
    "line",
    ["nonsense", '{"step": 1, "los', "[1]", "7", '{"step": "one"}', '{"losses": []}', "[" * 200_000, "\xff"],
)
def test_damaged_metrics(line: str, finished_run: Path, artgen):
    metrics = finished_run / "metrics.jsonl"
    with metrics.open("a", encoding="latin-1") as file:
        file.write(f"{line}\n")
    before = files(finished_run)
    answer = artgen("resume", finished_run)
    assert answer.status == 2
    assert "line 3 is damaged" in answer.error_line()
    assert files(finished_run) == before

    metrics.unlink()
    assert artgen("resume", finished_run, "--quiet").status == 0


@pytest.mark.parametrize("renderer", [["pixel", "--cells", 4], ["strokes", "--strokes", 4]])
def test_enormous_weights(renderer: list, artgen, photograph: Path):
    small = ["--canvas", "16x16", "--size", "16x16", "--timelapse", "none", "--steps", 3, "--quiet"]
    loss = ["--loss", "smoothness=1e30"]
    answer = artgen("paint", "--target", photograph, "--renderer", *renderer, *small, *loss, "--out", "run")
    assert answer.status == 1
    assert "gradient is not finite at step 0" in answer.error_line()

    saved = load_checkpoint(Path("run/checkpoint.safetensors"))
    assert saved.facts["step"] == 0
    assert all(bool(tensor.isfinite().all()) for tensor in saved.tensors["renderer"].values())
    assert Path("run/image.png").is_file()
