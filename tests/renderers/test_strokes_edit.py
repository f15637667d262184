"""Editing a run of strokes, by the Python API and the command line."""

import json

import pytest
import torch
from typer.testing import CliRunner

from artgen.cli import app
from artgen.config import EditOptions, RunConfig
from artgen.engine.events import Finished, Stepped
from artgen.errors import RunError, UsageError
from artgen.export.metadata import read_configuration
from artgen.runs.edit import edit, editing
from artgen.runs.paint import paint, painting, resume
from artgen.runs.saved import open_run
from tests.driving import drive

SMALL = {"seed": 1, "canvas": "48x32", "size": "96x64", "cutouts": {"count": 2}}


@pytest.fixture(scope="module")
def run(tiny_guide, tmp_path_factory):
    config = RunConfig(
        prompts="a blue rabbit",
        renderer="strokes",
        options={"strokes": 6},
        guides=tiny_guide,
        steps=3,
        population=2,
        **SMALL,
    )
    return paint(config, tmp_path_factory.mktemp("runs") / "first").folder


def edited_config(result):
    return RunConfig.from_text(read_configuration(result.picture))


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
    assert result.step == 7
    assert (result.folder / "image.svg").read_text().count("<path") == 5
    again = edit(result.folder, delete=[0], out=tmp_path / "again")
    assert strokes_of(again.folder).locked[0].tolist() == [True, True, False, False]


def test_edit_without_steps_changes_nothing_else(run, tmp_path):
    before = strokes_of(run)
    after = strokes_of(edit(run, delete=[0], out=tmp_path / "edited").folder)
    assert torch.equal(after.points[0], before.points[0, 1:])


def test_edited_run_can_be_resumed_after_a_stop(run, tmp_path):
    whole = edit(run, lock=[0], delete=[5], steps=3, out=tmp_path / "whole")
    half = drive(editing(run, lock=[0], delete=[5], steps=3, out=tmp_path / "half"), stop_after=2)
    assert half.reason == "stopped"
    assert torch.equal(strokes_of(resume(half.folder).folder).points, strokes_of(whole.folder).points)


def test_a_picture_records_how_it_was_edited_and_is_repeated_with_the_edits(run, tmp_path):
    once = edit(run, lock=[3, 1], delete=[2], steps=4, out=tmp_path / "once")
    twice = edit(once.folder, delete=[0], out=tmp_path / "twice")
    first, second = edited_config(twice).steering
    assert (first.at, first.lock, first.delete, first.steps) == (3, (3, 1), (2,), 7)
    assert (second.at, second.delete, second.steps) == (7, (0,), 7)
    assert json.loads((twice.folder / "run.json").read_text())["config"]["steering"][1]["delete"] == [0]
    seen = []
    again = drive(painting(edited_config(twice), tmp_path / "again"), watch=seen.append)
    assert again.picture.read_bytes() == twice.picture.read_bytes()
    assert (again.folder / "image.svg").read_bytes() == (twice.folder / "image.svg").read_bytes()
    assert [event.step for event in seen if isinstance(event, Stepped)] == [1, 2, 3, 4, 5, 6, 7]
    assert len([event for event in seen if isinstance(event, Finished)]) == 1


def test_a_run_edited_before_its_end_is_repeated(tiny_guide, tmp_path):
    config = RunConfig(
        prompts="a blue rabbit",
        renderer="strokes",
        options={"strokes": "2,4"},
        guides=tiny_guide,
        steps=6,
        **SMALL,
    )
    stopped = drive(painting(config, tmp_path / "stopped"), stop_after=4)
    assert stopped.step == 4
    edited = edit(stopped.folder, lock=[0], steps=2, out=tmp_path / "edited")
    again = paint(edited_config(edited), tmp_path / "again")
    assert again.picture.read_bytes() == edited.picture.read_bytes()


def old_edit(run, **changes):
    """Return the configuration of an edit as earlier versions recorded it."""
    before = open_run(run)
    values = {"config": before.config, "step": before.step, "steps": 2, **changes}
    update = {"population": 1, "steps": 2, "options": {"strokes": "6"}, "edited": EditOptions(**values)}
    return before.config.model_copy(update=update)


