"""Numbers are numbers or text of a number, never true or false."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from artgen.config import RunConfig, options_from
from artgen.config.presets import Preset
from artgen.errors import UsageError
from artgen.options import Options
from artgen.renderers import renderers
from artgen.runs.state import CheckpointHeader

SWITCHES_FOR_NUMBERS = [
    {"seed": True},
    {"steps": False},
    {"seconds": True},
    {"threads": True},
    {"aspect": True},
    {"canvas": True},
    {"canvas": [True, True]},
    {"losses": {"smoothness": True}},
    {"cutouts": {"count": True}},
    {"cutouts": {"flip": True}},
    {"optimiser": {"rates": {"colour": False}}},
    {"evolution": {"every": True}},
    {"timelapse": {"rate": True}},
]


@pytest.mark.parametrize("values", SWITCHES_FOR_NUMBERS, ids=str)
def test_switches_are_no_numbers(values: dict[str, Any]):
    with pytest.raises(UsageError, match=r"not numbers|not a size"):
        RunConfig.make({"prompts": "a rabbit", **values})


@pytest.mark.parametrize("name", renderers.names())
def test_switches_are_no_numbers_of_a_renderer(name: str):
    options = renderers.get(name).Options
    numeric = [key for key, field in options.model_fields.items() if field.annotation in (int, float)]
    assert numeric
    for key in numeric:
        with pytest.raises(UsageError, match="not numbers"):
            options_from(options, {key: True}, "renderer")


def test_numbers_as_text_and_switches_stay():
    config = RunConfig.make(
        {"prompts": "a rabbit", "seed": "7", "wrap": True, "options": {"any": True}, "losses": {"edge": "1"}}
    )
    assert (config.seed, config.wrap, config.options, config.losses) == (
        7,
        True,
        {"any": True},
        {"edge": 1.0},
    )
    assert Preset(description="x", values={"wrap": True}, renderers={"strokes": {"wrap": True}}).values


def test_every_kind_of_type():
    class Mixed(Options):
        either: int | bool = 0
        anything: Any = 0
        optional: float | None = None
        pair: tuple[int, int] = (0, 0)
        switch: bool = False

    assert Mixed(either=True, anything=True, switch=True).either is True
    for wrong in ({"optional": True}, {"pair": (1, True)}, {"switch": 7}):
        with pytest.raises(ValidationError):
            Mixed.model_validate(wrong)


def test_checkpoints_too():
    with pytest.raises(ValidationError, match="not numbers"):
        CheckpointHeader.model_validate({"step": True})
