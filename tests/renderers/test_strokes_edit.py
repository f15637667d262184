"""Editing a run of strokes, by the Python API and the command line."""

import json

import pytest
import torch
from typer.testing import CliRunner

from artgen.config import RunConfig
from artgen.edit import edit
from artgen.engine.run import paint, resume
from artgen.errors import UsageError
from artgen.export.saved import open_run


@pytest.fixture(scope="module")
def run(tiny_guide, tmp_path_factory):
    config = RunConfig(
        prompts="a blue rabbit",
        renderer="strokes",
        options={"strokes": 6},
        guides=tiny_guide,
        steps=3,
        seed=1,
        population=2,
        canvas="48x32",
        size="96x64",
        cutouts={"count": 2},
    )
    return paint(config, tmp_path_factory.mktemp("runs") / "first").folder


def strokes_of(folder, rank=1):
    return open_run(folder).candidate(rank)


def test_edit_locks_deletes_and_goes_on(run, tmp_path):
    before = strokes_of(run)
    result = edit(run, lock=[3, 1], delete=[2], steps=4, out=tmp_path / "edited")
    after = strokes_of(result.folder)
    assert after.points.shape[:2] == (1, 5)
    assert after.locked[0].tolist() == [False, True, True, False, False]
    for name in ("points", "width", "colour", "opacity"):
        old, new = before.state()[name][0], after.state()[name][0]
        assert torch.equal(new[[1, 2]], old[[1, 3]])
        assert not torch.equal(new[[0, 3, 4]], old[[0, 4, 5]])
    assert result.step == 4
    assert (result.folder / "image.svg").read_text().count("<path") == 5
    again = edit(result.folder, delete=[0], out=tmp_path / "again")
    assert strokes_of(again.folder).locked[0].tolist() == [True, True, False, False]


def test_edit_without_steps_changes_nothing_else(run, tmp_path):
    before = strokes_of(run)
    after = strokes_of(edit(run, delete=[0], out=tmp_path / "edited").folder)
    assert torch.equal(after.points[0], before.points[0, 1:])


def test_edited_run_can_be_resumed_after_a_stop(run, tmp_path):
    whole = edit(run, lock=[0], delete=[5], steps=3, out=tmp_path / "whole")
    answers = iter([False, False, True])
    half = edit(run, lock=[0], delete=[5], steps=3, out=tmp_path / "half", should_stop=lambda: next(answers))
    assert half.reason == "stopped"
    assert torch.equal(strokes_of(resume(half.folder).folder).points, strokes_of(whole.folder).points)


def test_wrong_edits_make_nothing(run, tmp_path):
    for wrong, reason in (({"lock": [6]}, "no stroke 6"), ({"lock": [1], "delete": [1]}, "choose one")):
        with pytest.raises(UsageError, match=reason):
            edit(run, out=tmp_path / "edited", **wrong)
    with pytest.raises(UsageError, match="steps"):
        edit(run, steps=-1)
    assert not (tmp_path / "edited").exists()


def test_edit_on_the_command_line(run, tmp_path):
    from artgen.cli import app

    out = tmp_path / "edited"
    words = [
        "edit",
        str(run),
        "--lock",
        "0-1",
        "--delete",
        "5",
        "--continue",
        "2",
        "--out",
        str(out),
        "--json",
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["step"] == 2
    assert strokes_of(out).locked[0].tolist() == [True, True, False, False, False]
    wrong = CliRunner().invoke(app, ["edit", str(run), "--lock", "x", "--out", str(tmp_path / "no")])
    assert wrong.exit_code == 2