def test_an_edit_of_an_earlier_version_is_repeated_with_the_run_before_it(run, tmp_path):
    seen = []
    again = drive(painting(old_edit(run, lock=(1,), delete=(2,)), tmp_path / "again"), watch=seen.append)
    before, after = strokes_of(run), strokes_of(again.folder)
    assert torch.equal(after.points[0, 1], before.points[0, 1])
    assert after.points.shape[1] == 5
    assert [event.step for event in seen if isinstance(event, Stepped)] == [1, 2, 3, 1, 2]
    with pytest.raises(RunError, match="stopped before step 3, at which the run was edited"):
        drive(painting(old_edit(run, lock=(1,)), tmp_path / "none"), stop_after=0)
    assert not (tmp_path / "none").exists()


def test_a_run_by_the_clock_cannot_be_repeated_for_its_edits(run, tmp_path):
    config = old_edit(run, lock=(0,))
    timed = config.edited.config.model_copy(update={"seconds": 5.0})
    config = config.model_copy(update={"edited": config.edited.model_copy(update={"config": timed})})
    with pytest.raises(UsageError, match=r"--seconds.*--init image.svg"):
        paint(config, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_files_of_the_run_before_are_asked_for_and_edits_are_not_endless(run, tmp_path):
    values = json.loads(old_edit(run, lock=(0,)).to_json())
    values["edited"]["config"]["target"] = "/secret.png"
    assert "/secret.png" in RunConfig.make(values).local_files()
    for _ in range(60):
        values = {**values, "edited": {"config": values, "step": 1, "steps": 1}}
    with pytest.raises(UsageError, match="more than 50 edits"):
        RunConfig.make(values)


def test_an_edited_picture_is_run_again_on_the_command_line(run, tmp_path):
    edited = edit(run, delete=[1], steps=1, out=tmp_path / "edited")
    words = ["rerun", str(edited.picture), "--yes", "--out", str(tmp_path / "again"), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "again" / "image.png").read_bytes() == edited.picture.read_bytes()


def test_a_run_from_an_svg_with_other_curves_can_be_opened_and_resumed(tiny_guide, tmp_path):
    drawing = tmp_path / "drawing.svg"
    wave = " ".join(f"Q {10 * n + 5} {90 if n % 2 else 5} {10 * n + 10} 40" for n in range(7))
    drawing.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="64"><path fill="none" stroke="red" '
        f'stroke-width="4" d="M 0 40 {wave}"/><path d="M 5 5 L 90 60" stroke="blue" fill="none"/></svg>'
    )
    values = {
        "prompts": "a wave",
        "renderer": "strokes",
        "guides": tiny_guide,
        "init": str(drawing),
        "steps": 4,
    }
    whole = paint(RunConfig(**values, **SMALL), tmp_path / "whole")
    half = drive(painting(RunConfig(**values, **SMALL), tmp_path / "half"), stop_after=2)
    assert resume(half.folder).picture.read_bytes() == whole.picture.read_bytes()
    assert strokes_of(whole.folder).points.shape == (1, 2, 22, 2)
    assert edit(whole.folder, lock=[0], steps=1, out=tmp_path / "edited").reason == "done"


def test_wrong_edits_make_nothing(run, tmp_path):
    for wrong, reason in (({"lock": [6]}, "no stroke 6"), ({"lock": [1], "delete": [1]}, "choose one")):
        with pytest.raises(UsageError, match=reason):
            edit(run, out=tmp_path / "edited", **wrong)
    with pytest.raises(UsageError, match="steps"):
        edit(run, steps=-1)
    assert not (tmp_path / "edited").exists()


def test_edit_on_the_command_line(run, tmp_path):
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
    assert json.loads(result.stdout)["step"] == 5
    assert strokes_of(out).locked[0].tolist() == [True, True, False, False, False]
    wrong = CliRunner().invoke(app, ["edit", str(run), "--lock", "x", "--out", str(tmp_path / "no")])
    assert wrong.exit_code == 2
