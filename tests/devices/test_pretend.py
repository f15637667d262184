"""The checks of `tests/devices/checks.py` on the pretend device, and what the pretend device itself notices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from artgen.losses import losses
from artgen.renderers import renderers
from tests.devices import checks
from tests.devices.places import Pretended

every_renderer = pytest.mark.parametrize("name", renderers.names())
OTHER_OPTIONS = {
    "pixel-palette": {"renderer": "pixel", "options": {"cells": 10, "colours": 4, "dither": 0.5}},
    "pixel-transparent": {"renderer": "pixel", "transparent": True},
    "strokes-tapered": {"renderer": "strokes", "options": {"strokes": "6", "taper": 0.3}},
    "collage-normed": {
        "renderer": "collage",
        "options": {"patches": "shapes", "count": 5, "blending": "opacity"},
    },
    "wrapped": {"renderer": "pixel", "wrap": True},
    "palette-loss": {"renderer": "strokes", "losses": {"palette": 1.0}, "palette": "red,blue"},
}


@pytest.fixture
def place() -> Pretended:
    return Pretended()


@every_renderer
def test_picture_and_gradient_are_those_of_the_cpu(place: Pretended, name: str):
    checks.check_picture_and_gradient(place, name)


@pytest.mark.parametrize("name", losses.names())
def test_losses_are_those_of_the_cpu_and_never_wait(place: Pretended, name: str, tiny_guide: str):
    checks.check_loss(place, name, tiny_guide)


@pytest.mark.parametrize("spec", ["doodle", "tiny"])
def test_guides_are_those_of_the_cpu(place: Pretended, spec: str, tiny_guide: str):
    checks.check_guide(place, tiny_guide if spec == "tiny" else spec)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("wrap", [False, True])
def test_cutouts_are_those_of_the_cpu(place: Pretended, deterministic: bool, wrap: bool):
    checks.check_cutouts(place, deterministic, wrap)


@every_renderer
@pytest.mark.parametrize("deterministic", [False, True])
def test_a_step_waits_for_nothing_but_the_sizes_of_lists(place: Pretended, name: str, deterministic: bool):
    waits = checks.check_waits(place, checks.configuration(name, deterministic=deterministic))
    assert [one for one in waits if " in renderers/" not in one] == []


@pytest.mark.parametrize("changes", OTHER_OPTIONS.values(), ids=OTHER_OPTIONS)
def test_other_options_wait_for_nothing_more(place: Pretended, changes: dict):
    checks.check_waits(place, checks.configuration(**changes))


@every_renderer
def test_deterministic_steps_use_no_operation_that_cuda_does_not_repeat(
    place: Pretended, name: str, tiny_guide: str, photograph: Path
):
    # The losses that show whole pictures to a guide resize them, which is such an operation too.
    config = checks.configuration(
        name,
        deterministic=True,
        guides=tiny_guide,
        losses={"sketch": 0, "features": 1},
        target=str(photograph),
    )
    checks.check_same_bits(place, config)
    assert place.mode.unordered == []

    plain = checks.configuration(name, guides=tiny_guide)
    with place.entered():
        checks.steps(*checks.prepared(plain, place.device), 1)
    assert place.mode.unordered != []


def test_a_whole_run_waits_for_nothing_between_two_readings(
    place: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = checks.configuration("pixel", steps=40, timelapse={"kind": "none"})
    checks.check_waits_of_a_run(place, config, tmp_path / "run", monkeypatch)


@every_renderer
def test_a_stopped_run_continues_here_and_on_the_cpu(
    place: Pretended, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_guide: str
):
    config = checks.configuration(name, guides=tiny_guide, timelapse={"kind": "none"})
    checks.check_resumed(place, config, tmp_path, monkeypatch, exact=True)


# --- the pretend device ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "waits"),
    [
        (lambda x: x + 1, 0),
        (lambda x: x.sum().item(), 1),
        (lambda x: bool(x.any()), 1),
        (lambda x: x.tolist(), 1),
        (lambda x: x[x > 0], 1),
        (lambda x: x.nonzero(), 1),
        (lambda x: x.cpu(), 1),
        (lambda x: x.masked_fill_(x > 0, 0), 0),
        (lambda x: x.new_tensor([1.0]), 1),
        (lambda x: torch.ones(3).to(x.device), 1),
        (lambda x: torch.ones(3).to(x.device, non_blocking=True), 0),
        (lambda x: torch.tensor([1.0], device=x.device), 1),
        (lambda x: torch.repeat_interleave(x.long(), output_size=3), 0),
        (lambda x: torch.repeat_interleave(x.long()), 1),
    ],
)
def test_it_notices_what_cuda_waits_for(place: Pretended, work, waits: int):
    with place.entered():
        vector = torch.ones(3, device=place.device)
        with place.watched() as found:
            work(vector)
    assert len(found) == waits, found


def test_it_refuses_tensors_of_the_host(place: Pretended):
    with place.entered():
        vector = torch.ones(3).to(place.device)
        assert (vector * torch.tensor(2.0)).tolist() == [2, 2, 2]
        with pytest.raises(RuntimeError, match="found one on the CPU"):
            vector + torch.ones(3)


def test_gradients_pass_through_it(place: Pretended):
    with place.entered():
        vector = torch.tensor([1.0, 2.0]).to(place.device).requires_grad_()
        vector.square().sum().backward()
        assert vector.grad is not None and vector.grad.tolist() == [2, 4]
