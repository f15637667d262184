"""A renderer's own file is the one place of its defaults; a run records what came of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from artgen.batch.local import resume_jobs, running_jobs
from artgen.config import RunConfig
from artgen.export.metadata import read_configuration
from artgen.renderers import renderers
from artgen.renderers.pixel import Pixel
from artgen.runs.defaults import resolve
from artgen.runs.paint import paint, resume
from tests.driving import context_of, drive


@pytest.fixture
def newcomer(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a renderer that no other file knows of."""

    class Newcomer(Pixel):
        """A renderer with defaults of its own."""

        default_population = 3
        default_losses = {"saturation": 0.5}  # noqa: RUF012

    renderers.names()
    monkeypatch.setitem(renderers._parts, "newcomer", Newcomer)
    return "newcomer"


def configuration(renderer: str, photograph: Path, **changes: object) -> RunConfig:
    small = {"canvas": "16x16", "size": "16x16", "options": {"cells": 4}, "timelapse": {"kind": "none"}}
    return RunConfig.make({"target": str(photograph), "renderer": renderer, "steps": 2, **small, **changes})


def test_its_defaults_are_used_and_recorded(newcomer: str, photograph: Path, tmp_path: Path):
    config = configuration(newcomer, photograph)
    assert config.population is None
    result = paint(config, tmp_path / "run")
    assert len(result.pictures) == 3
    for text in ((tmp_path / "run/config.yaml").read_text(), read_configuration(tmp_path / "run/image.png")):
        stored = RunConfig.from_text(text)
        assert stored.population == 3
        assert stored.model_copy(update={"population": None}) == config
    assert len(resume(tmp_path / "run").pictures) == 3


def test_what_a_run_says_goes_before(newcomer: str, photograph: Path, tiny_guide: str):
    assert resolve(configuration(newcomer, photograph, population=1)).population == 1
    assert resolve(configuration(newcomer, photograph)).population == 3
    assert resolve(configuration("pixel", photograph)).population == 1
    words = {"prompts": "a rabbit", "target": None, "guides": tiny_guide, "precision": "float32"}
    for losses, expected in (({}, {"saturation"}), ({"saturation": 0}, set())):
        config = configuration(newcomer, photograph, **words, losses=losses)
        assert set(context_of(config).problem.objective._losses) == expected


def test_a_batch_keeps_to_them(newcomer: str, photograph: Path, tmp_path: Path):
    from artgen.batch.jobs import Job

    jobs = [Job(1, "first", configuration(newcomer, photograph, seed=1))]
    stopped = drive(running_jobs(jobs, tmp_path / "batch"), stop_after=0)
    assert stopped.stopped
    finished = resume_jobs(tmp_path / "batch")
    assert len(list((tmp_path / "batch").glob("001-*/candidate-*.png"))) == 2
    assert not finished.failed
