from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from artgen.config import CutoutOptions
from artgen.engine.objective import Judge, Objective, cosine_distance, spherical_distance
from artgen.guides import Guide, load_guide
from artgen.guides.goals import make_goals, recoloured
from artgen.images import read_opaque
from artgen.losses import LossContext, losses
from artgen.prompts import parse
from artgen.types import WHOLE, Region
from tests.contracts.parts import make


@pytest.fixture(scope="module")
def guide(tiny_guide: str) -> Guide:
    return load_guide(tiny_guide)


def objective(
    guide: Guide, prompt: str, count: int = 6, contrast: float = 0.0, **weights: float
) -> Objective:
    terms = parse(prompt)
    regions = list(dict.fromkeys(term.region for term in terms))
    judge = Judge(guide, 1.0, make_goals(guide, terms, ["{}"], regions))
    weighted = {name: (losses.get(name), weight) for name, weight in weights.items()}
    context = LossContext(make("pixel"), [guide])
    return Objective([judge], regions, CutoutOptions(count=count), "spherical", contrast, weighted, context)


def streams(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(index) for index in range(count)]


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(1))


def test_distances_at_known_angles():
    angles = torch.tensor([0.0, 0.5, math.pi / 2, 3.0])
    torch.testing.assert_close(spherical_distance(angles.cos()), angles.square() / 2, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(cosine_distance(angles.cos()), 1 - angles.cos())


def test_spherical_distance_has_a_finite_gradient_everywhere():
    cosine = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    spherical_distance(cosine).sum().backward()
    assert cosine.grad.isfinite().all()


def test_the_gradient_is_that_of_the_losses(guide: Guide, image: torch.Tensor):
    judge = objective(guide, "a blue rabbit:2 | photo:-0.5", smoothness=0.1)
    gradient = judge(image, streams(2)).gradient
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    above, below = (judge(image + sign * 1e-3 * direction, streams(2)).losses for sign in (1, -1))
    found = (gradient * direction).sum(dim=(1, 2, 3))
    torch.testing.assert_close(found, (above - below) / 2e-3, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("per_pass", [1, 4, 5])
def test_several_passes_give_the_result_of_one(guide: Guide, image: torch.Tensor, per_pass: int):
    judge = objective(guide, "[0,0,0.5,1] a cat | a dog", contrast=0.3)
    whole = judge(image, streams(2))
    parts = judge(image, streams(2), per_pass)
    torch.testing.assert_close(parts.losses, whole.losses, atol=1e-5, rtol=0)
    torch.testing.assert_close(parts.gradient, whole.gradient, atol=1e-5, rtol=1e-3)


def test_negative_weights_push_away(guide: Guide, image: torch.Tensor):
    towards, away = (objective(guide, f"a cat:{weight}")(image, streams(2)) for weight in (1, -1))
    torch.testing.assert_close(towards.losses, -away.losses)
    torch.testing.assert_close(towards.gradient, -away.gradient)


def test_a_region_takes_no_gradient_from_outside(guide: Guide, image: torch.Tensor):
    gradient = objective(guide, "[0.5,0,1,1] a cat")(image, streams(2)).gradient
    assert (gradient[..., :19] == 0).all()
    assert (gradient[..., 21:] != 0).float().mean() > 0.5


def test_every_region_has_all_its_cutouts(guide: Guide, image: torch.Tensor):
    judge = objective(guide, "a cat | [0,0,0.5,0.5] a dog", count=5)
    assert judge.views == 10


def test_image_prompts_pull_towards_the_picture(guide: Guide, photograph: Path):
    goals = make_goals(guide, parse(f"@{photograph}"), ["{}"], [WHOLE])
    torch.testing.assert_close(goals[0].embedding, guide.encode_image(read_opaque(photograph)))


def test_templates_are_averaged(guide: Guide):
    templates = ["a drawing of {}", "a photo of {}"]
    goal = make_goals(guide, parse("a cat"), templates, [WHOLE])[0]
    mean = guide.encode_text(["a drawing of a cat", "a photo of a cat"]).mean(dim=0, keepdim=True)
    torch.testing.assert_close(goal.embedding, torch.nn.functional.normalize(mean, dim=-1))
    assert goal.embedding.norm() == pytest.approx(1)


def test_named_things_are_no_distractors(tiny_guide: str):
    guide = load_guide(tiny_guide)
    guide.names = ("rabbit", "tree", "cat")
    assert objective_distractors(guide, "two rabbits | a tree") == 1
    assert objective_distractors(guide, "a house") == 3


def objective_distractors(guide: Guide, prompt: str) -> int:
    goal = make_goals(guide, parse(prompt), ["{}"], [WHOLE])[0]
    assert goal.distractors is not None
    return len(goal.distractors)


@pytest.fixture(autouse=True)
def all_names_differ(monkeypatch: pytest.MonkeyPatch):
    """With random weights all texts are alike, which would leave no distractors."""
    monkeypatch.setattr("artgen.guides.goals.SAME_MEANING", 1.1)


def test_colours_are_told_apart():
    assert len(recoloured("a blue rabbit")) == 10
    assert "a red rabbit" in recoloured("a Blue rabbit")
    assert "a blue cat and a red dog" in recoloured("a red cat and a blue dog")
    assert recoloured("a bluebird") == recoloured("a rabbit") == []
    assert len(recoloured("a gray cat")) == 10


def test_contrast_is_a_softmax_against_the_distractors(guide: Guide, image: torch.Tensor):
    guide = load_guide(guide.name)
    guide.names = ("rabbit", "tree")
    judgement = objective(guide, "a house", count=1, contrast=1.0)(image, streams(2))
    judge = objective(guide, "a house", count=1, contrast=0.0)
    assert judgement.losses.shape == (2,)
    assert not torch.allclose(judgement.losses, judge(image, streams(2)).losses)


def test_regions_are_kept_apart_in_order(guide: Guide):
    terms = parse("[0,0,0.5,1] a cat | a dog")
    goals = make_goals(guide, terms, ["{}"], [Region(0, 0, 0.5, 1), WHOLE])
    assert [goal.region for goal in goals] == [0, 1]
