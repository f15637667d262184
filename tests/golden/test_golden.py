"""Golden pictures: a seed gives the picture it gave before.

After a change that is meant to change pictures: `pytest tests/golden --regenerate-golden`, and look at them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from artgen.config import EditOptions, RunConfig
from artgen.export.metadata import read_configuration
from artgen.renderers import renderers
from artgen.runs.paint import paint
from tests.contracts.parts import FITTING

FOLDER = Path(__file__).parent
LARGEST_MEAN_DIFFERENCE = 2.0
"""Of 255; on the machine that made the pictures it is 0, elsewhere rounding differs."""

FITTED: dict[str, Any] = {"steps": 40, "seed": 5, "canvas": "48x48", "size": "96x96"}
"""Values of the runs that fit a photograph."""

GUIDED: dict[str, Any] = {
    "prompts": "a red apple",
    "guides": "doodle",
    "seed": 5,
    "canvas": "64x64",
    "size": "96x96",
    "cutouts": {"count": 4},
    "precision": "float32",
    "timelapse": {"kind": "none"},
}
"""Values of the runs that follow the bundled guide."""


@pytest.mark.parametrize("name", renderers.names())
def test_fitting_a_picture(name: str, photograph: Path, tmp_path: Path, request: pytest.FixtureRequest):
    values = FITTED | {"target": str(photograph), "renderer": name, "options": FITTING.get(name, {})}
    picture = paint(RunConfig.make(values), tmp_path / "run").picture
    _compare(picture, f"fit-{name}.png", request)


def test_following_a_guide(tiny_guide: str, tmp_path: Path, request: pytest.FixtureRequest):
    values = {
        "prompts": "a blue rabbit:2 | [0,0,0.5,0.5] a tree",
        "guides": tiny_guide,
        "options": {"cells": 16},
        "steps": 8,
        "seed": 5,
        "cutouts": {"count": 3},
        "losses": {"smoothness": 0.1},
        "precision": "float32",
        "size": "64x64",
    }
    picture = paint(RunConfig.make(values), tmp_path / "run").picture
    _compare(picture, "guided-pixel.png", request)


def test_strokes_from_words(tmp_path: Path, request: pytest.FixtureRequest):
    values = GUIDED | {"renderer": "strokes", "options": {"strokes": "24"}, "steps": 30}
    picture = paint(RunConfig.make(values), tmp_path / "run").picture
    _compare(picture, "guided-strokes.png", request)


def test_a_collage_from_words_and_its_sketch(tmp_path: Path, request: pytest.FixtureRequest):
    values = GUIDED | {"renderer": "collage", "options": {"count": 24}, "steps": 30}
    result = paint(RunConfig.make(values), tmp_path / "run")
    _compare(result.folder / "sketch.png", "guided-collage-sketch.png", request)
    _compare(result.picture, "guided-collage.png", request)


def test_a_collage_in_tiles(tmp_path: Path, request: pytest.FixtureRequest):
    values = GUIDED | {
        "prompts": "a forest",
        "renderer": "collage",
        "options": {"count": 16},
        "tiles": "2x1",
        "tile_prompts": "a red apple ; a blue fish",
        "steps": 10,
        "canvas": "48x48",
        "size": "160x96",
    }
    picture = paint(RunConfig.make(values), tmp_path / "run").picture
    _compare(picture, "tiled-collage.png", request)


def test_repeating_an_edit_of_an_earlier_version(
    photograph: Path, tmp_path: Path, request: pytest.FixtureRequest
):
    values = FITTED | {"target": str(photograph), "renderer": "strokes", "options": {"strokes": "24"}}
    first = paint(RunConfig.make(values), tmp_path / "run")
    recorded = RunConfig.from_text(read_configuration(first.picture))
    change = {"config": recorded, "step": 40, "lock": (0, 1, 2), "delete": tuple(range(12, 24)), "steps": 10}
    edited = EditOptions.model_validate(change)
    config = recorded.model_copy(update={"steps": 10, "edited": edited, "options": {"strokes": "12"}})
    _compare(paint(config, tmp_path / "edited").picture, "edited-strokes.png", request)


def test_steering_a_run(photograph: Path, tmp_path: Path, request: pytest.FixtureRequest):
    turns = [
        {"step": 10, "lock": [0, 1], "delete": [2, 3], "front": [5]},
        {"step": 20, "add": [{"count": 4, "region": [0, 0, 0.5, 0.5]}], "rate": 0.5},
        {"step": 30, "duplicate": [4], "recolour": {"6": "#ff0000"}, "losses": {"smoothness": 0.02}},
        {"step": 40, "steps": 50, "restart": True},
    ]
    values = FITTED | {"target": str(photograph), "renderer": "strokes", "options": {"strokes": "24"}}
    picture = paint(RunConfig.make(values | {"steering": turns}), tmp_path / "run").picture
    _compare(picture, "steered-strokes.png", request)


def _compare(picture: Path, golden_name: str, request: pytest.FixtureRequest) -> None:
    """Compare a picture with its golden picture, or replace the golden one with `--regenerate-golden`."""
    golden = FOLDER / golden_name

    if request.config.getoption("--regenerate-golden"):
        with Pillow.open(picture) as made:
            made.convert("RGB").save(golden, optimize=True)

    found, expected = _read(picture), _read(golden)
    assert found.shape == expected.shape

    difference = np.abs(found - expected).mean()
    assert difference <= LARGEST_MEAN_DIFFERENCE, f"mean difference {difference:.2f} of 255"


def _read(path: Path) -> np.ndarray:
    """Return a picture's colours as floats in [0, 255], `[H, W, 3]`."""
    with Pillow.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=float)
