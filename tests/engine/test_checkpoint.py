"""Damage to a checkpoint is noticed, and the checkpoint before it takes its place."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from artgen.engine.events import Event, Notice
from artgen.errors import InputError, RunError
from artgen.runs.checkpoint import (
    CHECKPOINT,
    Checkpoint,
    has_checkpoint,
    load_checkpoint,
    load_newest,
    previous_checkpoint,
    save_checkpoint,
)
from artgen.runs.paint import paint, painting, resume, resuming
from artgen.runs.saved import open_run
from artgen.runs.tile_files import tile_checkpoint
from tests.driving import drive
from tests.engine import test_tiled_run as tiled
from tests.engine.test_determinism import configuration, digests

FLIPS = 200


def small(step: int = 3) -> Checkpoint:
    """A checkpoint of a few hundred bytes, with texts that look like a checksum."""
    facts = {"step": step, "inputs": {"sha256": "0" * 64}, "title": '{"sha256": "0'}
    return Checkpoint(
        facts, {"renderer": {"colour": torch.arange(64.0)}, "loop": {"smoothed": torch.ones(2)}}
    )


def damage(path: Path) -> None:
    """Change one bit of the last tensor."""
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path):
    save_checkpoint(tmp_path / "one", small())
    save_checkpoint(tmp_path / "two", small())
    read = load_checkpoint(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert {key: value for key, value in read.facts.items() if key != "format"} == small().facts
    assert torch.equal(read.tensors["renderer"]["colour"], torch.arange(64.0))


def test_every_flipped_bit_is_noticed(tmp_path: Path):
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, small())
    content = path.read_bytes()
    chance = random.Random(0)
    unnoticed = []
    for _ in range(FLIPS):
        bit = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            load_checkpoint(path)
        except InputError:
            continue
        unnoticed.append(bit)
    assert unnoticed == []


def test_every_flipped_bit_of_the_header_is_noticed_and_replaced(tmp_path: Path):
    path = tmp_path / CHECKPOINT
    for step in (1, 2):
        save_checkpoint(path, small(step))
    content = path.read_bytes()
    for bit in range(0, 8 * 300, 7):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert load_newest(path).facts["step"] == 1


def test_checkpoints_without_a_checksum_are_still_read(tmp_path: Path):
    path = tmp_path / CHECKPOINT
    facts = json.dumps({"format": 1, "step": 4})
    save_file({"renderer/colour": torch.ones(3)}, path, metadata={"artgen": facts})
    assert load_checkpoint(path).facts["step"] == 4
    save_checkpoint(path, small())
    assert load_checkpoint(previous_checkpoint(path)).facts["step"] == 4


def test_a_checksum_cannot_be_left_out(tmp_path: Path):
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, small())
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["artgen"])
    del facts["sha256"]
    save_file(load_file(path), path, metadata={"artgen": json.dumps(facts)})
    with pytest.raises(InputError, match="checksum"):
        load_checkpoint(path)


def test_a_damaged_checkpoint_does_not_replace_the_previous_one(tmp_path: Path):
    path = tmp_path / CHECKPOINT
    for step in (1, 2):
        save_checkpoint(path, small(step))
    damage(path)
    save_checkpoint(path, small(3))
    assert load_checkpoint(path).facts["step"] == 3
    assert load_checkpoint(previous_checkpoint(path)).facts["step"] == 1


def test_a_device_does_not_become_the_previous_one(tmp_path: Path):
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, small(1))
    previous_checkpoint(path).mkdir()
    with pytest.raises(RunError, match="plain file"):
        save_checkpoint(path, small(2))
    assert load_checkpoint(path).facts["step"] == 1


@pytest.mark.parametrize("how", ["damaged", "killed between the moves", "cut"])
def test_a_run_continues_from_the_checkpoint_before(how: str, tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide)
    paint(config, tmp_path / "whole")
    drive(painting(config, tmp_path / "run"), stop_after=5)
    path = tmp_path / "run" / CHECKPOINT
    if how == "damaged":
        damage(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"artgen resume .* checkpoint\.previous\.safetensors"):
        open_run(tmp_path / "run")

    events: list[Event] = []
    assert drive(resuming(tmp_path / "run"), watch=events.append).step == 12
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert any("checkpoint before it" in each for each in notices)
    assert digests(tmp_path / "run") == digests(tmp_path / "whole")


def test_nothing_is_left_when_both_are_damaged(tiny_guide: str, tmp_path: Path):
    paint(configuration(tiny_guide, steps=3), tmp_path / "run")
    path = tmp_path / "run" / CHECKPOINT
    for each in (path, previous_checkpoint(path)):
        damage(each)
    with pytest.raises(InputError, match="start the run again"):
        resume(tmp_path / "run")


def test_a_new_run_does_not_keep_the_checkpoints_of_an_older_one(tiny_guide: str, tmp_path: Path):
    paint(configuration(tiny_guide, steps=3), tmp_path / "run")
    assert previous_checkpoint(tmp_path / "run" / CHECKPOINT).is_file()
    rarely = configuration(tiny_guide, steps=3, snapshots={"checkpoint_seconds": 1000})
    paint(rarely, tmp_path / "run", force=True)
    assert not previous_checkpoint(tmp_path / "run" / CHECKPOINT).exists()


@pytest.mark.parametrize("tile", [0, 2, 3])
@pytest.mark.parametrize("finished", [True, False])
def test_a_tile_continues_from_the_checkpoint_before(
    tile: int,
    finished: bool,
    tiny_guide: str,
    small_sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(small_sets)
    config = tiled.configuration(tiny_guide)
    paint(config, tmp_path / "whole")
    drive(painting(config, tmp_path / "run"), stop_after=None if finished else 15)
    path = tile_checkpoint(tmp_path / "run", tile)
    assert has_checkpoint(path)
    damage(path)
    finished_again = resume(tmp_path / "run")
    assert (finished_again.reason, finished_again.step) == ("done", 16)
    assert digests(tmp_path / "run") == digests(tmp_path / "whole")
    film = "timelapse.gif"
    if not finished:
        return  # the film of a stopped run also shows where it was stopped
    assert (tmp_path / "run" / film).read_bytes() == (tmp_path / "whole" / film).read_bytes()
