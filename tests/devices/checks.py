"""What holds on every device; `test_pretend.py` and `tests/cuda` run it, each on its own device."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from artgen.config import CutoutOptions, RunConfig
from artgen.devices import deterministic_mode
from artgen.engine.events import Event, Stepped
from artgen.engine.finite import STEPS_PER_READING
from artgen.engine.loop import _step
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState, initial_state
from artgen.guides import load_guide
from artgen.guides.cutouts import draw_homographies, sample_views
from artgen.guides.graphed import Function
from artgen.losses import LossContext, losses
from artgen.runs.context import RunContext, choose_formats, make_context, start_candidates
from artgen.runs.defaults import resolve
from artgen.runs.paint import paint, painting, resume
from artgen.types import WHOLE, Size
from tests.contracts.parts import CANVAS, SMALL, make
from tests.devices.places import Place, on_host
from tests.driving import drive

READS = {"strokes": 9, "collage": 4}
"""How often a step reads the sizes of a renderer's lists from the device; 0 for any other renderer."""
CLOSE = {"atol": 1e-4, "rtol": 1e-3}
"""Pictures, losses and gradients of float32 on another device than the CPU."""


def configuration(renderer: str, **changes: object) -> RunConfig:
    """Return a small run with the bundled guide."""
    values = {
        "prompts": "a blue rabbit",
        "renderer": renderer,
        "options": SMALL.get(renderer, {}),
        "steps": 6,
        "seed": 3,
        "canvas": "48x40",
        "size": "96x80",
        "cutouts": {"count": 4},
        "losses": {"sketch": 0},
        "evolution": {"every": 2},
        "precision": "float32",
    }
    return RunConfig.make(values | changes)


def prepared(config: RunConfig, device: torch.device) -> tuple[RunContext, LoopState]:
    """Return what a run works with on a device, and its first state."""
    settings = resolve(config, device=device)
    choose_formats(settings)
    renderer = settings.build_renderer()
    start_candidates(renderer, settings, Streams(config.seed)["init"])
    context = make_context(settings, renderer, {})
    return context, initial_state(context.problem, config.evolution, Streams(config.seed))


def choose_device(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    """Let runs use a device, whatever their configuration says."""
    for module in ("artgen.runs.defaults", "artgen.runs.device"):
        monkeypatch.setattr(f"{module}.pick_device", lambda wanted: device)


def steps(context: RunContext, state: LoopState, count: int) -> Tensor:
    """Take steps late in a run, where nothing is replaced; return the last losses, [P]."""
    judgement = None
    with deterministic_mode(context.problem.deterministic):
        for _ in range(count):
            judgement = _step(context.problem, state, 0.9, [])
    assert judgement is not None
    return judgement.losses


# --- equal to the CPU ------------------------------------------------------------------


def check_picture_and_gradient(place: Place, name: str) -> None:
    """A renderer's picture and its parameters' gradients are those of the CPU."""
    oracle = make(name)
    weights = torch.rand(2, 4, *CANVAS, generator=torch.Generator().manual_seed(5))
    expected = oracle(CANVAS)
    (expected * weights).sum().backward()

    with place.entered():
        renderer = copy.deepcopy(oracle).to(place.device)
        renderer.zero_grad()
        picture = renderer(CANVAS)
        (picture * weights.to(place.device)).sum().backward()
        torch.testing.assert_close(on_host(picture), expected.detach(), **CLOSE)

        for parameter_name, parameter in oracle.named_parameters():
            own = renderer.get_parameter(parameter_name).grad
            assert (own is None) == (parameter.grad is None), parameter_name
            if own is not None and parameter.grad is not None:
                largest = parameter.grad.abs().max().item()
                torch.testing.assert_close(
                    on_host(own), parameter.grad, atol=CLOSE["atol"] * max(1.0, largest), rtol=CLOSE["rtol"]
                )


def check_loss(place: Place, name: str, tiny_guide: str) -> None:
    """A loss and its gradient are those of the CPU."""
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(2, 3, 24, 24, generator=generator)
    pictures = {role: torch.rand(1, 3, 24, 24, generator=generator) for role in ("target", "style", "sketch")}
    palette = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.8, 0.2], [0.5, 0.1, 0.6]])

    def figures(device: torch.device) -> tuple[Tensor, Tensor]:
        moved = {role: picture.to(device) for role, picture in pictures.items()}
        renderer = make("pixel").to(device)
        guides = [load_guide(tiny_guide, device)]
        context = LossContext(renderer, guides, moved, palette.to(device))
        leaf = image.to(device).requires_grad_()
        figure = losses.get(name)(leaf, context)
        figure.sum().backward()

        with place.watched() as waits:
            losses.get(name)(leaf, context).sum().backward()
        assert device.type == "cpu" or waits == []
        assert leaf.grad is not None
        return on_host(figure), on_host(leaf.grad) / 2

    with place.entered():
        for own, expected in zip(figures(place.device), figures(torch.device("cpu")), strict=True):
            torch.testing.assert_close(own, expected, **CLOSE)


