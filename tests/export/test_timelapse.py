from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from artgen.config import RunConfig
from artgen.errors import RunError
from artgen.export.film import pad_to_even, write_gif, write_mp4
from artgen.runs.paint import paint, painting, resume
from tests.driving import drive


def configuration(photograph: Path, **timelapse: object) -> RunConfig:
    return RunConfig.make(
        {
            "target": str(photograph),
            "options": {"cells": 6},
            "steps": 10,
            "seed": 1,
            "canvas": "18x12",
            "size": "90x60",
            "timelapse": {"kind": "both", "every": 3, "side": 45, "rate": 10, "hold": 0.5, **timelapse},
        }
    )


def names(folder: Path) -> list[int]:
    return [int(path.stem) for path in sorted((folder / "frames").iterdir())]


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_film_shows_every_third_step_at_an_even_size(photograph: Path, tmp_path: Path):
    folder = paint(configuration(photograph), tmp_path / "run").folder
    assert names(folder) == [0, 3, 6, 9, 10]
    with Pillow.open(folder / "frames" / "0000010.png") as last:
        assert last.size == (45, 30)
        expected = np.asarray(last.convert("RGB"), dtype=float)
    film = decoded(folder / "timelapse.mp4")
    assert len(film) == 5 + 5
    assert film[0].shape == (30, 46, 3)
    assert np.abs(film[-1][:, :45] - expected).mean() < 8  # chroma is halved; worst seen 4
    with Pillow.open(folder / "timelapse.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (5, (45, 30), 0)
        gif.seek(4)
        assert gif.info["duration"] == 600


def test_default_frames_are_spread_over_the_run(photograph: Path, tmp_path: Path):
    config = configuration(photograph, every=None, frames=3, kind="gif")
    folder = paint(config, tmp_path / "run").folder
    assert names(folder) == [0, 4, 7, 10]
    assert not (folder / "timelapse.mp4").exists()


def test_none_writes_no_frames(photograph: Path, tmp_path: Path):
    folder = paint(configuration(photograph, kind="none"), tmp_path / "run").folder
    assert not (folder / "frames").exists()


def test_stopped_and_resumed_run_gives_the_same_film(photograph: Path, tmp_path: Path):
    config = configuration(photograph)
    whole = paint(config, tmp_path / "whole").folder
    parts = drive(painting(config, tmp_path / "parts"), stop_after=7).folder
    assert (parts / "timelapse.mp4").is_file()
    assert names(parts) == [0, 3, 6, 7]
    Pillow.new("RGB", (4, 4)).save(parts / "frames" / "0000099.png")  # left by a run that was killed later
    resume(parts)
    assert set(names(parts)) - {7} == set(names(whole))
    for frame in (whole / "frames").iterdir():
        assert frame.read_bytes() == (parts / "frames" / frame.name).read_bytes()


def test_force_begins_a_new_film(photograph: Path, tmp_path: Path):
    paint(configuration(photograph, every=1), tmp_path / "run")
    (tmp_path / "run" / "mine.txt").write_text("mine")
    folder = paint(configuration(photograph, kind="gif"), tmp_path / "run", force=True).folder
    assert names(folder) == [0, 3, 6, 9, 10]
    assert not (folder / "timelapse.mp4").exists()
    assert (folder / "mine.txt").read_text() == "mine"


def test_frames_folder_that_is_a_link_is_refused(photograph: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "frames").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="link"):
        paint(configuration(photograph), tmp_path / "run", force=True)
    assert not any((tmp_path / "elsewhere").iterdir())


def test_padding_repeats_the_edge():
    pixels = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    padded = pad_to_even(pixels)
    assert padded.shape == (4, 4, 3)
    assert np.array_equal(padded[3, :3], pixels[2])
    assert np.array_equal(padded[:3, 3], pixels[:, 2])


def test_same_frames_same_film(tmp_path: Path):
    frames = []
    for index in range(3):
        frames.append(tmp_path / f"{index}.png")
        Pillow.new("RGB", (21, 13), (80 * index, 20, 200)).save(frames[-1])
    for write, suffix in ((write_mp4, "mp4"), (write_gif, "gif")):
        digests = set()
        for attempt in "ab":
            write(tmp_path / f"{attempt}.{suffix}", frames, 5, 0.4)
            digests.add(hashlib.sha256((tmp_path / f"{attempt}.{suffix}").read_bytes()).digest())
        assert len(digests) == 1
    with pytest.raises(RunError, match="no frame"):
        write_mp4(tmp_path / "none.mp4", [], 5, 0.0)


def test_the_same_frames_make_the_same_film(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 255, (66, 34, 3), dtype=np.uint8)
    frames = []
    for index in range(12):
        frames.append(tmp_path / f"{index:07d}.png")
        Pillow.fromarray(np.roll(noise, index, axis=1)).save(frames[-1])

    films = set()
    for index in range(30):
        sizes = np.random.default_rng(index).integers(100, 200_000, 30)
        rubbish = [np.full(size, index, np.uint8) for size in sizes]  # memory that the encoder may get
        del rubbish[:: 1 + index % 2]
        write_mp4(tmp_path / "film.mp4", frames, 12, 0.5)
        films.add((tmp_path / "film.mp4").read_bytes())
    assert len(films) == 1
