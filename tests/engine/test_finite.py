"""On a GPU figures are read every few steps, and what is not finite is never followed.

There is no GPU here: the loop is told to read as seldom as it would on one, and what would
make it wait is counted.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from artgen.config import RunConfig
from artgen.engine import loop
from artgen.engine.events import Stepped
from artgen.engine.finite import STEPS_PER_READING, steps_per_reading
from artgen.engine.loop import ending, optimise
from artgen.engine.problem import Budget, Problem
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState, initial_state
from artgen.errors import RunError
from artgen.export.metadata import read_configuration
from artgen.losses import losses
from artgen.renderers import renderers
from artgen.renderers.base import Renderer
from artgen.runs.paint import paint, painting, resume
from tests.driving import context_of, drive

EVERY = 4
SMALL = {"strokes": {"strokes": "2,4,8"}, "collage": {"count": 6}, "pixel": {"cells": 12, "colours": 3}}


def configuration(tiny_guide: str, renderer: str = "pixel", **changes: Any) -> RunConfig:
    values = {
        "prompts": "a blue rabbit",
        "guides": tiny_guide,
        "renderer": renderer,
        "options": SMALL.get(renderer, {}),
        "steps": 14,
        "seed": 7,
        "population": 2,
        "canvas": "24x18",
        "size": "24x18",
        "cutouts": {"count": 2},
        "losses": {"smoothness": 0.1, "sketch": 0},
        "evolution": {"every": 5},
        "precision": "float32",
        "timelapse": {"kind": "none"},
    }
    return RunConfig.make(values | changes)


def problem_of(config: RunConfig, every: int) -> tuple[Problem, LoopState]:
    """Return a problem whose figures are read so often, and its first state."""
    problem = dataclasses.replace(context_of(config).problem, steps_per_reading=every)
    streams = Streams(config.seed)
    return problem, initial_state(problem, config.evolution, streams)


def run(config: RunConfig, every: int, watch: Callable[[Any], None] = lambda event: None) -> Any:
    """Return the renderer, the state and the reason of a loop that reads so often."""
    problem, state = problem_of(config, every)
    budget = Budget(config.steps)
    for event in optimise(problem, state, budget):
        watch(event)
    return problem.renderer, state, ending(problem, state, budget)


def same(first: Renderer, second: Renderer) -> bool:
    other = second.state()
    return all(torch.equal(tensor, other[name]) for name, tensor in first.state().items())


class Waits(TorchDispatchMode):
    """Counts what would wait for a GPU, by step; Adam's own step counts are on the host."""

    WAITING = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "_unique2")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.by_step: Counter[int] = Counter()
        self.step, self._idle = 0, False
        for name in ("tolist", "cpu", "numpy"):
            monkeypatch.setattr(torch.Tensor, name, self._counted(getattr(torch.Tensor, name)))
        adam = torch.optim.Adam.step

        def uncounted(*arguments: Any, **more: Any) -> Any:
            self._idle = True
            adam(*arguments, **more)
            self._idle = False

        monkeypatch.setattr(torch.optim.Adam, "step", uncounted)

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            self.by_step[self.step] += 1
            return method(*arguments, **more)

        return counted

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self._idle and operator.overloadpacket.__name__ in self.WAITING:
            self.by_step[self.step] += 1
        return operator(*args, **(kwargs or {}))

    def __call__(self, event: Any) -> None:
        if isinstance(event, Stepped):
            self.step = event.step


@pytest.mark.parametrize("every", [1, EVERY])
def test_the_device_is_waited_for_only_when_figures_are_due(
    every: int, tiny_guide: str, monkeypatch: pytest.MonkeyPatch
):
    config = configuration(tiny_guide, evolution={"every": 100}, options={"cells": 12})
    waits = Waits(monkeypatch)
    with waits:
        run(config, every, waits)
    waited = {step for step in waits.by_step if step}
    assert waited == {step for step in range(1, config.steps) if (step + 1) % every == 0} | (
        {config.steps} if every > 1 else set()
    )
    if every > 1:
        assert all(waits.by_step[step] == 1 for step in waited)


def test_losses_wait_only_if_they_are_asked_for(tiny_guide: str, monkeypatch: pytest.MonkeyPatch):
    events: list[Stepped] = []
    run(configuration(tiny_guide, steps=2), 1, events.append)
    asked = Counter()
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: (asked.update("x"), tolist(tensor))[1])
    assert not asked
    assert len(events[0].losses) == 2 and set(events[0].terms) >= {"smoothness"}
    once = asked.total()
    assert once == 1 + len(events[0].terms)
    assert events[0].losses == events[0].losses and asked.total() == once