def check_guide(place: Place, spec: str) -> None:
    """A guide's embedding and its gradient to the pictures are those of the CPU."""
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(4))

    def embedded(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        guide = load_guide(spec, device)
        leaf = images.to(device).requires_grad_()
        embedding = guide.encode_image(leaf)
        embedding[:, 0].sum().backward()
        assert leaf.grad is not None
        return on_host(embedding), on_host(leaf.grad), on_host(guide.encode_text(["a red apple"]))

    with place.entered():
        for own, expected in zip(embedded(place.device), embedded(torch.device("cpu")), strict=True):
            torch.testing.assert_close(own, expected, **CLOSE)


def check_cutouts(place: Place, deterministic: bool, wrap: bool) -> None:
    """Cutouts and their gradient are those of the CPU, with torch's sampling as the oracle in both modes."""
    image = torch.rand(2, 3, 70, 50, generator=torch.Generator().manual_seed(6))
    generators = [torch.Generator().manual_seed(index) for index in range(2)]
    drawn = draw_homographies(CutoutOptions(count=5), [WHOLE], Size(70, 50), generators, wrap)

    def views(device: torch.device, ordered: bool) -> tuple[Tensor, Tensor]:
        leaf = image.to(device).requires_grad_()
        with deterministic_mode(ordered):
            made = sample_views(leaf, drawn, Size(24, 20), wrap)
            made.square().sum().backward()
        assert leaf.grad is not None
        return on_host(made), on_host(leaf.grad)

    with place.entered():
        pairs = zip(views(place.device, deterministic), views(torch.device("cpu"), False), strict=True)
        for own, expected in pairs:
            torch.testing.assert_close(own, expected, **CLOSE)


# --- waiting ---------------------------------------------------------------------------


def check_waits(place: Place, config: RunConfig) -> list[str]:
    """Between two readings, a step waits no more often than its renderer reads the sizes of its lists."""
    with place.entered():
        context, state = prepared(config, place.device)
        problem = replace(context.problem, steps_per_reading=STEPS_PER_READING)
        context = replace(context, problem=problem)
        steps(context, state, 3)  # fills what is kept on the device

        with place.watched() as waits:
            steps(context, state, 1)
        assert len(waits) <= READS.get(config.renderer, 0), waits
    return waits


# --- the same bits ---------------------------------------------------------------------


def check_same_bits(place: Place, config: RunConfig) -> None:
    """The same seed gives the same losses and the same parameters twice, bit for bit."""
    with place.entered():
        results = []
        for _ in range(2):
            context, state = prepared(config, place.device)
            losses_ = steps(context, state, 4)
            parameters = context.problem.renderer.state()
            results.append([on_host(losses_), *(on_host(tensor) for tensor in parameters.values())])
        for one, two in zip(*results, strict=True):
            assert torch.equal(one, two)


# --- whole runs ------------------------------------------------------------------------


def check_resumed(
    place: Place, config: RunConfig, folder: Path, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    """A run that was stopped continues on its device with the same bits, and on the CPU with nearly the same picture.

    Args:
        place: the device.
        config: of the run.
        folder: where the runs are written.
        monkeypatch: chooses the device.
        exact: whether the device repeats its bits.
    """

    choose_device(monkeypatch, place.device)
    with place.entered():
        whole = paint(config, folder / "whole")
        for name in ("here", "cpu"):
            assert drive(painting(config, folder / name), stop_after=3).reason == "stopped"
        here = resume(folder / "here")

    choose_device(monkeypatch, torch.device("cpu"))
    on_cpu = resume(folder / "cpu")
    assert (whole.step, here.step, on_cpu.step) == (config.steps,) * 3
    if exact:
        assert (folder / "whole" / "image.png").read_bytes() == (folder / "here" / "image.png").read_bytes()
    assert here.losses == pytest.approx(whole.losses, abs=2e-2)
    assert on_cpu.losses == pytest.approx(whole.losses, abs=2e-2)


def check_graphed(place: Place, function: Function, recorded: Function) -> None:
    """A recorded function gives the values and gradients of the function, for inputs and shapes that change."""
    generator = torch.Generator().manual_seed(9)
    with place.entered():
        for count in (3, 3, 2, 3):
            given = torch.rand(count, 3, 40, 40, generator=generator)
            results = []
            for each in (function, recorded):
                leaf = given.to(place.device).requires_grad_()
                value = each(leaf)
                (value.square().sum() + value[:, 0].sum()).backward()
                assert leaf.grad is not None
                results.append((on_host(value), on_host(leaf.grad)))
            for own, expected in zip(results[1], results[0], strict=True):
                torch.testing.assert_close(own, expected, **CLOSE)


def check_waits_of_a_run(
    place: Place, config: RunConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two readings, a whole run that shows and saves nothing at these steps waits for nothing."""
    choose_device(monkeypatch, place.device)
    first, last = STEPS_PER_READING + 1, 2 * STEPS_PER_READING - 1
    with place.entered():
        run = iter(painting(config, folder))
        while not _is_step(next(run), first):
            pass
        with place.watched() as waits:
            while not _is_step(next(run), last):
                pass
    assert waits == []


def _is_step(event: Event, step: int) -> bool:
    return isinstance(event, Stepped) and event.step == step
