"""The checks of `tests/devices/checks.py` on a GPU; without one, `tests/devices` runs them on a pretend device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from artgen.cli import main
from artgen.guides import load_guide
from artgen.guides.graphed import graphed
from artgen.losses import losses
from artgen.renderers import renderers
from tests.devices import checks
from tests.devices.places import Cuda

if not torch.cuda.is_available():
    pytest.skip("torch finds no CUDA GPU on this machine", allow_module_level=True)

every_renderer = pytest.mark.parametrize("name", renderers.names())


@pytest.fixture
def place() -> Cuda:
    return Cuda()


@pytest.fixture(autouse=True)
def exact_products():
    """Products of float32 in float32: TF32 has 10 bits, too few to compare with the CPU."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    convolutions = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.set_float32_matmul_precision(before)
    torch.backends.cudnn.allow_tf32 = convolutions


@every_renderer
def test_picture_and_gradient_are_those_of_the_cpu(place: Cuda, name: str):
    checks.check_picture_and_gradient(place, name)


@pytest.mark.parametrize("name", losses.names())
def test_losses_are_those_of_the_cpu_and_never_wait(place: Cuda, name: str, tiny_guide: str):
    checks.check_loss(place, name, tiny_guide)


@pytest.mark.parametrize("spec", ["doodle", "tiny"])
def test_guides_are_those_of_the_cpu(place: Cuda, spec: str, tiny_guide: str):
    checks.check_guide(place, tiny_guide if spec == "tiny" else spec)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("wrap", [False, True])
def test_cutouts_are_those_of_the_cpu(place: Cuda, deterministic: bool, wrap: bool):
    checks.check_cutouts(place, deterministic, wrap)


@every_renderer
def test_a_step_waits_for_nothing_but_the_sizes_of_lists(place: Cuda, name: str):
    checks.check_waits(place, checks.configuration(name))


@every_renderer
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_deterministic_runs_repeat_their_bits(place: Cuda, name: str, cuda_graph: bool):
    checks.check_same_bits(place, checks.configuration(name, deterministic=True, cuda_graph=cuda_graph))


def test_a_whole_run_waits_for_nothing_between_two_readings(
    place: Cuda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = checks.configuration("pixel", steps=40, timelapse={"kind": "none"})
    checks.check_waits_of_a_run(place, config, tmp_path / "run", monkeypatch)


@every_renderer
def test_a_stopped_run_continues_here_and_on_the_cpu(
    place: Cuda, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_guide: str
):
    config = checks.configuration(
        name, guides=tiny_guide, deterministic=True, device="cuda", timelapse={"kind": "none"}
    )
    checks.check_resumed(place, config, tmp_path, monkeypatch, exact=True)


@pytest.mark.parametrize("spec", ["doodle", "tiny"])
def test_a_graphed_guide_gives_what_the_guide_gives(place: Cuda, spec: str, tiny_guide: str):
    guide = load_guide(tiny_guide if spec == "tiny" else spec, place.device)
    checks.check_graphed(place, guide.encode_image, graphed(guide).encode_image)


def test_the_command_line_paints_on_the_gpu(tmp_path: Path, tiny_guide: str):
    arguments = ["a cat", "--guide", tiny_guide, "--steps", "20", "--out", str(tmp_path / "run"), "--quiet"]
    settings = ["--set", "device=cuda", "--set", "cuda_graph=true", "--set", "deterministic=true"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *settings])
    assert ended.value.code in (0, None)
    report = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (report["device"], report["step"]) == ("cuda", 20)
