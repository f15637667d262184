"""Evolution: who replaces whom, and what becomes of the optimiser's state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from artgen.config.sections import EvolutionOptions
from artgen.engine.evolution import Evolution, copy_optimiser_rows, initial_search
from artgen.renderers.base import ParameterGroup, Renderer, RendererOptions
from artgen.types import Size


class Dots(Renderer):
    """A renderer with one continuous and one discrete tensor."""

    def init(self, population, generator):
        self.place = nn.Parameter(torch.rand(population, 5, 2, generator=generator))
        self.register_buffer("choice", torch.randint(0, 9, (population, 5), generator=generator))

    def forward(self, size, window=None):
        raise NotImplementedError

    def parameter_groups(self):
        return [ParameterGroup("place", ["place"], 0.1, 0.01)]

    def mutate_(self, parent, child, generator):
        super().mutate_(parent, child, generator)
        self.choice[child, 3] = (self.choice[child, 3] + 1) % 9


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


def make(population, generator):
    renderer = Dots(RendererOptions(), Size(8, 8))
    renderer.init(population, generator)
    optimiser = torch.optim.Adam([renderer.place], lr=0.1)
    for row in range(population):
        renderer.place[row].sum().mul(row + 1.0).backward()
    optimiser.step()
    return renderer, optimiser


def test_microbial_replaces_the_loser_by_a_mutant_of_the_winner(generator):
    renderer, optimiser = make(2, generator)
    winner = renderer.place[1].detach().clone()
    evolution = Evolution(EvolutionOptions(method="microbial", every=3))
    losses = torch.tensor([0.9, 0.2])
    rounds = [evolution(step, losses, renderer, optimiser, generator) for step in range(6)]
    assert rounds == [[], [], [(1, 0)], [], [], [(1, 0)]]
    assert torch.equal(renderer.place[1], winner)
    difference = (renderer.place[0] - winner).abs()
    assert 0 < difference.mean() < 0.05


def test_strategy_replaces_all_but_the_best(generator):
    renderer, optimiser = make(4, generator)
    evolution = Evolution(EvolutionOptions(method="strategy", every=1))
    replaced = evolution(0, torch.tensor([3.0, 1.0, 0.5, float("nan")]), renderer, optimiser, generator)
    assert replaced == [(2, 0), (2, 1), (2, 3)]


def test_candidates_are_judged_by_their_mean_loss(generator):
    renderer, optimiser = make(2, generator)
    evolution = Evolution(EvolutionOptions(method="strategy", every=2))
    evolution(0, torch.tensor([0.0, 1.0]), renderer, optimiser, generator)
    losses = torch.tensor([0.6, 0.5])
    assert evolution(1, losses, renderer, optimiser, generator) == [(0, 1)]
    assert evolution(3, losses, renderer, optimiser, generator, replace=False) == []


def test_a_resumed_evolution_decides_alike(generator):
    renderer, optimiser = make(2, generator)
    evolution = Evolution(EvolutionOptions(method="strategy", every=2))
    evolution(0, torch.tensor([0.0, 1.0]), renderer, optimiser, generator)
    resumed = Evolution(evolution.options)
    resumed.load_state(evolution.state())
    assert resumed(1, torch.tensor([0.6, 0.5]), renderer, optimiser, generator) == [(0, 1)]


def test_the_optimisers_rows_follow_and_changed_elements_lose_their_momentum(generator):
    renderer, optimiser = make(2, generator)
    before = {name: value.clone() for name, value in optimiser.state[renderer.place].items()}
    Evolution(EvolutionOptions(method="strategy", every=1))(
        0, torch.tensor([0.0, 1.0]), renderer, optimiser, generator
    )
    after = optimiser.state[renderer.place]
    assert torch.equal(after["exp_avg_sq"][1], before["exp_avg_sq"][0])
    assert torch.equal(after["exp_avg"][1, 0], before["exp_avg"][0, 0])
    assert torch.equal(after["exp_avg"][1, 3], torch.zeros(2))
    assert torch.equal(after["exp_avg"][0], before["exp_avg"][0])
    assert torch.equal(after["step"], before["step"])


def test_rows_of_other_shapes_are_left_alone():
    weight = nn.Parameter(torch.ones(2, 3))
    optimiser = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    copy_optimiser_rows(optimiser, weight, 0, 1)
    weight.grad = torch.tensor([[1.0, 1, 1], [5, 5, 5]])
    optimiser.step()
    copy_optimiser_rows(optimiser, weight, 0, 1)
    assert torch.equal(optimiser.state[weight]["momentum_buffer"][1], torch.ones(3))


def test_a_single_candidate_or_none_is_left_alone(generator):
    for population, method in ((1, "strategy"), (2, "none")):
        renderer, optimiser = make(population, generator)
        before = renderer.place.detach().clone()
        evolution = Evolution(EvolutionOptions(method=method, every=1))
        assert evolution(0, torch.zeros(population), renderer, optimiser, generator) == []
        assert torch.equal(renderer.place, before)


def test_initial_search_keeps_the_best_of_all_rounds(generator):
    renderer = Dots(RendererOptions(), Size(8, 8))
    renderer.init(3, generator)
    seen = []

    def evaluate(of):
        losses = of.place.mean((1, 2))
        seen.append(losses.detach())
        return losses

    losses = initial_search(renderer, evaluate, 4, generator)
    assert torch.equal(losses, torch.cat(seen).sort().values[:3])
    assert torch.allclose(renderer.place.mean((1, 2)), losses)


def test_the_same_seed_gives_the_same_generation():
    results = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(3)
        renderer, optimiser = make(3, generator)
        Evolution(EvolutionOptions(every=1))(0, torch.tensor([1.0, 2.0, 3.0]), renderer, optimiser, generator)
        results.append(renderer.place.detach().clone())
    assert torch.equal(*results)
