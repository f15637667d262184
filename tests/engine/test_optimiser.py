"""Rates, clipping, moments that follow elements, and the plateau stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from artgen.config import OptimiserOptions, RunConfig
from artgen.engine.optimiser import (
    GroupedAdam,
    carry_elements,
    clip_candidates_,
    make_optimiser,
    rate_factor,
    set_rates,
)
from artgen.errors import UsageError
from artgen.renderers.base import ElementChange
from artgen.runs.paint import paint
from artgen.types import Size
from tests.contracts.parts import make


@pytest.mark.parametrize(
    ("schedule", "progress", "factor"),
    [
        ("constant", 0.7, 1.0),
        ("linear", 0.0, 1.0),
        ("linear", 0.5, 0.6),
        ("linear", 1.0, 0.2),
        ("cosine", 0.0, 1.0),
        ("cosine", 0.5, 0.6),
        ("cosine", 1.0, 0.2),
    ],
)
def test_schedules_at_known_moments(schedule: str, progress: float, factor: float):
    options = OptimiserOptions(schedule=schedule, final=0.2, warmup=0)
    assert rate_factor(options, progress) == pytest.approx(factor)


def test_warmup_rises_to_the_full_rate():
    options = OptimiserOptions(schedule="constant", warmup=0.1)
    factors = [rate_factor(options, progress) for progress in (0.0, 0.05, 0.0999, 0.1)]
    assert factors == sorted(factors)
    assert factors[0] < 0.02 and factors[-1] == 1


def test_each_group_has_its_own_rate():
    renderer = make("strokes")
    optimiser = make_optimiser(renderer, OptimiserOptions(rate=2.0, rates={"colour": 0.5}))
    set_rates(optimiser, OptimiserOptions(schedule="constant", warmup=0), 0.5)
    rates = {
        group.name: each["lr"]
        for group, each in zip(renderer.parameter_groups(), optimiser.param_groups, strict=True)
    }
    own = {group.name: group.learning_rate for group in renderer.parameter_groups()}
    assert rates["colour"] == pytest.approx(own["colour"])
    assert rates["points"] == pytest.approx(2 * own["points"])
    with pytest.raises(UsageError, match="did you mean 'colour'"):
        make_optimiser(renderer, OptimiserOptions(rates={"color": 1.0}))


def test_clipping_is_per_candidate_over_all_parameters():
    renderer = make("strokes", population=2)
    canvas = renderer(Size(32, 40))
    (canvas[0].sum() * 100 + canvas[1].sum() * 1e-3).backward()
    before = {
        name: parameter.grad.clone()
        for name, parameter in renderer.named_parameters()
        if parameter.grad is not None
    }
    clip_candidates_(renderer, largest=1.0)
    after = {
        name: parameter.grad for name, parameter in renderer.named_parameters() if parameter.grad is not None
    }
    norm = torch.stack([each[0].square().sum() for each in after.values()]).sum().sqrt()
    assert norm.item() == pytest.approx(1.0, rel=1e-4)
    assert all(torch.equal(after[name][1], before[name][1]) for name in before)


def test_moments_follow_their_elements():
    old = {
        "points": {
            "exp_avg": torch.arange(6.0).view(1, 3, 2),
            "exp_avg_sq": torch.ones(1, 3, 2),
            "step": torch.tensor(4.0),
        }
    }
    new = carry_elements(old, ElementChange({"points": torch.tensor([2, -1, 0])}))
    assert new["points"]["exp_avg"].tolist() == [[[4.0, 5.0], [0.0, 0.0], [0.0, 1.0]]]
    assert new["points"]["exp_avg_sq"].tolist() == [[[1.0, 1.0]] * 3]
    assert new["points"]["step"] == 4


def test_a_run_stops_when_nothing_is_gained(photograph: Path, tmp_path: Path):
    values = {
        "target": str(photograph),
        "init": str(photograph),
        "options": {"cells": 48},
        "steps": 400,
        "seed": 1,
        "canvas": "48x48",
        "size": "48x48",
        "optimiser": {"patience": 20},
        "timelapse": {"kind": "none"},
    }
    result = paint(RunConfig.make(values), tmp_path / "run")
    assert result.reason == "plateau"
    assert 20 <= result.step < 200


def stepped(gradients: list[torch.Tensor], shared: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a parameter [2, 4, 3] after steps along the gradients, by ours and by torch's Adam."""
    ours, theirs = (torch.nn.Parameter(torch.zeros(2, 4, 3)) for _ in range(2))
    optimisers = [
        GroupedAdam([{"params": [ours], "shared": shared}], lr=0.1, betas=(0.9, 0.99)),
        torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99)),
    ]
    for gradient in gradients:
        for parameter, optimiser in zip((ours, theirs), optimisers, strict=True):
            parameter.grad = gradient.clone()
            optimiser.step()
    return ours.detach(), theirs.detach()


def test_groups_that_share_nothing_are_adams():
    generator = torch.Generator().manual_seed(1)
    ours, theirs = stepped([torch.randn(2, 4, 3, generator=generator) for _ in range(5)], shared=False)
    assert torch.equal(ours, theirs)


def test_shared_steps_are_adams_where_all_entries_are_alike():
    """With gradients of one size in each candidate, one second moment is as good as one for each entry."""
    signs = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1)).sign()
    sizes = torch.tensor([0.01, 5.0]).view(2, 1, 1)
    ours, theirs = stepped([signs * sizes * factor for factor in (1.0, 0.5, 2.0)], shared=True)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_what_nothing_pulls_at_stays():
    gradient = torch.zeros(2, 4, 3)
    gradient[:, 0] = 1.0
    gradient[:, 1] = 1e-3
    ours, theirs = stepped([gradient] * 3, shared=True)
    assert not ours[:, 2:].any()
    torch.testing.assert_close(ours[:, 1], ours[:, 0] * 1e-3)
    torch.testing.assert_close(theirs[:, 1], theirs[:, 0], atol=1e-3, rtol=0)


def test_candidates_do_not_share_their_scale():
    gradient = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(2))
    alone, _ = stepped([gradient] * 3, shared=True)
    gradient[1] *= 100
    beside, _ = stepped([gradient] * 3, shared=True)
    torch.testing.assert_close(alone[0], beside[0])
