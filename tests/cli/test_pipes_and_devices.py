"""Pipes, devices and JSON bombs in the place of files: one line at once, whichever command opens them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

pytestmark = pytest.mark.timeout(60)

SMALL = ["--canvas", "16x16", "--size", "16x16", "--steps", 2, "--seed", 1, "--cells", "4", "--quiet"]
DEEP = "[" * 200_000


def pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def zero(path: Path) -> Path:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")
    return path


@pytest.fixture
def run(artgen, photograph: Path) -> Path:
    arguments = ["--target", photograph, *SMALL, "--timelapse", "gif", "--out", "run"]
    assert artgen("paint", *arguments).status == 0
    return Path("run").resolve()


@pytest.fixture
def guide(tiny_guide: str, tmp_path: Path) -> Path:
    folder = tmp_path / "guide"
    shutil.copytree(tiny_guide.partition("=")[2], folder)
    return folder


@pytest.mark.parametrize("make", [pipe, zero])
@pytest.mark.parametrize(
    "option", ["--config", "--prompts", "--composition", "--tile-prompts", "--palette", "--init", "--style"]
)
def test_options(option: str, make, artgen, tmp_path: Path):
    path = make(tmp_path / ("x.gpl" if option == "--palette" else "x.txt"))
    answer = artgen("a fox", option, path, "--steps", 1)
    assert (answer.status, "is a pipe or a device" in answer.error_line()) == (2, True)
    assert not any(Path().iterdir())


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="needs /proc")
@pytest.mark.parametrize("option", ["--config", "--prompts", "--composition"])
def test_files_that_never_end(option: str, artgen):
    answer = artgen("a fox", option, "/proc/kmsg", "--steps", 1, "--guide", "nonsense")
    assert answer.status == 2
    assert answer.error_line()


def test_the_report_of_a_scored_run(run: Path, artgen, guide: Path):
    for make in (pipe, zero):
        make(run / "run.json")
        answer = artgen("score", run, "a fox", "--guide", f"local-dir={guide}", "--distractors", "a cat")
        assert answer.status == 0, answer.err

    (run / "run.json").unlink()
    (run / "run.json").write_text(DEEP)
    answer = artgen("score", run, "a fox", "--guide", f"local-dir={guide}", "--distractors", "a cat")
    assert answer.status == 0, answer.err


def test_files_of_a_run_that_is_resumed(run: Path, artgen):
    pipe(run / "metrics.jsonl")
    assert "is a pipe or a device" in artgen("resume", run).error_line()
    (run / "metrics.jsonl").unlink()

    first = sorted((run / "frames").iterdir())[0]
    pipe(first)
    answer = artgen("resume", run)
    assert answer.status == 0
    assert "is a pipe or a device" in answer.err

    first.unlink()
    first.write_bytes(b"not a picture")
    answer = artgen("resume", run)
    assert answer.status == 0
    assert "not a frame of a film" in answer.err


@pytest.mark.parametrize("make", [pipe, lambda path: path.write_text(DEEP)])
def test_the_reports_of_a_batch_that_is_resumed(make, artgen, photograph: Path):
    arguments = ["--target", photograph, *SMALL[:-5], "--cells", "4", "--quiet", "--timelapse", "none"]
    assert artgen("paint", *arguments, "--seeds", "1", "--out", "batch").status == 0
    report = next(Path("batch").glob("*/run.json"))
    report.unlink()
    make(report)
    answer = artgen("resume", "batch", "--quiet")
    assert answer.status in (0, 1)
    assert "Traceback" not in answer.err

    jobs = Path("batch/jobs.json")
    jobs.write_text(DEEP)
    assert "is damaged" in artgen("resume", "batch").error_line()


@pytest.mark.parametrize(
    "name", ["open_clip_model.safetensors", "open_clip_config.json", "names.json", "painting.json"]
)
def test_files_of_a_guide(name: str, guide: Path, artgen):
    pipe(guide / name)
    answer = artgen("a fox", "--guide", f"local-dir={guide}", *SMALL)
    assert answer.status == 2
    assert answer.error_line()


@pytest.mark.parametrize("name", ["open_clip_config.json", "names.json", "painting.json"])
def test_deep_json_of_a_guide(name: str, guide: Path, artgen):
    (guide / name).write_text(DEEP)
    answer = artgen("a fox", "--guide", f"local-dir={guide}", *SMALL)
    assert (answer.status, "nested more than" in answer.error_line()) == (2, True)


def test_weights_that_are_a_pipe(artgen, tmp_path: Path):
    weights = pipe(tmp_path / "weights.safetensors")
    answer = artgen("a fox", "--guide", f"ViT-B-32={weights}", *SMALL)
    assert (answer.status, "is a pipe or a device" in answer.error_line()) == (2, True)


@pytest.mark.parametrize("key", ["artgen", "artgen-sheet"])
def test_deep_json_in_a_picture(key: str, artgen):
    information = PngInfo()
    information.add_itxt(key, DEEP)
    Pillow.new("RGB", (4, 4)).save("sheet.png", pnginfo=information)
    command = ["rerun", "sheet.png"] if key == "artgen" else ["promote", "sheet.png", "1"]
    answer = artgen(*command)
    assert answer.status == 2
    assert answer.error_line()


def test_pictures_that_are_a_pipe(artgen, guide: Path, tmp_path: Path):
    path = pipe(tmp_path / "a.png")
    for command in (["classify", path, "--labels", "a, b"], ["score", path, "a fox", "--guide", "doodle"]):
        answer = artgen(*command)
        assert (answer.status, "is a pipe or a device" in answer.error_line()) == (2, True)
