"""The examples of docs/extending.md, run as a reader would run them."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image as Pillow
from typer.testing import CliRunner

from artgen import RunConfig, load_guide, paint, prompts
from artgen.cli import app
from artgen.export.formats import formats
from artgen.guides import guides
from artgen.images import read_opaque
from artgen.losses import LossContext, losses
from artgen.renderers import renderers
from artgen.terms import base as term_base
from artgen.terms import term_kinds
from artgen.types import Size
from tests.contracts import test_formats as format_contract
from tests.contracts import test_losses as loss_contract
from tests.contracts import test_renderers as renderer_contract
from tests.contracts.parts import make

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RED = (230, 25, 25)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A function that imports an example; what it registers is forgotten after the test."""
    for registry in (renderers, losses, guides, term_kinds, formats):
        registry.names()  # find the shipped parts first, so that the copies are complete
        monkeypatch.setattr(registry, "_parts", dict(registry._parts))

    monkeypatch.setattr(term_base, "marks", functools.cache(term_base.marks.__wrapped__))
    monkeypatch.setattr(prompts, "marks", term_base.marks)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def quick(tmp_path: Path, **values: object) -> Path:
    """Paint a small picture and return its path."""
    config = RunConfig.make(
        {"seed": 1, "canvas": "32x32", "size": "32x32", "timelapse": {"kind": "none"}, **values}
    )
    return paint(config, tmp_path / "run").picture


def test_renderer_fits_a_picture(example, tmp_path: Path):
    example("plain_renderer")
    target = tmp_path / "half.png"
    half = Pillow.new("RGB", (32, 32), "white")
    half.paste(RED, (0, 0, 16, 32))
    half.save(target)

    made = read_opaque(quick(tmp_path, renderer="plain", options={"knots": 8}, target=str(target), steps=150))

    assert (made - read_opaque(target)).square().mean() < 0.01
    assert made[0, 1, :, :8].mean() < 0.25 < 0.8 < made[0, 1, :, 24:].mean()


def test_renderer_keeps_the_contract(example, photograph: Path):
    example("plain_renderer")
    for size in renderer_contract.SIZES:
        renderer_contract.test_any_size_is_premultiplied_rgba_in_range("plain", size)
    renderer_contract.test_windows_are_parts_of_the_whole("plain")
    renderer_contract.test_same_seed_same_bits("plain")
    renderer_contract.test_candidates_differ_and_stand_alone("plain")
    renderer_contract.test_state_round_trip("plain")
    renderer_contract.test_every_parameter_is_in_one_group("plain")
    renderer_contract.test_projection_is_idempotent_and_leaves_valid_candidates_alone("plain")
    renderer_contract.test_gradient_against_finite_differences("plain")
    renderer_contract.test_mutation_copies_the_parent_and_changes_only_the_child("plain")
    renderer_contract.test_can_fit_a_small_photograph("plain", photograph)


def test_loss_prefers_warm_colours(example):
    module = example("example_loss")
    context = LossContext(make("pixel"), [])
    colours = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0], [0.3, 0.3, 0.3]])
    pictures = colours[:, :, None, None].expand(-1, -1, 8, 8)

    figures = losses.get("warmth")(pictures, context)

    torch.testing.assert_close(figures, torch.tensor([-1.0, 1.0, 0.0]))
    assert losses.get("warmth") is module.warmth


def test_loss_keeps_the_contract(example):
    example("example_loss")
    context = LossContext(make("pixel"), [])
    loss_contract.test_one_finite_figure_per_candidate("warmth", context)
    loss_contract.test_candidates_do_not_depend_on_each_other("warmth", context)
    loss_contract.test_nearly_independent_of_the_size("warmth", context)
    loss_contract.test_gradient_against_finite_differences("warmth", context)
    loss_contract.test_no_gradient_blows_up_on_a_plain_picture("warmth", context)


def test_a_term_asks_for_a_plain_colour(example, tmp_path: Path):
    example("example_term")
    made = read_opaque(quick(tmp_path, prompts="%0.9,0.1,0.1", losses={}, steps=60))
    red, green, blue = made.mean(dim=(0, 2, 3))
    assert red > green + 0.2 and red > blue + 0.2


def test_a_term_refuses_what_is_not_a_colour(example, tmp_path: Path):
    from artgen.errors import InputError

    example("example_term")
    with pytest.raises(InputError, match="'red' is not a colour; write three numbers"):
        quick(tmp_path, prompts="%red")
    assert not (tmp_path / "run").exists()


def test_guide_is_loaded_by_name_and_leads_a_painter(example, tmp_path: Path):
    example("example_guide")
    guide = load_guide("colours")
    assert guide.image_size == Size(32, 32)
    similarity = guide.encode_text(["a red car", "the blue sea"]) @ guide.encode_text(["red", "blue"]).T
    assert similarity.argmax(dim=1).tolist() == [0, 1]

    made = read_opaque(quick(tmp_path, prompts="all red", guides=["colours"], losses={}, steps=60))

    red, green, blue = made.mean(dim=(0, 2, 3))
    assert red > green + 0.2 and red > blue + 0.2


def test_guide_names_what_it_does_not_know(example):
    from artgen.errors import UsageError

    example("example_guide")
    with pytest.raises(UsageError, match=r"no colour in 'a rabbit'; use one of red, green, blue, yellow"):
        load_guide("colours").encode_text(["a rabbit"])


def test_format_shows_a_run_in_the_terminal(example, tmp_path: Path):
    module = example("example_format")
    target = tmp_path / "red.png"
    Pillow.new("RGB", (32, 32), RED).save(target)
    quick(tmp_path, renderer="pixel", options={"cells": 4}, target=str(target), losses={}, steps=150)

    command = ["export", tmp_path / "run", "--format", "ansi", "--size", "6x5", "--out", tmp_path / "red.txt"]
    result = CliRunner().invoke(app, [str(word) for word in command])

    assert result.exit_code == 0, result.output
    lines = (tmp_path / "red.txt").read_text(encoding="utf-8").splitlines()
    assert [line.count(module.LOWER_HALF) for line in lines] == [6, 6, 6]
    colours = re.findall(r"8;2;(\d+);(\d+);(\d+)m", "".join(lines))
    assert len(colours) == 2 * 6 * 3
    for colour in colours:
        assert all(abs(int(value) - wanted) < 40 for value, wanted in zip(colour, RED, strict=True))


def test_format_keeps_the_contract(example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    example("example_format")
    run = format_contract.saved_run("collage", tmp_path)
    format_contract.test_another_program_opens_an_odd_size("ansi", True, run, tmp_path)
    format_contract.test_same_run_same_bytes("ansi", run, tmp_path)
    format_contract.test_suffix_leads_back_to_the_format("ansi")
    format_contract.test_sheet_is_written_or_refused_in_one_line("ansi", run, tmp_path)
    format_contract.test_a_path_that_cannot_be_written_is_one_line("ansi", run, tmp_path)
    format_contract.test_a_rank_that_does_not_exist("ansi", run, tmp_path)
    format_contract.test_longest_side_is_a_limit("ansi", run, tmp_path, monkeypatch)
    format_contract.test_memory_is_checked_by_formats_with_pixels("ansi", run, tmp_path, monkeypatch)
