"""Golden pictures: a seed gives the picture it gave before.

After a change that is meant to change pictures: `pytest tests/golden --regenerate-golden`, and look at them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from artgen.config import RunConfig
from artgen.renderers import renderers
from artgen.runs.single import paint
from tests.contracts.parts import FITTING

FOLDER = Path(__file__).parent
LARGEST_MEAN_DIFFERENCE = 2.0
"""Of 255; on the machine that made the pictures it is 0, elsewhere rounding differs."""


@pytest.mark.parametrize("name", renderers.names())
def test_fitting_a_picture(name: str, photograph: Path, tmp_path: Path, request: pytest.FixtureRequest):
    values = {
        "target": str(photograph),
        "renderer": name,
        "options": FITTING.get(name, {}),
        "steps": 40,
        "seed": 5,
        "canvas": "48x48",
        "size": "96x96",
    }
    _compare(RunConfig.make(values), FOLDER / f"fit-{name}.png", tmp_path, request)


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
    _compare(RunConfig.make(values), FOLDER / "guided-pixel.png", tmp_path, request)


def _compare(config: RunConfig, golden: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    picture = paint(config, folder / "run").picture
    if request.config.getoption("--regenerate-golden"):
        with Pillow.open(picture) as made:
            made.convert("RGB").save(golden, optimize=True)
    found, expected = (
        np.asarray(Pillow.open(path).convert("RGB"), dtype=float) for path in (picture, golden)
    )
    assert found.shape == expected.shape
    difference = np.abs(found - expected).mean()
    assert difference <= LARGEST_MEAN_DIFFERENCE, f"mean difference {difference:.2f} of 255"
