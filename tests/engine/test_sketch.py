"""A sketch is painted before the picture, which begins on it and follows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from artgen.config import RunConfig
from artgen.engine import loop
from artgen.engine.events import Event, Notice
from artgen.errors import InputError, RunError, UsageError
from artgen.export.metadata import read_configuration
from artgen.images import read_opaque
from artgen.losses import LossContext, losses
from artgen.runs.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint
from artgen.runs.paint import paint, painting, resume
from tests.contracts.parts import make
from tests.driving import drive


def configuration(tiny_guide: str, **changes: object) -> RunConfig:
    values = {
        "prompts": "a blue rabbit",
        "guides": tiny_guide,
        "renderer": "collage",
        "options": {"count": 16},
        "steps": 6,
        "seed": 3,
        "canvas": "40x32",
        "size": "40x32",
        "cutouts": {"count": 2},
        "precision": "float32",
        "timelapse": {"kind": "none"},
    }
    return RunConfig.make(values | changes)


def test_it_is_the_pixel_art_of_the_same_seed(tiny_guide: str, tmp_path: Path):
    events: list[Event] = []
    drive(painting(configuration(tiny_guide), tmp_path / "run"), watch=events.append)
    assert next(each.message for each in events if isinstance(each, Notice)).startswith("a sketch first")
    own = RunConfig.from_text(read_configuration(tmp_path / "run/sketch.png"))
    assert (own.renderer, own.steps, own.seed) == ("pixel", 6, 3)
    sketch = read_opaque(tmp_path / "run/sketch.png")
    again = {"size": f"{sketch.shape[-1]}x{sketch.shape[-2]}"}
    paint(RunConfig.make(own.model_dump() | again), tmp_path / "again")
    assert torch.equal(read_opaque(tmp_path / "again/image.png"), sketch)


def test_the_picture_begins_on_it_and_follows_it(tiny_guide: str, tmp_path: Path):
    distances = {}
    for name, weights in (("with", {"sketch": 50.0}), ("without", {"sketch": 0.0})):
        config = configuration(tiny_guide, losses=weights, steps=30)
        paint(config, tmp_path / name)
        sketch = read_opaque(tmp_path / "with/sketch.png")
        wanted = torch.nn.functional.interpolate(sketch, (32, 40), mode="area")
        distances[name] = (read_opaque(tmp_path / name / "image.png") - wanted).square().mean().item()
    assert distances["with"] < 0.5 * distances["without"]
    assert not (tmp_path / "without/sketch.png").exists()
    assert "sketch" not in load_checkpoint(tmp_path / "without" / CHECKPOINT).tensors


@pytest.mark.parametrize("role", ["init", "target", "mask", "background"])
def test_who_gives_a_picture_gets_no_sketch(role: str, tiny_guide: str, photograph: Path, tmp_path: Path):
    paint(configuration(tiny_guide, steps=1, **{role: str(photograph)}), tmp_path / "run")
    assert not (tmp_path / "run/sketch.png").exists()


def test_a_ground_of_its_own_has_none(tiny_guide: str, tmp_path: Path):
    for name, ground in (("clear", {"transparent": True}), ("black", {"background": "black"})):
        paint(configuration(tiny_guide, steps=1, **ground), tmp_path / name)
        assert not (tmp_path / name / "sketch.png").exists()
    with pytest.raises(UsageError, match="--transparent"):
        paint(configuration(tiny_guide, transparent=True, losses={"sketch": 1.0}), tmp_path / "other")


def test_a_picture_to_start_from_and_a_sketch_go_together(tiny_guide: str, photograph: Path, tmp_path: Path):
    paint(configuration(tiny_guide, steps=1, init=str(photograph), losses={"sketch": 1.0}), tmp_path / "run")
    assert (tmp_path / "run/sketch.png").exists()


def test_tiles_may_have_sketches_and_are_resumed_to_the_same_bits(tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide, tiles="2x1", size=None, steps=3, losses={"sketch": 1.0})
    paint(config, tmp_path / "whole")
    drive(painting(config, tmp_path / "parts"), stop_after=5)  # three of them in the sketch
    resume(tmp_path / "parts")
    pictures = [read_opaque(tmp_path / name / "image.png") for name in ("whole", "parts")]
    assert torch.equal(*pictures)
    assert load_checkpoint(tmp_path / "whole/tiles/tile-001.safetensors").tensors["sketch"]
    paint(config.model_copy(update={"losses": {}}), tmp_path / "plain")
    assert "sketch" not in load_checkpoint(tmp_path / "plain/tiles/tile-001.safetensors").tensors


@pytest.mark.parametrize(
    "picture", [None, torch.zeros(1, 3, 0, 4, dtype=torch.uint8), torch.zeros(1, 3, 4, 4)]
)
def test_a_checkpoint_without_a_whole_sketch_is_refused(
    picture: torch.Tensor | None, tiny_guide: str, tmp_path: Path
):
    paint(configuration(tiny_guide, steps=2), tmp_path / "run")
    path = tmp_path / "run" / CHECKPOINT
    checkpoint = load_checkpoint(path)
    groups = dict(checkpoint.tensors) | {"sketch": {} if picture is None else {"picture": picture}}
    save_checkpoint(path, Checkpoint({k: v for k, v in checkpoint.facts.items() if k != "format"}, groups))
    with pytest.raises(InputError, match="start the run again"):
        resume(tmp_path / "run")


@pytest.mark.parametrize("tiles", [None, "2x1"])
def test_a_run_stopped_at_its_sketch_ends_with_the_same_bits(
    tiles: str | None, tiny_guide: str, tmp_path: Path
):
    config = configuration(tiny_guide, steps=4, tiles=tiles, size=None, losses={"sketch": 4.0})
    paint(config, tmp_path / "whole")
    stopped = drive(painting(config, tmp_path / "parts"), stop_after=2)
    assert (stopped.reason, stopped.step) == ("stopped", 0)
    assert not (tmp_path / "parts/sketch.png").exists()
    assert resume(tmp_path / "parts").reason == "done"
    for name in ("image.png", "sketch.png", "metrics.jsonl")[:: 2 if tiles else 1]:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_sketch_that_fails_does_not_spoil_the_picture(
    tiny_guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    step, calls = loop._step, iter(range(100))

    def failing(*arguments: object) -> object:
        if next(calls) == 3:
            raise RunError("the loss is not finite")
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", failing)
    events: list[Event] = []
    result = drive(painting(configuration(tiny_guide), tmp_path / "run"), watch=events.append)
    assert (result.reason, result.step) == ("done", 6)
    assert "the sketch ended early: the loss is not finite" in [
        each.message for each in events if isinstance(each, Notice)
    ]
    assert (tmp_path / "run/sketch.png").exists()


def test_an_edit_follows_the_sketch_no_longer(tiny_guide: str, tmp_path: Path):
    from artgen.runs.edit import edit

    paint(configuration(tiny_guide), tmp_path / "run")
    edited = edit(tmp_path / "run", out=tmp_path / "plain", delete=[0], steps=2)
    config = RunConfig.from_text(read_configuration(edited.picture))
    assert config.steering[0].losses == {"sketch": 0.0}
    last = json.loads((tmp_path / "plain/metrics.jsonl").read_text().splitlines()[-1])
    assert "sketch" not in last


def test_the_loss_needs_a_run():
    with pytest.raises(UsageError, match="needs the sketch"):
        losses.get("sketch")(torch.rand(1, 3, 8, 8), LossContext(make("pixel"), []))