@pytest.mark.parametrize("renderer", renderers.names())
def test_reading_seldom_changes_nothing(renderer: str, tiny_guide: str):
    config = configuration(tiny_guide, renderer)
    often, state, _ = run(config, 1)
    seldom, other, _ = run(config, EVERY)
    assert same(often, seldom)
    assert (state.step, state.lowest, state.waiting) == (other.step, other.lowest, other.waiting)
    assert torch.equal(state.smoothed, other.smoothed)


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Makes the loss `smoothness` not a number at one step of the runs to come."""
    losses.names()
    smoothness = losses.get("smoothness")

    def at(step: int | None) -> None:
        calls = iter(range(1000))

        def broken(image: Any, context: Any) -> Any:
            return smoothness(image, context) * (torch.nan if next(calls) == step else 1.0)

        monkeypatch.setitem(losses._parts, "smoothness", broken)

    return at


@pytest.mark.parametrize("renderer", renderers.names())
@pytest.mark.parametrize(("broken", "kept"), [(8, 8), (10, 8), (11, 8), (13, 12)])
def test_the_last_good_state_is_kept(
    renderer: str, broken: int, kept: int, tiny_guide: str, tmp_path: Path, breaks, monkeypatch
):
    monkeypatch.setattr("artgen.runs.context.steps_per_reading", lambda device: EVERY)
    config = configuration(tiny_guide, renderer)
    breaks(broken)
    with pytest.raises(RunError, match=f"not finite at step {broken}; the picture of step {kept} is kept"):
        paint(config, tmp_path / "broken")
    report = json.loads((tmp_path / "broken/run.json").read_text())
    assert (report["reason"], report["step"]) == ("failed", kept)
    breaks(None)
    drive(painting(config, tmp_path / "stopped"), stop_after=kept)
    for name in ("image.png", "checkpoint.safetensors"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()
    resume(tmp_path / "broken")
    paint(config, tmp_path / "whole")
    for name in ("image.png", "checkpoint.safetensors", "metrics.jsonl"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert RunConfig.from_text(read_configuration(tmp_path / "broken/image.png")) == config


def test_what_is_not_finite_never_reaches_the_parameters(tiny_guide: str, breaks):
    seen: list[bool] = []
    config = configuration(tiny_guide)
    breaks(5)
    problem, state = problem_of(config, every=9)
    with pytest.raises(RunError, match=r"at step 5; the picture of step 0 is kept \(checked every 9"):
        for _ in optimise(problem, state, Budget(14)):
            parameters = problem.renderer.parameters()
            seen.append(all(torch.isfinite(parameter).all() for parameter in parameters))
    assert len(seen) == 8 and all(seen)
    assert state.step == 0 and state.smoothed is None


def test_a_checkpoint_is_never_of_what_is_not_finite(
    tiny_guide: str, tmp_path: Path, breaks, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("artgen.runs.context.steps_per_reading", lambda device: 100)
    breaks(6)
    with pytest.raises(RunError, match="at step 6; the picture of step 6 is kept"):
        paint(configuration(tiny_guide, snapshots={"checkpoint_seconds": 0}), tmp_path / "run")
    report = json.loads((tmp_path / "run/run.json").read_text())
    assert report["step"] == 6


def test_what_fails_because_of_what_is_not_finite_says_so(
    tiny_guide: str, breaks, monkeypatch: pytest.MonkeyPatch
):
    step, calls = loop._step, iter(range(1000))

    def fails(*arguments: Any) -> Any:
        if next(calls) % 4 == 3:
            raise ValueError("a NaN met something that cannot take it")
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", fails)
    breaks(1)
    with pytest.raises(RunError, match="not finite at step 1"):
        run(configuration(tiny_guide), every=9)
    breaks(None)
    with pytest.raises(ValueError, match="a NaN met"):
        run(configuration(tiny_guide), every=9)


def test_leaving_the_loop_stops_the_run_and_a_second_loop_continues_it(tiny_guide: str):
    config = configuration(tiny_guide)
    whole, _, _ = run(config, 1)
    problem, state = problem_of(config, 1)
    budget = Budget(config.steps)
    for event in optimise(problem, state, budget):
        if event.step == 5:
            break
    assert (state.step, ending(problem, state, budget)) == (5, None)
    for _ in optimise(problem, state, budget):
        pass
    assert same(whole, problem.renderer)


def test_a_plateau_is_noticed_when_figures_are_read(tiny_guide: str):
    config = configuration(tiny_guide, steps=100, optimiser={"patience": 2, "rate": 1e-9})
    _, often, reason = run(config, 1)
    assert reason == "plateau"
    _, seldom, reason = run(config, EVERY)
    assert reason == "plateau"
    assert often.step <= seldom.step < often.step + EVERY


def test_cpus_are_read_at_every_step():
    assert steps_per_reading(torch.device("cpu")) == 1
    assert steps_per_reading(torch.device("cuda")) == STEPS_PER_READING


def test_a_finished_loop_lets_go_of_its_renderer(tiny_guide: str):
    """Without a collection of garbage: a tile's textures must not stay while the next one is made."""
    gc.collect()
    gc.disable()
    try:
        renderer, state, _ = run(configuration(tiny_guide, "collage", steps=2), every=1)
        gone = weakref.ref(renderer)
        del renderer, state
        assert gone() is None
    finally:
        gc.enable()
