"""The examples of docs/extending.md, run as a reader would run them."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image as Pillow

from artgen import RunConfig, load_guide, paint, prompts
from artgen.guides import guides
from artgen.images import read_opaque
from artgen.losses import LossContext, losses
from artgen.renderers import renderers
from artgen.terms import base as term_base
from artgen.terms import term_kinds
from artgen.types import Size
from tests.contracts import test_losses as loss_contract
from tests.contracts import test_renderers as renderer_contract
from tests.contracts.parts import make

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RED = (230, 25, 25)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A function that imports an example; what it registers is forgotten after the test."""
    for registry in (renderers, losses, guides, term_kinds):
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
