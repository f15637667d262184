"""A run is an iterator of events: pausing is not asking, stopping is leaving, and everything is read once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from artgen import prompts
from artgen.config import RunConfig
from artgen.engine.events import EventStream, Finished, Notice, Started, Stepped
from artgen.errors import RunError, UsageError
from artgen.runs import defaults, single
from artgen.runs.paint import paint, painting, resume
from tests.engine.test_determinism import configuration, digests


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a prompt was parsed and a configuration resolved."""
    counted: Counter[str] = Counter()
    parse, resolve = prompts.parse, defaults.resolve

    def counting_parse(prompt: str) -> Any:
        counted["parse"] += 1
        return parse(prompt)

    def counting_resolve(*arguments: Any, **options: Any) -> Any:
        counted["resolve"] += 1
        return resolve(*arguments, **options)

    monkeypatch.setattr(prompts, "parse", counting_parse)
    monkeypatch.setattr(single, "resolve", counting_resolve)
    return counted


def test_a_prompt_is_parsed_once_and_a_configuration_resolved_once(
    calls: Counter[str], tiny_guide: str, tmp_path: Path
):
    paint(configuration(tiny_guide, steps=2), tmp_path / "run")
    assert calls == {"parse": 1, "resolve": 1}


def test_a_command_parses_the_prompt_once(calls: Counter[str], tiny_guide: str, tmp_path: Path):
    from typer.testing import CliRunner

    from artgen.cli import app

    words = ["a fox", "--guide", tiny_guide, "--steps", "1", "--canvas", "16x16", "--size", "16x16"]
    words += ["--cells", "4", "--set", "precision=float32", "--out", str(tmp_path / "run"), "--quiet"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert calls == {"parse": 1, "resolve": 1}


def test_the_events_of_a_run(tiny_guide: str, tmp_path: Path):
    events = list(painting(configuration(tiny_guide, steps=3), tmp_path / "run"))
    kinds = [type(event) for event in events]
    assert kinds == [Started, Stepped, Stepped, Stepped, Finished]
    assert [event.step for event in events if isinstance(event, Stepped)] == [1, 2, 3]
    assert {event.stage.name for event in events if isinstance(event, Stepped)} == {"run"}


def test_a_sketch_is_a_stage_of_its_own(tiny_guide: str, tmp_path: Path):
    run = painting(configuration(tiny_guide, "collage", steps=3, losses={"sketch": 1.0}), tmp_path / "run")
    stages = [event.stage.name for event in run if isinstance(event, Stepped)]
    assert stages == ["sketch"] * 3 + ["run"] * 3


def test_leaving_the_loop_keeps_the_picture_and_the_run_resumes_to_the_same_bits(
    tiny_guide: str, tmp_path: Path
):
    config = configuration(tiny_guide)
    paint(config, tmp_path / "whole")
    with painting(config, tmp_path / "parts") as run:
        for event in run:
            if isinstance(event, Stepped) and event.step == 4:
                break
    assert (run.result.reason, run.result.step) == ("stopped", 4)
    assert run.result.picture.is_file()
    assert resume(tmp_path / "parts").reason == "done"
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")


def test_a_run_that_is_dropped_is_like_one_that_was_killed(tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide)
    paint(config, tmp_path / "whole")
    run = painting(config, tmp_path / "parts")
    for event in run:
        if isinstance(event, Stepped) and event.step == 4:
            break
    del run, event
    assert not (tmp_path / "parts/image.png").exists()
    resume(tmp_path / "parts")
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")


def test_a_run_killed_before_its_first_checkpoint_starts_again(tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide)
    paint(config, tmp_path / "whole")
    run = painting(config, tmp_path / "parts")
    next(run)
    del run
    assert (tmp_path / "parts/config.yaml").is_file()
    with pytest.raises(UsageError, match="--yes"):  # the guide is a local file, and no record of it was made
        resume(tmp_path / "parts")
    assert resume(tmp_path / "parts", open_files=True).reason == "done"
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")


def test_a_pause_does_not_count_as_time(tiny_guide: str, tmp_path: Path):
    run = painting(configuration(tiny_guide, steps=2), tmp_path / "run")
    for event in run:
        if isinstance(event, Stepped):
            time.sleep(0.5)
    assert run.result.seconds < 0.9


def test_stopping_after_the_last_step_is_not_stopping(tiny_guide: str, tmp_path: Path):
    run = painting(configuration(tiny_guide, steps=2), tmp_path / "run")
    for event in run:
        if isinstance(event, Stepped) and event.step == 2:
            run.stop()
    assert run.result.reason == "done"


def test_a_stream_that_failed_has_no_result():
    def fails() -> Any:
        yield Notice("about to fail")
        raise RunError("failed")

    stream = EventStream(fails())
    with pytest.raises(RunError, match="failed"):
        stream.finish()
    with pytest.raises(RunError, match="no result"):
        _ = stream.result


def test_a_configuration_with_other_prompts_has_other_terms():
    config = RunConfig(prompts="a cat")
    changed = config.model_copy(update={"prompts": ("a dog",)})
    assert [term.content for term in changed.terms()] == ["a dog"]
    assert [term.content for term in config.model_copy(update={"steps": 3}).terms()] == ["a cat"]
