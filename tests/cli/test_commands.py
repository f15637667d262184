"""What the commands answer: exit statuses, JSON, batches, promote, export, score, presets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

SMALL = ["--canvas", "24x16", "--size", "24x16", "--cells", "6", "--timelapse", "none"]


def pixels(path: Path) -> np.ndarray:
    with Pillow.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def run(artgen, photograph: Path) -> Path:
    options = [*SMALL, "--population", 3, "--steps", 3, "--seed", 1, "--out", "run", "--quiet"]
    answer = artgen("paint", "--target", photograph, *options)
    assert (answer.status, answer.out, answer.err) == (0, "", "")
    return Path("run")


def test_json_is_all_there_is_on_stdout(artgen, photograph: Path):
    answer = artgen("paint", "--target", photograph, *SMALL, "--steps", 2, "--seed", 5, "--json")
    result = json.loads(answer.out)
    assert (answer.status, result["seed"], result["step"], result["reason"]) == (0, 5, 2, "done")
    wrong = artgen("paint", "--target", "nowhere.png", "--json")
    assert (wrong.status, list(json.loads(wrong.out))) == (2, ["error"])
    unknown = artgen("paint", "--target", photograph, "--stepz", 3, "--json")
    assert (unknown.status, "--steps" in json.loads(unknown.out)["error"]) == (2, True)


def test_seed_is_told(artgen, photograph: Path):
    answer = artgen("paint", "--target", photograph, *SMALL, "--steps", 1)
    report = json.loads(next(Path("runs").glob("*/run.json")).read_text())
    assert f"seed {report['seed']}" in answer.out
    assert f"seed {report['seed']}" in answer.err


def test_stop_keeps_everything_and_exits_130(artgen, photograph: Path, monkeypatch: pytest.MonkeyPatch):
    import signal

    from artgen.engine import loop

    step = loop._step

    def interrupted(stage, state, *more):
        if state.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(stage, state, *more)

    monkeypatch.setattr(loop, "_step", interrupted)
    answer = artgen("paint", "--target", photograph, *SMALL, "--steps", 50, "--seed", 1, "--out", "run")
    assert answer.status == 130
    assert "current picture is kept" in answer.err
    report = json.loads(Path("run/run.json").read_text())
    assert (report["reason"], report["step"]) == ("stopped", 3)
    for name in ("image.png", "config.yaml", "checkpoint.safetensors"):
        assert (Path("run") / name).is_file()
    monkeypatch.setattr(loop, "_step", step)
    assert artgen("resume", "run", "--quiet").status == 0
    assert json.loads(Path("run/run.json").read_text())["step"] == 50


def test_rerun_asks_before_it_opens_files(artgen, run: Path):
    refused = artgen("rerun", run / "image.png", "--out", "again")
    assert refused.status == 2
    assert "photograph.png" in refused.error_line()
    assert "--yes" in refused.error_line()
    assert not Path("again").exists()
    assert artgen("rerun", run / "image.png", "--out", "again", "--yes", "--quiet").status == 0
    assert (run / "image.png").read_bytes() == Path("again/image.png").read_bytes()


def test_batch_of_seeds(artgen, photograph: Path):
    options = [*SMALL, "--steps", 2, "--seeds", "1-2,7", "--out", "batch", "--json"]
    answer = artgen("paint", "--target", photograph, *options)
    result = json.loads(answer.out)
    assert (answer.status, result["failed"]) == (0, 0)
    assert [(cell["number"], cell["seed"], cell["status"]) for cell in result["cells"]] == [
        (1, 1, "done"),
        (2, 2, "done"),
        (3, 7, "done"),
    ]
    pictures = [pixels(Path("batch") / cell["folder"] / "image.png") for cell in result["cells"]]
    assert not np.array_equal(pictures[0], pictures[1])
    alone = artgen(
        "paint", "--target", photograph, *SMALL, "--steps", 2, "--seed", 7, "--out", "alone", "--quiet"
    )
    assert alone.status == 0
    assert np.array_equal(pixels(Path("alone/image.png")), pictures[2])
    assert pixels(Path("batch/sheet.png")).shape == (2 * 308 + 12, 2 * 268 + 12, 3)


def test_batch_of_lines_keeps_what_works(artgen, photograph: Path, tmp_path: Path):
    lines = [
        "# a comment",
        "",
        "--cells 4 --seed 11",
        "--cels 4",
        "--steps 1 --renderer pixl",
        "--out elsewhere",
        "'an open quote",
        "--target nowhere.png",
    ]
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(lines))
    answer = artgen(
        "paint", "--target", photograph, *SMALL, "--steps", 2, "--prompts", file, "--out", "batch"
    )
    assert answer.status == 1
    summary = json.loads(Path("batch/batch.json").read_text())["cells"]
    assert [cell["status"] for cell in summary] == ["done", *["failed"] * 5]
    words = ["--cells", "pixel", "whole batch", "quotes", "nowhere.png"]
    assert all(word in cell["error"] for word, cell in zip(words, summary[1:], strict=True))
    config = (Path("batch") / summary[0]["folder"] / "config.yaml").read_text()
    assert "cells: '4'" in config or "cells: 4" in config
    assert "1 of 6 done" in answer.out
    assert not Path("elsewhere").exists()


def test_quiet_batch_says_what_failed(artgen, photograph: Path):
    Path("lines.txt").write_text("--steps 1\n--cels 4\n--help\n")
    options = ["--target", photograph, *SMALL, "--prompts", "lines.txt", "--out", "batch", "--quiet"]
    answer = artgen("paint", *options)
    assert (answer.status, answer.out) == (1, "")
    assert "2 of 3 runs failed" in answer.error_line() and "--cells" in answer.error_line()
    cells = json.loads(Path("batch/batch.json").read_text())["cells"]
    assert [cell["status"] for cell in cells] == ["done", "failed", "failed"]
    assert "--help belongs to the whole batch" in cells[2]["error"]


def test_batch_that_is_interrupted(artgen, photograph: Path, monkeypatch: pytest.MonkeyPatch):
    asked = iter(range(100))
    monkeypatch.setattr("artgen.cli.progress.Interruption.requested", lambda self: next(asked) >= 9)
    options = [*SMALL, "--steps", 3, "--seeds", "1-4", "--out", "batch", "--quiet"]
    assert artgen("paint", "--target", photograph, *options).status == 130
    statuses = [cell["status"] for cell in json.loads(Path("batch/batch.json").read_text())["cells"]]
    assert statuses[0] == "done"
    assert statuses[-1] == "not started"


def contents(folder: Path) -> dict[str, bytes]:
    """What a batch has made, without what tells the time."""
    wanted = ("image.png", "checkpoint.safetensors", "metrics.jsonl", "config.yaml")
    return {
        str(path.relative_to(folder)): path.read_bytes() for name in wanted for path in folder.rglob(name)
    }


def test_batch_goes_on_as_a_whole(artgen, photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines = tmp_path / "lines.txt"
    lines.write_text("--seed 1\n--seed 2 --steps 6\n--cels 4\n--seed 3\n")
    options = ["--target", photograph, *SMALL, "--steps", 3, "--prompts", lines, "--quiet"]
    assert artgen("paint", *options, "--out", "whole").status == 1
    asked = iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr("artgen.cli.progress.Interruption.requested", lambda self: next(asked) >= 8)
        assert artgen("paint", *options, "--out", "parts").status == 130
    cells = json.loads(Path("parts/batch.json").read_text())["cells"]
    assert [cell["status"] for cell in cells] == ["done", "stopped", "not started", "not started"]
    first = next(Path("parts").glob("001-*"))
    times = {path: path.stat().st_mtime_ns for path in first.iterdir()}

    answer = artgen("resume", "parts", "--json")
    assert answer.status == 1
    result = json.loads(answer.out)
    assert [cell["status"] for cell in result["cells"]] == ["done", "done", "failed", "done"]
    assert result["cells"][0]["loss"] == pytest.approx(cells[0]["loss"])
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == times
    assert len(contents(Path("parts"))) == 12
    assert contents(Path("parts")) == contents(Path("whole"))
    assert pixels(Path("parts/sheet.png")).shape == pixels(Path("whole/sheet.png")).shape


def test_batch_that_was_killed_goes_on(artgen, photograph: Path, monkeypatch: pytest.MonkeyPatch):
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    options = ["--target", photograph, *SMALL, "--steps", 3, "--seeds", "1-2", "--quiet"]
    assert artgen("paint", *options, "--out", "whole").status == 0
    with monkeypatch.context() as patch:
        patch.setattr("artgen.runs.single._run", kill)
        with pytest.raises(Killed):
            artgen("paint", *options, "--out", "killed")
    assert not list(Path("killed").glob("*/checkpoint.safetensors"))
    assert artgen("resume", "killed", "--quiet").status == 0
    assert contents(Path("killed")) == contents(Path("whole"))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2, "jobs": [], "inputs": {}}', "[" * 100_000, "\0"], ids=len
)
def test_batch_that_is_damaged(text: str, artgen, tmp_path: Path):
    (tmp_path / "jobs.json").write_text(text)
    answer = artgen("resume", tmp_path)
    assert (answer.status, "damaged" in answer.error_line()) == (2, True)


def test_resume_opens_only_what_the_run_began_with(artgen, photograph: Path, tmp_path: Path):
    picture, secret = tmp_path / "picture.png", tmp_path / "secret.png"
    picture.write_bytes(photograph.read_bytes())
    Pillow.new("RGB", (48, 48), "red").save(secret)
    assert artgen("paint", "--target", picture, *SMALL, "--steps", 1, "--out", "run", "--quiet").status == 0
    assert artgen("resume", "run", "--quiet").status == 0
    rewrite_facts(Path("run/checkpoint.safetensors"), "target", str(secret))
    refused = artgen("resume", "run", "--quiet")
    assert refused.status == 2
    assert "secret.png" in refused.error_line() and "--yes" in refused.error_line()
    assert artgen("resume", "run", "--quiet", "--yes").status == 0
    assert artgen("resume", "run", "--quiet").status == 0
    secret.write_bytes(photograph.read_bytes())
    assert artgen("resume", "run", "--quiet").status == 2


def test_resumed_batch_opens_only_what_it_began_with(artgen, photograph: Path, tmp_path: Path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(photograph.read_bytes())
    options = ["--target", picture, *SMALL, "--steps", 1, "--seeds", "1-2", "--out", "batch", "--quiet"]
    assert artgen("paint", *options).status == 0
    Pillow.new("RGB", (48, 48), "red").save(picture)
    refused = artgen("resume", "batch", "--quiet")
    assert (refused.status, "picture.png" in refused.error_line()) == (2, True)
    assert artgen("resume", "batch", "--quiet", "--yes").status == 0


def rewrite_facts(path: Path, key: str, value: object) -> None:
    """Change a key of the configuration in a checkpoint; its checksum is right."""
    from artgen.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

    checkpoint = load_checkpoint(path)
    facts = {**checkpoint.facts, "config": {**checkpoint.facts["config"], key: value}}
    save_checkpoint(path, Checkpoint(facts, checkpoint.tensors))


def test_promote_goes_on_from_the_state(artgen, photograph: Path):
    common = ["--target", photograph, *SMALL, "--steps", 3, "--set", "optimiser.rate=0.0001"]
    assert (
        artgen("paint", *common, "--seeds", "1-2", "--population", 2, "--out", "batch", "--quiet").status == 0
    )
    chosen = json.loads(Path("batch/batch.json").read_text())["cells"][1]
    options = ["--steps", 1, "--set", "optimiser.rate=1e-9", "--out", "more", "--quiet"]
    assert artgen("promote", "batch/sheet.png", 2, *options).status == 0
    assert np.array_equal(
        pixels(Path("more/image.png")), pixels(Path("batch") / chosen["folder"] / "image.png")
    )
    coarser = ["--cells", 3, *options[:-3], "--out", "coarse", "--quiet"]
    assert artgen("promote", "batch", 1, *coarser).status == 0
    wrong = artgen("promote", "batch", 9)
    assert (wrong.status, "no picture 9" in wrong.error_line()) == (2, True)
    assert artgen("promote", photograph, 1).status == 2


@pytest.mark.parametrize("name", ["../../etc", "/etc", "001-x/../..", "", None])
def test_promote_follows_no_hostile_sheet(name: str | None, artgen, tmp_path: Path):
    from PIL.PngImagePlugin import PngInfo

    from artgen.batch.sheet import METADATA_KEY

    information = PngInfo()
    information.add_itxt(METADATA_KEY, json.dumps({"cells": [{"number": 1, "folder": name}]}))
    Pillow.new("RGB", (4, 4)).save(tmp_path / "sheet.png", pnginfo=information)
    assert "no run" in artgen("promote", tmp_path / "sheet.png", 1).error_line()


def test_export_at_other_sizes_and_formats(artgen, run: Path):
    before = pixels(run / "image.png")
    assert artgen("export", run, "--size", "48x32").status == 0
    assert np.array_equal(pixels(run / "export-48x32.png"), before.repeat(2, axis=0).repeat(2, axis=1))
    assert (
        json.loads(artgen("export", run, "--out", "x.webp", "--size", "24x16", "--json").out)["width"] == 24
    )
    assert np.array_equal(pixels(Path("x.webp")), before)
    assert artgen("rerun", "x.webp", "--yes", "--quiet", "--out", "again").status == 0
    assert (Path("again") / "image.png").read_bytes() == (run / "image.png").read_bytes()
    assert artgen("export", run / "image.png", "--transparent", "--out", "t.png").status == 0
    assert pixels(Path("t.png")).shape[-1] == 4
    sheet = json.loads(artgen("export", run, "--sheet", "--size", "24x16", "--json").out)
    assert (sheet["width"], sheet["height"]) == (48, 32)
    whole = pixels(Path(sheet["file"]))
    assert np.array_equal(whole[:16, :24], before)
    assert np.array_equal(whole[:16, 24:], pixels(run / "candidate-2.png"))
    assert "not the folder of a run" in artgen("export", run / "missing").error_line()
    os.mkfifo("pipe.png")
    device = artgen("export", run, "--out", "pipe.png", "--force")
    assert (device.status, Path("pipe.png").is_fifo()) == (1, True)
    assert "is not a plain file" in device.error_line()
    again = artgen("export", run, "--size", "48x32")
    assert (again.status, "--force" in again.error_line()) == (2, True)
    for wrong in (["--format", "gif"], ["--candidate", "4"], ["--size", "16384x8", "--format", "webp"]):
        assert artgen("export", run, *wrong).status == 2


def test_score_refuses_the_painter_and_ranks(artgen, tiny_guide: str, photograph: Path):
    options = [
        *SMALL,
        "--cutouts",
        2,
        "--set",
        "precision=float32",
        "--guide",
        tiny_guide,
        "--out",
        "run",
        "--quiet",
    ]
    assert artgen("a red disc:2 | photo:-1", "--steps", 1, *options).status == 0
    refused = artgen("score", "run", "--guide", f"{tiny_guide}@0.5")
    assert (refused.status, "cannot judge" in refused.error_line()) == (2, True)
    names = ["--distractors", "a dog, a red disc, a tree"]
    result = json.loads(artgen("score", "run", "--guide", tiny_guide, "--same", *names, "--json").out)
    assert (result["prompt"], result["among"]) == ("a red disc", 3)
    better = sum(cosine > result["cosine"] for cosine in result["nearest"].values())
    assert result["rank"] == 1 + better
    assert set(result["nearest"]) == {"a dog", "a tree"}
    alone = artgen("score", "run", "--guide", tiny_guide, "--same", "--distractors", ",")
    assert "nothing to rank" in alone.error_line()
    unknown = artgen("score", photograph, "--guide", tiny_guide)
    assert "what it should show" in unknown.error_line()


def test_presets_lie_below_the_options(artgen):
    from artgen.cli.parsing import parse_line
    from artgen.cli.request import PaintRequest
    from artgen.config import RunConfig

    def config(*arguments: str) -> RunConfig:
        return RunConfig.make(parse_line(["a rabbit", *arguments], below=PaintRequest()).values())

    draft, best = config("--preset", "draft"), config("--preset", "best")
    assert draft.steps < config().steps < best.steps
    assert config("--preset", "draft", "--steps", "7").steps == 7
    assert config("--preset", "draft", "--set", "cutouts.count=3").cutouts.count == 3
    assert config("--preset", "draft", "--guide", "ViT-B-32").cutouts.count < draft.cutouts.count
    assert list(json.loads(artgen("presets", "--json").out))[:3] == ["draft", "normal", "best"]
    for renderer in ("pixel", "strokes", "collage"):
        assert config("--preset", "best", "--renderer", renderer).steps > 200
