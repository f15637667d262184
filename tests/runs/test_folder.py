"""What a killed run leaves in its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artgen.files import write_atomically
from artgen.runs.folder import claimed, remove_temporary_files

OURS = [".image.png.ab3_x9qz", ".config.yaml.aaaaaaaa", "tiles/.tile-003.safetensors.zz00__aa"]
OURS += [
    ".checkpoint.previous.safetensors.abcdefgh",
    "frames/.0000012.png.abcdefgh",
    ".timelapse.mp4.abcdefgh",
]
OTHERS = [
    ".image.png.ABCDEFGH",
    ".image.png.abc",
    ".holiday.jpg.abcdefgh",
    ".gitignore",
    "image.png.abcdefgh",
]
OTHERS += ["deeper/.image.png.abcdefgh", ".config", "tiles/.image.png.abcdefgh"]


def test_only_temporary_files_of_ours_are_removed(tmp_path: Path):
    for name in OURS + OTHERS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".run.json.abcdefgh").symlink_to(tmp_path / ".gitignore")
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / ".0000001.png.abcdefgh").touch()
    run = tmp_path.with_name("linked")
    run.mkdir()
    (run / "frames").symlink_to(elsewhere)
    remove_temporary_files(run)
    assert len(list(elsewhere.iterdir())) == 1

    with claimed(tmp_path):
        left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*OTHERS, ".run.json.abcdefgh"}


def test_the_pattern_is_that_of_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Killed(BaseException):
        pass

    def kill(descriptor: int) -> None:
        raise Killed

    monkeypatch.setattr(os, "fsync", kill)
    for _ in range(20):
        with pytest.raises(Killed):
            write_atomically(tmp_path / "image.png", b"x")
    assert len(list(tmp_path.iterdir())) == 20
    remove_temporary_files(tmp_path)
    assert not list(tmp_path.iterdir())
