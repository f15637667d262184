"""Memory that runs out: fewer views per pass, the same result, and what cannot fit is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from artgen.config import RunConfig
from artgen.engine.events import Event, Notice
from artgen.engine.randomness import Streams
from artgen.errors import RunError, UsageError
from artgen.guides.openclip import OpenClipGuide
from artgen.memory import available_memory, check_canvas, check_export, is_out_of_memory
from artgen.runs.checkpoint import load_checkpoint
from artgen.runs.paint import paint, painting, resuming
from artgen.types import Size
from tests.driving import context_of, drive

TOLERANCE = 1e-4
"""Of the gradient's largest value; worst seen 3e-7."""


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Guides run out of memory with more than `limit[0]` pictures in one pass."""
    limit = [10**9]
    encode = OpenClipGuide.encode_image

    def scarce(self: OpenClipGuide, images: torch.Tensor) -> torch.Tensor:
        if len(images) > limit[0]:
            raise torch.OutOfMemoryError(f"{len(images)} pictures")
        return encode(self, images)

    monkeypatch.setattr(OpenClipGuide, "encode_image", scarce)
    yield limit


def configuration(tiny_guide: str, **changes: object) -> RunConfig:
    values = {
        "prompts": "a blue rabbit | [0,0,0.5,1] a red fox",
        "guides": tiny_guide,
        "options": {"cells": 8},
        "steps": 4,
        "seed": 3,
        "population": 2,
        "canvas": "32x24",
        "size": "32x24",
        "cutouts": {"count": 7},
        "precision": "float32",
        "timelapse": {"kind": "none"},
    }
    return RunConfig.make(values | changes)


@pytest.mark.parametrize("views_per_pass", [7, 4, 3, 1])
def test_several_passes_give_the_result_of_one(views_per_pass: int, tiny_guide: str):
    objective = context_of(configuration(tiny_guide)).problem.objective
    image = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    whole = objective(image, Streams(1).views(2))
    parts = objective(image, Streams(1).views(2), views_per_pass)
    scale = whole.gradient.abs().max()
    assert scale > 0
    assert (parts.gradient - whole.gradient).abs().max() < TOLERANCE * scale
    assert torch.allclose(parts.losses, whole.losses, atol=TOLERANCE)


def test_views_are_halved_until_they_fit(small_memory: list[int], tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide)
    expected = paint(config, tmp_path / "plenty")
    small_memory[0] = 8
    events: list[Event] = []
    result = drive(painting(config, tmp_path / "scarce"), watch=events.append)
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert [message.split()[-4] for message in notices] == ["7", "4"]
    assert all("memory is short" in message for message in notices)
    assert load_checkpoint(tmp_path / "scarce" / "checkpoint.safetensors").facts["views_per_pass"] == 4
    assert json.loads((tmp_path / "scarce" / "run.json").read_text())["views_per_pass"] == 4
    assert result.losses == pytest.approx(expected.losses, abs=TOLERANCE)
    states = [
        load_checkpoint(tmp_path / name / "checkpoint.safetensors").tensors for name in ("plenty", "scarce")
    ]
    assert torch.allclose(states[0]["renderer"]["colour"], states[1]["renderer"]["colour"], atol=1e-3)


def test_resumed_run_goes_on_with_fewer_views(small_memory: list[int], tiny_guide: str, tmp_path: Path):
    small_memory[0] = 8
    config = configuration(tiny_guide)
    paint(config, tmp_path / "whole")
    drive(painting(config, tmp_path / "parts"), stop_after=2)
    events: list[Event] = []
    drive(resuming(tmp_path / "parts"), watch=events.append)
    assert not [event for event in events if isinstance(event, Notice)]
    for name in ("image.png", "checkpoint.safetensors"):
        digests = [
            hashlib.sha256((tmp_path / run / name).read_bytes()).digest() for run in ("whole", "parts")
        ]
        assert digests[0] == digests[1], name


def test_one_view_that_does_not_fit_ends_the_run_and_keeps_the_picture(
    small_memory: list[int], tiny_guide: str, tmp_path: Path
):
    config = configuration(tiny_guide, population=1)

    def shrink(event: Event) -> None:
        if getattr(event, "step", 0) == 2:
            small_memory[0] = 0

    with pytest.raises(RunError, match="smaller --canvas"):
        drive(painting(config, tmp_path / "run"), watch=shrink)
    assert (tmp_path / "run" / "image.png").is_file()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["step"] == 2


def test_out_of_memory_is_recognised():
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_what_cannot_fit_is_refused():
    free = available_memory(torch.device("cpu"))
    assert free > 1e6
    check_canvas(1, Size(64, 64), torch.device("cpu"))
    with pytest.raises(UsageError, match="--canvas"):
        check_canvas(4096, Size(32768, 32768), torch.device("cpu"))
    with pytest.raises(UsageError, match="--size"):
        check_export(Size(2**20, 2**20))
