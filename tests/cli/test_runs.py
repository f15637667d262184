"""`artgen runs`, and the folder for new runs."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from artgen.config import RunConfig

KEYS = [
    "folder",
    "prompt",
    "prompts",
    "seed",
    "renderer",
    "state",
    "reason",
    "damage",
    "losses",
    "step",
    "steps",
    "picture",
    "film",
    "begun",
    "ended",
    "identity",
    "parents",
    "children",
]
SMALL = ["--canvas", "16x16", "--size", "16x16", "--steps", 1, "--timelapse", "none", "--quiet"]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ARTGEN_RUNS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_run(
    folder: Path, begun: str = "2026-01-02T12:00:00+00:00", reason: str = "done", **changes
) -> Path:
    """Write the report of a run."""
    config = RunConfig.make({"prompts": ["a blue rabbit"], "seed": 1, "steps": 10, **changes})
    report = {"reason": reason, "step": 10, "losses": [0.25], "begun": begun, "ended": begun}
    folder.mkdir(parents=True)
    content = {**report, "config": json.loads(config.to_json())}
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_table_fits_80_columns(artgen):
    write_run(Path("runs") / ("2026-01-02-" + "long-name-" * 5 + "1234567890"))
    write_run(Path("runs") / "short", begun="2026-01-03T12:00:00+00:00")
    write_run(Path("runs") / ("兎" * 60), begun="2026-01-01T12:00:00+00:00")
    answer = artgen("runs")
    lines = answer.out.splitlines()
    assert (answer.status, answer.err, len(lines)) == (0, "", 4)
    assert max(map(cell_len, lines)) <= 80
    assert lines[0].split() == ["begun", "state", "loss", "run", "in", "runs"]
    assert lines[1].split() == ["2026-01-03", "done", "0.2500", "short"]
    assert lines[2].split()[-1].endswith("1234567890") and "2026-01-02-long-name" in lines[2]


def test_prompts_are_shown_if_there_is_space(artgen):
    write_run(Path("runs/a"), prompts=["a very long description of a blue rabbit that does not end"])
    Path("runs/b").mkdir()
    Path("runs/b/run.json").write_text("{}")
    lines = artgen("runs").out.splitlines()
    assert max(map(cell_len, lines)) <= 80 and lines[0].endswith("prompt")
    assert any("a very long descr" in line for line in lines)
    assert any("run.json has no configuration" in line and "damaged" in line for line in lines)


def test_json_has_one_object_for_each_run(artgen):
    write_run(Path("runs/a"))
    write_run(Path("runs/batch/001-b-1"), begun="2026-01-03T12:00:00+00:00", seed=2)
    answer = artgen("runs", "--json")
    first, second = objects(answer.out)
    assert list(first) == list(second) == KEYS
    assert (first["folder"], second["folder"]) == ("runs/batch/001-b-1", "runs/a")
    assert (second["state"], second["losses"], second["seed"]) == ("done", [0.25], 1)
    assert datetime.fromisoformat(second["begun"]).isoformat() == "2026-01-02T12:00:00+00:00"
    assert answer.err == ""


def test_filters(artgen):
    today = datetime.now().astimezone()
    write_run(Path("runs/new"), begun=(today - timedelta(days=1)).isoformat())
    write_run(Path("runs/old"), begun=(today - timedelta(days=30)).isoformat(), prompts=["a red fox"])
    write_run(Path("runs/other"), begun="2020-01-01T00:00:00+00:00", reason="stopped", renderer="strokes")

    def names(*words: object) -> list[str]:
        return [Path(each["folder"]).name for each in objects(artgen("runs", "--json", *words).out)]

    assert names() == ["new", "old", "other"]
    assert names("--limit", 2) == ["new", "old"]
    assert names("--search", "FOX red") == ["old"]
    assert names("--renderer", "strokes") == names("--state", "stopped") == ["other"]
    assert names("--since", "7d") == names("--since", "2w") == names("--since", "36h") == ["new"]
    assert names("--since", (today - timedelta(days=31)).strftime("%Y-%m-%d")) == ["new", "old"]


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["--since", "yesterday"], "write a date such as 2026-11-25, or 7d"),
        (["--since", "99999d"], "or 7d"),
        (["--since", "0001-01-01T00:00+14:00"], "or 7d"),
        (["--state", "don"], "did you mean 'done'?"),
        (["--state", "\x1b[31m"], "choose one of running, done"),
        (["--limit", "0"], "--limit"),
        (["--limit", "many"], "--limit"),
        (["missing"], "give the folder that contains the runs"),
        (["file"], "give the folder that contains the runs"),
        ([""], "name a file or a folder"),
        (["x" * 5000], "check the path"),
    ],
)
def test_bad_input_is_one_line(words: list[str], cure: str, artgen):
    Path("file").touch()
    answer = artgen("runs", *words)
    assert answer.status in (1, 2) and cure in answer.error_line() and "\x1b" not in answer.err
    assert answer.out == ""


def test_an_empty_list_says_what_to_do(artgen):
    answer = artgen("runs")
    assert (answer.status, answer.out) == (0, "")
    assert answer.err.strip() == 'there are no runs in runs; paint one: artgen "a blue rabbit"'
    write_run(Path("runs/a"))
    answer = artgen("runs", "--renderer", "pixle")
    assert (answer.status, answer.out) == (0, "")
    assert answer.err.strip() == "none of the 1 runs in runs match; their renderers: pixel"
    assert artgen("runs", "--renderer", "pixle", "--json").out == ""


def test_control_characters_do_not_reach_the_terminal(artgen):
    write_run(Path("runs/a\x1b[2Jb"))
    folder = write_run(Path("runs/c"))
    report = json.loads((folder / "run.json").read_text())
    report["config"]["prompts"] = ["\x1b]0;title\x07 \u202e fox\nnew line"]
    (folder / "run.json").write_text(json.dumps(report))
    for words in ([], ["--json"]):
        answer = artgen("runs", *words)
        assert not set("\x1b\x07\u202e") & set(answer.out)
        assert len(answer.out.splitlines()) == (2 if words else 3)
    assert objects(answer.out)[0]["prompt"] in ("a blue rabbit", report["config"]["prompts"][0])


def test_strange_files_do_not_stop_the_list(artgen):
    write_run(Path("runs/good"))
    for name in ("pipe", "loop", "deep"):
        Path("runs", name).mkdir()
    os.mkfifo("runs/pipe/run.json")
    Path("runs/loop/run.json").symlink_to("run.json")
    Path("runs/deep/run.json").write_text("[" * 200_000)
    states = {Path(each["folder"]).name: each["state"] for each in objects(artgen("runs", "--json").out)}
    assert states == {"good": "done", "pipe": "damaged", "loop": "damaged", "deep": "damaged"}


def test_a_run_is_painted_below_the_chosen_folder(artgen, photograph: Path, monkeypatch: pytest.MonkeyPatch):
    paint = ["paint", "--target", photograph, *SMALL]
    assert artgen(*paint, "--runs", "chosen").status == 0
    monkeypatch.setenv("ARTGEN_RUNS", "from-environment")
    assert artgen(*paint).status == 0
    assert artgen(*paint, "--runs", "chosen", "--seeds", "1-2").status == 0
    assert artgen(*paint, "--out", "own").status == 0

    counts = {
        name: len(objects(artgen("runs", name, "--json").out)) for name in ("chosen", "from-environment")
    }
    assert counts == {"chosen": 3, "from-environment": 1}
    assert objects(artgen("runs", "--json").out)[0]["folder"].startswith("from-environment/")
    assert not Path("runs").exists()


def test_edits_and_repetitions_go_to_the_chosen_folder(artgen, photograph: Path):
    paint = ["paint", "-r", "strokes", "--strokes", 2, "--target", photograph, *SMALL, "--out", "run"]
    assert artgen(*paint).status == 0
    assert artgen("edit", "run", "--lock", 0, "--continue", 1, "--quiet", "--runs", "edits").status == 0
    assert artgen("rerun", "run/image.png", "--yes", "--quiet", "--runs", "again").status == 0
    for name in ("edits", "again"):
        assert [each["state"] for each in objects(artgen("runs", name, "--json").out)] == ["done"]
    assert not Path("runs").exists()


def test_the_chosen_folder_must_be_usable(artgen, photograph: Path):
    Path("file").touch()
    paint = ["paint", "--target", photograph, *SMALL]
    answer = artgen(*paint, "--runs", "a", "--out", "b")
    assert (answer.status, "give one of them" in answer.error_line()) == (2, True)
    answer = artgen(*paint, "--runs", "file")
    assert (answer.status, "--runs" in answer.error_line()) == (1, True)
    answer = artgen(*paint, "--runs", "")
    assert (answer.status, "the path is empty" in answer.error_line()) == (2, True)
    Path("lines.txt").write_text("a fox --runs x\n")
    assert "belongs to the whole batch" in artgen("--prompts", "lines.txt", *SMALL).err
