"""`artgen steer`, `--steering` and `rerun --branch` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from artgen.cli import app
from artgen.config import RunConfig
from artgen.export.metadata import read_configuration
from artgen.runs.paint import paint


@pytest.fixture(scope="module")
def run(tiny_guide: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of 6 steps with a turn at step 2."""
    values = {
        "prompts": "a red apple",
        "renderer": "strokes",
        "options": {"strokes": "8"},
        "guides": tiny_guide,
        "seed": 1,
        "steps": 6,
        "canvas": "32x32",
        "size": "48x48",
        "cutouts": {"count": 2},
        "timelapse": {"kind": "none"},
        "steering": [{"step": 2, "rate": 0.5}],
    }
    return paint(RunConfig.make(values), tmp_path_factory.mktemp("runs") / "first").folder


def steering_of(folder: Path) -> list[dict]:
    return json.loads(RunConfig.from_text(read_configuration(folder / "image.png")).to_json())["steering"]


def invoke(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_every_option_becomes_a_part_of_one_turn(run: Path, tmp_path: Path):
    out = tmp_path / "out"
    words = ["a blue fish", "[0,0,0.5,1] grass:0.5", "--at", 4, "--continue", 3, "--restart", "--lock", "1-2"]
    words += ["--delete", 3, "--duplicate", 4, "--front", 5, "--back", 6, "--recolour", "0,7=#ff8800"]
    words += ["--add", "2@0,0,0.5,0.5", "--loss", "smoothness=0.1", "--rate", 2, "--keep", 0]
    result = invoke("steer", run, *words, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["step"] == 7
    first, turn = steering_of(out)
    assert first == {"step": 2, "rate": 0.5}
    assert turn == {
        "step": 4,
        "keep": 0,
        "lock": [1, 2],
        "delete": [3],
        "duplicate": [4],
        "front": [5],
        "back": [6],
        "recolour": {"0": "#ff8800", "7": "#ff8800"},
        "add": [{"count": 2, "region": [0.0, 0.0, 0.5, 0.5]}],
        "prompts": ["a blue fish", "[0,0,0.5,1] grass:0.5"],
        "losses": {"smoothness": 0.1},
        "rate": 2.0,
        "steps": 7,
        "restart": True,
    }
    again = invoke("rerun", out / "image.png", "--yes", "--out", tmp_path / "again", "--quiet")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again/image.png").read_bytes() == (out / "image.png").read_bytes()


def test_a_file_of_turns(run: Path, tmp_path: Path):
    file = tmp_path / "turns.yaml"
    file.write_text("steering:\n  - {step: 3, delete: [1]}\n  - {step: 5, prompts: a tree}\n")
    result = invoke("steer", run, "--at", 3, "--steering", file, "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 0, result.output
    assert [turn["step"] for turn in steering_of(tmp_path / "out")] == [2, 3, 5]


def test_rerun_without_later_turns(run: Path, tmp_path: Path):
    picture = run / "image.png"
    result = invoke("rerun", picture, "--yes", "--branch", 2, "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 0, result.output
    assert steering_of(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a cat"], "step 6 is the last one"),
        (["--at", 99, "--lock", 1], "the run has 6 steps"),
        (["--at", 3, "--recolour", "red"], "--recolour 'red' has no colour"),
        (["--at", 3, "--add", "x@0,0,1,1"], "--add 'x@0,0,1,1'"),
        (["--at", 3, "--add", "2@0.5,0,0.1,1"], "x0 < x1"),
        (["--at", 3, "--lock", "1", "--delete", "1"], "both lock and delete"),
        (["--at", 3, "--steering", "nowhere.yaml"], "nowhere.yaml"),
        (["--at", 3, "--tile", 1], "tile 1"),
    ],
)
def test_wrong_words_make_nothing(run: Path, tmp_path: Path, words: list[object], said: str):
    result = invoke("steer", run, *words, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert said in result.output and "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_a_steering_file(run: Path, tmp_path: Path):
    for content, said in (("steps: 3", "not a steering file"), ("steering: [{rat: 2}]", "unknown key 'rat'")):
        (tmp_path / "x.yaml").write_text(content)
        result = invoke("steer", run, "--at", 3, "--steering", tmp_path / "x.yaml", "--out", tmp_path / "out")
        assert result.exit_code == 2 and said in result.output, result.output


def test_a_turn_that_cannot_be_made_is_one_line_and_the_run_goes_on(run: Path, tmp_path: Path):
    result = invoke("steer", run, "--at", 3, "--delete", 77, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "a turn is left out: there is no stroke 77" in result.output.replace("\n", " ")
