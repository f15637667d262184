"""A recorded image tower gives what the tower gives; on a CPU the recording is the function itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from artgen.config import RunConfig
from artgen.engine.events import Notice
from artgen.guides import load_guide
from artgen.guides.graphed import MOST_SHAPES, GraphedFunction, graphed
from artgen.runs.device import device_notices, device_or_best
from tests.devices import checks


class Counted:
    """A function that notes how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, given: Tensor) -> Tensor:
        self.calls += 1
        return given.square().mean(dim=(2, 3))


@pytest.mark.parametrize("spec", ["doodle", "tiny"])
def test_a_graphed_guide_gives_what_the_guide_gives(spec: str, tiny_guide: str):
    guide = load_guide(tiny_guide if spec == "tiny" else spec)
    images = torch.rand(2, 3, 40, 40, requires_grad=True)
    for _ in range(2):
        expected, own = guide.encode_image(images), graphed(guide).encode_image(images)
        assert torch.equal(own, expected)
        gradients = [torch.autograd.grad(value[:, 0].sum(), images)[0] for value in (expected, own)]
        assert torch.equal(*gradients)


def test_inputs_and_shapes_may_change():
    recorded = GraphedFunction(torch.sigmoid)
    for count in (3, 3, 2, 3):
        given = torch.rand(count, 4)
        gradients = []
        for function in (torch.sigmoid, recorded):
            leaf = given.clone().requires_grad_()
            function(leaf).square().sum().backward()
            gradients.append(leaf.grad)
        assert torch.equal(*gradients)


def test_results_stay_when_the_recording_is_used_again():
    recorded = GraphedFunction(torch.sigmoid)
    first_leaf = torch.zeros(2, requires_grad=True)
    first = recorded(first_leaf)
    first.sum().backward()
    recorded(torch.ones(2, requires_grad=True)).sum().backward()
    assert first.tolist() == [0.5, 0.5]
    assert first_leaf.grad is not None and first_leaf.grad.tolist() == [0.25, 0.25]


def test_a_gradient_that_comes_too_late_is_refused():
    recorded = GraphedFunction(torch.sigmoid)
    first = recorded(torch.zeros(2, requires_grad=True))
    recorded(torch.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError, match="before its gradient was taken"):
        first.sum().backward()


def test_without_a_gradient_the_function_is_called_as_it_is():
    function = Counted()
    recorded = GraphedFunction(function)
    recorded(torch.rand(1, 3, 4, 4))
    with torch.no_grad():
        recorded(torch.rand(1, 3, 4, 4, requires_grad=True))
    assert (function.calls, len(recorded._recordings)) == (2, 0)


def test_the_oldest_recordings_are_dropped():
    recorded = GraphedFunction(torch.sigmoid)
    for count in range(1, MOST_SHAPES + 3):
        recorded(torch.zeros(count, requires_grad=True))
    kept = [shape[0] for shape, _ in recorded._recordings]
    assert kept == list(range(3, MOST_SHAPES + 3))


def test_steps_with_a_graphed_guide_have_the_same_bits(monkeypatch: pytest.MonkeyPatch):
    config = checks.configuration("pixel")
    context, state = checks.prepared(config, torch.device("cpu"))
    expected = checks.steps(context, state, 3)

    context, state = checks.prepared(config, torch.device("cpu"))
    (judge,) = context.problem.objective._judges
    monkeypatch.setattr(judge.guide, "encode_image", graphed(judge.guide).encode_image)
    assert torch.equal(checks.steps(context, state, 3), expected)


@pytest.mark.parametrize(
    ("changes", "device", "words"),
    [
        ({}, "cpu", []),
        ({"cuda_graph": True}, "cpu", ["cuda_graph has no effect on cpu"]),
        ({"cuda_graph": True, "deterministic": True}, "cuda", []),
        ({"deterministic": True}, "cpu", ["deterministic has no effect on cpu"]),
        ({"device": "cuda"}, "cpu", ["'cuda' is not available here: continuing on cpu"]),
        ({"device": "cuda:1"}, "cuda:1", []),
    ],
)
def test_options_without_effect_are_named(changes: dict, device: str, words: list[str]):
    notices = device_notices(RunConfig.make({"prompts": "a cat", **changes}), torch.device(device))
    assert len(notices) == len(words)
    for notice, expected in zip(notices, words, strict=True):
        assert isinstance(notice, Notice) and expected in notice.message


def test_an_unknown_device_becomes_the_best_one():
    assert device_or_best("cpu").type == "cpu"
    assert device_or_best("meta").type == device_or_best("auto").type
