"""A run with tiles: same bits, resumed or not; one folder that can be exported, edited and run again."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from artgen.config import RunConfig
from artgen.engine import loop
from artgen.errors import ArtgenError, RunError
from artgen.export.files import export_run
from artgen.export.metadata import read_configuration
from artgen.runs.edit import edit
from artgen.runs.paint import paint, painting, resume
from artgen.runs.saved import open_run
from artgen.types import Size
from tests.driving import drive
from tests.engine.test_determinism import digests


@pytest.fixture(autouse=True, scope="module")
def in_the_folder_of_the_sets(small_sets: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(small_sets)
        yield


def configuration(tiny_guide: str, **changes: object) -> RunConfig:
    values = {
        "prompts": "a landscape",
        "tiles": "2x2",
        "tile_prompts": "sun ; clouds:2 | rain:-1 / ; [0,0.5,1,1] a tree",
        "tile_patches": "./one ; ./two / ; ./three",
        "guides": tiny_guide,
        "renderer": "collage",
        "options": {"count": 5, "patches": "./four", "margin": -0.3},
        "steps": 4,
        "seed": 3,
        "threads": 2,
        "canvas": "36x30",
        "size": "120x100",
        "cutouts": {"count": 2},
        "evolution": {"every": 2},
        "precision": "float32",
        "snapshots": {"checkpoint_seconds": 0},
        "timelapse": {"kind": "gif", "frames": 4},
    }
    return RunConfig.make({**values, **changes})


@pytest.fixture(scope="module")
def whole(tiny_guide: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiled") / "whole"
    result = paint(configuration(tiny_guide), folder)
    assert (result.reason, result.step) == ("done", 16)
    return folder


@pytest.mark.parametrize("stop", [0, 4, 7])
def test_stopped_and_resumed_gives_the_same_bits(stop: int, whole: Path, tiny_guide: str, tmp_path: Path):
    stopped = drive(painting(configuration(tiny_guide), tmp_path / "run"), stop_after=stop)
    assert stopped.reason == "stopped" and stopped.picture.is_file()
    finished = resume(tmp_path / "run")
    assert (finished.reason, finished.step) == ("done", 16)
    assert digests(tmp_path / "run") == digests(whole)


def test_killed_and_resumed_gives_the_same_bits(
    whole: Path, tiny_guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    step, calls = loop._step, iter(range(1000))

    def killed(*arguments: object) -> object:
        if next(calls) == 6:
            raise Killed
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", killed)
        with pytest.raises(Killed):
            paint(configuration(tiny_guide), tmp_path / "run")
    assert not (tmp_path / "run" / "image.png").exists()
    resume(tmp_path / "run")
    assert digests(tmp_path / "run") == digests(whole)
    resume(tmp_path / "run")  # once more changes nothing
    assert digests(tmp_path / "run") == digests(whole)


def test_the_folder_tells_everything(whole: Path, tiny_guide: str):
    report = json.loads((whole / "run.json").read_text())
    assert (report["reason"], report["step"], report["canvas"]) == ("done", 16, "60x50")
    assert {credit["set"] for credit in report["credits"]} == {"one", "two", "three", "four"}
    assert RunConfig.from_text(read_configuration(whole / "image.png")) == configuration(
        tiny_guide
    ).model_copy(update={"population": 2})
    steps = [json.loads(line)["step"] for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 17))
    with Pillow.open(whole / "image.png") as picture, Pillow.open(whole / "timelapse.gif") as film:
        assert picture.size == (120, 100)
        assert film.n_frames >= 4


def test_the_whole_is_exported_and_edited_in_one_piece(whole: Path, tmp_path: Path):
    opened = open_run(whole)
    export_run(opened, tmp_path / "again.png", "png", Size(100, 120), False, 1)
    with Pillow.open(whole / "image.png") as first, Pillow.open(tmp_path / "again.png") as again:
        assert np.array_equal(np.asarray(first), np.asarray(again))
    export_run(opened, tmp_path / "x.ora", "ora", Size(100, 120), False, 1)
    assert len([name for name in zipfile.ZipFile(tmp_path / "x.ora").namelist() if "data/" in name]) == 21
    edited = edit(whole, lock=[0, 1], delete=[2, 3], steps=2, out=tmp_path / "edited")
    assert edited.step == 18
    assert open_run(tmp_path / "edited").renderer.patch.shape == (1, 18)


def test_what_fails_in_a_tile_keeps_the_others(
    tiny_guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    step, calls = loop._step, iter(range(1000))

    def failing(*arguments: object) -> object:
        if next(calls) == 9:
            raise RunError("the loss is not finite")
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", failing)
    with pytest.raises(RunError, match="not finite"):
        paint(configuration(tiny_guide), tmp_path / "run")
    report = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (report["reason"], report["step"]) == ("failed", 9)
    assert len(open_run(tmp_path / "run").renderer.patch[0]) == 15
    monkeypatch.undo()
    assert resume(tmp_path / "run").reason == "done"


def test_only_collages_painted_over_each_other_have_tiles(tiny_guide: str, tmp_path: Path):
    for changes, said in (
        ({"renderer": "pixel", "options": {}, "tile_patches": ()}, "made of collages"),
        ({"options": {"blending": "opacity"}}, "--blending opacity"),
        ({"options": {"count": 3000}}, "12000 patches"),
        ({"tile_patches": "./one ; skyy / ; ./three"}, "skyy"),
        ({"tile_prompts": "sun ; @nowhere.png / ;"}, "nowhere.png"),
    ):
        with pytest.raises(ArtgenError, match=said):
            paint(configuration(tiny_guide, **changes), tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_an_edit_of_the_whole_is_repeated_from_the_tiles(whole: Path, tmp_path: Path):
    edited = edit(whole, delete=[2, 3], steps=1, out=tmp_path / "edited")
    config = RunConfig.from_text(read_configuration(edited.picture))
    again = paint(config, tmp_path / "again")
    assert digests(tmp_path / "again")["image.png"] == digests(tmp_path / "edited")["image.png"]
    assert again.step == 17
