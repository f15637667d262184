"""Steering a run: what is asked for between steps is recorded, and repeated with the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from artgen.config import Addition, RunConfig, Turn
from artgen.engine.events import Notice, Refused, Steered, Stepped
from artgen.errors import RunError, UsageError
from artgen.export.metadata import read_configuration
from artgen.runs import branches
from artgen.runs.branch import branching
from artgen.runs.paint import paint, painting, resume
from artgen.runs.saved import open_run
from tests.driving import drive

RENDERERS: dict[str, dict[str, Any]] = {
    "strokes": {"renderer": "strokes", "options": {"strokes": "6"}},
    "collage": {"renderer": "collage", "options": {"count": 8}, "losses": {"sketch": 0}},
    "pixel": {"renderer": "pixel", "options": {"cells": 8}},
}
every_renderer = pytest.mark.parametrize("name", RENDERERS)


def configuration(name: str, tiny_guide: str, **more: Any) -> RunConfig:
    values = {
        "prompts": "a red apple",
        "guides": tiny_guide,
        "seed": 3,
        "steps": 8,
        "canvas": "32x24",
        "size": "64x48",
        "cutouts": {"count": 2},
        "timelapse": {"kind": "gif", "every": 2, "side": 32},
        **RENDERERS[name],
    }
    return RunConfig.make(values | more)


def turns_for(name: str) -> dict[int, list[Turn]]:
    """Return turns of every kind that the renderer can make, by the step before them."""
    words = Turn(prompts=("a blue fish", "[0,0,0.5,1] grass:0.5"), losses={"smoothness": 0.05}, rate=0.5)
    if name == "pixel":
        return {3: [words], 8: [Turn(steps=11)]}
    elements = Turn(lock=(1,), delete=(2,), duplicate=(3,), front=(0,), back=(4,), recolour={5: "red"})
    more = Turn(unlock=(1,), add=(Addition(count=2, region=(0, 0, 0.5, 0.5)),))
    return {2: [elements], 3: [words], 5: [more], 8: [Turn(steps=11, restart=True)]}


def steered(config: RunConfig, folder: Path, turns: dict[int, list[Turn]], stop_at: int | None = None):
    """Paint a run and ask for turns; return its result, and the events about turns."""
    seen = []
    waiting = dict(turns)
    run = painting(config, folder)
    for event in run:
        if isinstance(event, Stepped) and event.step in waiting:
            run.steer(*waiting.pop(event.step))
        if isinstance(event, Stepped) and event.step == stop_at:
            run.stop()
        if isinstance(event, Steered | Refused):
            seen.append(event)
    return run.result, seen


def recorded(picture: Path) -> RunConfig:
    return RunConfig.from_text(read_configuration(picture))


@every_renderer
@pytest.mark.parametrize("population", [1, 2])
def test_a_steered_run_is_repeated_with_the_same_bits(
    name: str, population: int, tiny_guide: str, tmp_path: Path
):
    config = configuration(name, tiny_guide, population=population)
    result, seen = steered(config, tmp_path / "live", turns_for(name))
    assert not [event for event in seen if isinstance(event, Refused)]
    assert result.step == 11

    again = paint(recorded(result.picture), tmp_path / "again")
    for file in ("image.png", "metrics.jsonl", "timelapse.gif", "config.yaml"):
        assert (again.folder / file).read_bytes() == (result.folder / file).read_bytes(), file


@pytest.mark.parametrize("threads", [1, 2])
def test_steering_is_repeated_on_two_threads(threads: int, tiny_guide: str, tmp_path: Path):
    config = configuration("strokes", tiny_guide, threads=threads, canvas="96x96")
    result, _ = steered(config, tmp_path / "live", turns_for("strokes"))
    again = paint(recorded(result.picture), tmp_path / "again")
    assert again.picture.read_bytes() == result.picture.read_bytes()


def test_a_step_that_takes_too_long_ends_the_run_with_a_notice(tiny_guide: str, tmp_path: Path):
    config = configuration("strokes", tiny_guide, step_seconds=1e-6)
    seen = []
    result = drive(painting(config, tmp_path / "run"), watch=seen.append)
    assert (result.reason, result.step) == ("stopped", 1)
    notices = [event.message for event in seen if isinstance(event, Notice)]
    assert any("step 1 took" in message and "step_seconds" in message for message in notices)
    sketched = configuration("collage", tiny_guide, losses={"sketch": 2.0}, step_seconds=1e-6)
    stopped = paint(sketched, tmp_path / "sketched")
    assert (stopped.reason, stopped.step) == ("stopped", 0)
    generous = configuration("strokes", tiny_guide, step_seconds=1000.0)
    assert paint(generous, tmp_path / "generous").reason == "done"


@every_renderer
@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_a_steered_run_that_was_stopped_continues_with_the_same_bits(
    name: str, stop_at: int, tiny_guide: str, tmp_path: Path
):
    result, _ = steered(configuration(name, tiny_guide), tmp_path / "live", turns_for(name))
    half = drive(painting(recorded(result.picture), tmp_path / "half"), stop_after=stop_at)
    assert half.reason == "stopped"
    end = resume(half.folder)
    for file in ("image.png", "metrics.jsonl"):  # the film also shows where the run was stopped
        assert (end.folder / file).read_bytes() == (result.folder / file).read_bytes(), file


@every_renderer
def test_an_undone_turn_leaves_no_trace_but_a_branch(name: str, tiny_guide: str, tmp_path: Path):
    config = configuration(name, tiny_guide)
    plain = paint(config, tmp_path / "plain")
    run = painting(config, tmp_path / "live")
    undone = False
    for event in run:
        if isinstance(event, Stepped) and event.step == 3 and not undone:
            run.steer(Turn(prompts="a green tree"))
        if isinstance(event, Stepped) and event.step == 5 and not undone:
            run.undo()
            undone = True
    live = run.result
    for file in ("image.png", "metrics.jsonl", "timelapse.gif"):
        assert (live.folder / file).read_bytes() == (plain.folder / file).read_bytes(), file

    left = RunConfig.from_text((live.folder / "branches/1/config.yaml").read_text())
    assert left.steering == (Turn(step=3, prompts="a green tree"),)
    continued = resume(live.folder / "branches/1")
    assert (continued.folder / "image.png").read_bytes() == paint(
        left, tmp_path / "left"
    ).picture.read_bytes()


def test_a_branch_starts_from_a_kept_state_and_equals_a_new_run(tiny_guide: str, tmp_path: Path):
    result, _ = steered(configuration("strokes", tiny_guide), tmp_path / "live", turns_for("strokes"))
    turn = Turn(prompts="a boat", delete=(5,))
    made = branching(result.folder, [turn], at=4, out=tmp_path / "branch").finish()
    config = recorded(made.picture)
    assert [turn.at for turn in config.steering] == [2, 3, 4]
    again = paint(config, tmp_path / "again")
    assert made.picture.read_bytes() == again.picture.read_bytes()
    assert (made.folder / "metrics.jsonl").read_bytes() == (again.folder / "metrics.jsonl").read_bytes()


def test_turns_that_cannot_be_made_are_refused_and_the_run_continues(tiny_guide: str, tmp_path: Path):
    wrong = [
        (Turn(delete=(99,)), "no stroke 99"),
        (Turn(step=1, rate=0.5), "step 1 has passed"),
        (Turn(losses={"sketch": 1.0}), "needs a sketch"),
        (Turn(keep=4), "no candidate 4"),
        (Turn(lock=(0,), palette="/nowhere.gpl"), "nowhere"),
        (Turn(stage="sketch", step=5, rate=0.5), "another part"),
    ]
    config = configuration("strokes", tiny_guide)
    result, seen = steered(config, tmp_path / "live", {4: [turn for turn, _ in wrong]})
    assert len(seen) == len(wrong)
    for event, (_, said) in zip(seen, wrong, strict=True):
        assert isinstance(event, Refused) and said in event.reason and "\n" not in event.reason
    assert recorded(result.picture).steering == ()
    assert result.picture.read_bytes() == paint(config, tmp_path / "plain").picture.read_bytes()


def test_turns_apply_to_one_candidate_or_to_all(tiny_guide: str, tmp_path: Path):
    config = configuration("strokes", tiny_guide, population=2)
    result, _ = steered(config, tmp_path / "live", {7: [Turn(delete=(1,), lock=(0,), candidate=1)]})
    renderer = open_run(result.folder).renderer
    assert renderer.ids.tolist() == [list(range(6))] * 2
    assert renderer.opacity[1, 1] == 0 and renderer.opacity[0, 1] > 0
    assert renderer.locked.tolist() == [[False] * 6, [True, True, False, False, False, False]]

    kept, _ = steered(config, tmp_path / "kept", {4: [Turn(keep=1)]})
    assert open_run(kept.folder).renderer.population == 1
    again = paint(recorded(kept.picture), tmp_path / "again")
    assert again.picture.read_bytes() == kept.picture.read_bytes()


def test_the_sketch_and_tiles_can_be_steered(tiny_guide: str, tmp_path: Path):
    config = configuration("collage", tiny_guide, losses={"sketch": 2.0}, steps=4)
    run = painting(config, tmp_path / "live")
    for event in run:
        if isinstance(event, Stepped) and event.stage.name == "sketch" and event.step == 2:
            run.steer(Turn(prompts="a blue fish"))
    live = run.result
    assert recorded(live.picture).steering[0].stage == "sketch"
    assert paint(recorded(live.picture), tmp_path / "again").picture.read_bytes() == live.picture.read_bytes()

    config = configuration("collage", tiny_guide, tiles="2x1", steps=4)
    run = painting(config, tmp_path / "tiles")
    for event in run:
        if isinstance(event, Stepped) and event.stage.index == 1 and event.step == 6:
            run.steer(Turn(prompts="a blue fish", delete=(0,)))
    live = run.result
    assert recorded(live.picture).steering[0].place == ("tile", 1)
    again = paint(recorded(live.picture), tmp_path / "tiles-again")
    assert again.picture.read_bytes() == live.picture.read_bytes()
    half = drive(painting(recorded(live.picture), tmp_path / "tiles-half"), stop_after=7)
    assert resume(half.folder).picture.read_bytes() == live.picture.read_bytes()


def test_extending_a_run_keeps_the_learning_rates_already_used(tiny_guide: str, tmp_path: Path):
    short = paint(configuration("strokes", tiny_guide), tmp_path / "short")
    long, _ = steered(configuration("strokes", tiny_guide), tmp_path / "long", {8: [Turn(steps=12)]})
    lines = (long.folder / "metrics.jsonl").read_text().splitlines()
    assert lines[:8] == (short.folder / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 12


def test_a_view_draws_the_step_and_ends_with_it(tiny_guide: str, tmp_path: Path):
    run = painting(configuration("strokes", tiny_guide, population=2), tmp_path / "run")
    kept = None
    for event in run:
        if isinstance(event, Stepped):
            assert event.view.picture(32).shape == (1, 3, 24, 32)
            assert event.view.candidates(16).shape == (2, 3, 12, 16)
            assert event.view.judged().shape == (2, 3, 24, 32)
            kept = event
    assert kept is not None
    with pytest.raises(RunError, match="has continued"):
        kept.view.picture(32)
    plain = paint(configuration("strokes", tiny_guide, population=2), tmp_path / "plain")
    assert run.result.picture.read_bytes() == plain.picture.read_bytes()


def test_wrong_steering_is_refused_before_anything_is_made(tiny_guide: str):
    for turns, said in (
        ([{"step": 2}], "changes nothing"),
        ([{"rate": 1.5}], "has no step"),
        ([{"step": 5, "rate": 2}, {"step": 2, "rate": 3}], "not in the order"),
        ([{"step": 9, "rate": 2}], "the run has 8 steps"),
        ([{"step": 2, "lock": [1], "delete": [1]}], "both lock and delete"),
        ([{"step": 2, "stage": "tile", "tile": 0, "rate": 2}], "no tile 0"),
        ([{"step": 2, "add": [{"region": [0.5, 0, 0.2, 1]}]}], "x0 < x1"),
        ([{"step": 2, "prompts": "a:b:c"}], "weight"),
        ([{"step": 2, "rate": 2}] * 1001, "1000"),
    ):
        with pytest.raises(UsageError, match=said):
            configuration("strokes", tiny_guide, steering=turns)


def test_a_palette_can_change_and_the_picture_has_its_colours(tiny_guide: str, tmp_path: Path):
    config = configuration("pixel", tiny_guide)
    result, _ = steered(config, tmp_path / "live", {4: [Turn(palette="#000000,#ffffff,#ff0000")]})
    with Pillow.open(result.picture) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors()}
    assert colours <= {(0, 0, 0), (255, 255, 255), (255, 0, 0)}
    again = paint(recorded(result.picture), tmp_path / "again")
    assert again.picture.read_bytes() == result.picture.read_bytes()
    half = drive(painting(recorded(result.picture), tmp_path / "half"), stop_after=6)
    assert resume(half.folder).picture.read_bytes() == result.picture.read_bytes()


def test_a_turn_for_a_later_step_is_recorded_at_once_and_made_there(tiny_guide: str, tmp_path: Path):
    config = configuration("strokes", tiny_guide)
    result, seen = steered(config, tmp_path / "live", {2: [Turn(step=5, prompts="a boat")]})
    assert [turn.at for turn in recorded(result.picture).steering] == [5]
    assert [event.step for event in seen] == [5]
    plain = paint(RunConfig.make(json.loads(recorded(result.picture).to_json())), tmp_path / "plain")
    assert plain.picture.read_bytes() == result.picture.read_bytes()


def test_the_oldest_kept_states_are_removed_when_they_take_too_much(
    tiny_guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(branches, "MOST_BYTES", 1)
    result, _ = steered(configuration("strokes", tiny_guide), tmp_path / "live", turns_for("strokes"))
    assert [path.name for path in branches.kept_states(result.folder)] == ["run-0000008.safetensors"]
    made = branching(result.folder, [Turn(prompts="a boat")], at=4, out=tmp_path / "branch").finish()
    assert made.picture.read_bytes() == paint(recorded(made.picture), tmp_path / "x").picture.read_bytes()


def test_only_the_last_twenty_turns_can_be_taken_back(tiny_guide: str, tmp_path: Path):
    run = painting(configuration("strokes", tiny_guide, steps=2), tmp_path / "run")
    seen = []
    for event in run:
        if isinstance(event, Stepped) and event.step == 1 and not seen:
            run.steer(*[Turn(rate=0.5 + index / 100) for index in range(22)])
            for _ in range(21):
                run.undo()
        if isinstance(event, Steered | Refused):
            seen.append(event)
    refused = [event for event in seen if isinstance(event, Refused)]
    assert len(seen) == 43 and len(refused) == 1 and "no turn that can be taken back" in refused[0].reason
    assert len(recorded(run.result.picture).steering) == 2
