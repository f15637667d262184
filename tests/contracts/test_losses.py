"""The contract of a loss, tested on everything in the registry."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from artgen.errors import UsageError
from artgen.guides import load_guide
from artgen.losses import LossContext, LossRegistry, LossTraits, losses
from artgen.types import Size
from tests.contracts.parts import make

SIDE = Size(48, 48)
every_loss = pytest.mark.parametrize("name", losses.names())


@pytest.fixture(scope="module")
def context(tiny_guide: str) -> LossContext:
    pictures = {role: smooth(seed=9)[:1] for role in ("target", "style", "sketch")}
    palette = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.8, 0.2], [0.5, 0.1, 0.6]])
    return LossContext(make("pixel"), [load_guide(tiny_guide)], pictures, palette)


def smooth(seed: int, population: int = 2, size: Size = SIDE) -> torch.Tensor:
    """Random pictures without detail, so that a resized copy shows the same."""
    coarse = torch.rand(
        population, 3, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return functional.interpolate(coarse, size, mode="bicubic", antialias=True).clamp(0.01, 0.99).float()


@every_loss
def test_one_finite_figure_per_candidate(name: str, context: LossContext):
    figures = losses.get(name)(smooth(1), context)
    assert figures.shape == (2,)
    assert figures.isfinite().all()


@every_loss
def test_candidates_do_not_depend_on_each_other(name: str, context: LossContext):
    image, loss = smooth(1), losses.get(name)
    alone = torch.cat([loss(image[index : index + 1], context) for index in range(2)])
    torch.testing.assert_close(loss(image, context), alone, atol=1e-5, rtol=1e-4)


@every_loss
def test_nearly_independent_of_the_size(name: str, context: LossContext):
    loss = losses.get(name)
    small, large = loss(smooth(1), context), loss(smooth(1, size=Size(96, 96)), context)
    torch.testing.assert_close(small, large, rtol=0.25, atol=0.02)


@every_loss
def test_gradient_against_finite_differences(name: str, context: LossContext):
    image = smooth(1).requires_grad_()
    loss = losses.get(name)
    loss(image, context).sum().backward()
    assert image.grad is not None and image.grad.isfinite().all()
    direction = image.grad / image.grad.norm().clamp(min=1e-12)
    step = 0.004
    with torch.no_grad():
        above, below = (loss(image + sign * step * direction, context).sum().item() for sign in (1, -1))
    assert above - below == pytest.approx(2 * step * image.grad.norm().item(), rel=0.05, abs=1e-5)


@every_loss
def test_no_gradient_blows_up_on_a_plain_picture(name: str, context: LossContext):
    image = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    losses.get(name)(image, context).sum().backward()
    assert image.grad is not None and image.grad.isfinite().all()


@every_loss
def test_a_loss_declares_what_it_needs(name: str, context: LossContext):
    """Without what its traits do not name, a loss works; so a run may leave that out."""
    traits = losses.traits(name)
    guides = context.guides if traits.needs_guide else []
    pictures = dict(context.pictures)
    if not traits.needs_sketch:
        del pictures["sketch"]
    bare = LossContext(context.renderer, guides, pictures, context.palette)
    assert losses.get(name)(smooth(1), bare).isfinite().all()


@every_loss
def test_a_loss_needs_what_it_declares(name: str, context: LossContext):
    traits = losses.traits(name)
    without_guides = LossContext(context.renderer, [], context.pictures, context.palette)
    if traits.needs_guide:
        with pytest.raises(UsageError, match="guide"):
            losses.get(name)(smooth(1), without_guides)

    pictures = {role: picture for role, picture in context.pictures.items() if role != "sketch"}
    without_sketch = LossContext(context.renderer, context.guides, pictures, context.palette)
    if traits.needs_sketch:
        with pytest.raises(UsageError, match="sketch"):
            losses.get(name)(smooth(1), without_sketch)


def test_traits_are_registered_with_the_loss_and_default_to_none():
    registry = LossRegistry("loss", "artgen.losses")

    @registry.register("plain")
    def plain(image, context):
        return image.mean(dim=(1, 2, 3))

    registry.register("demanding", needs_sketch=True)(plain)
    assert registry.get("plain") is plain
    assert registry.traits("plain") == LossTraits(needs_guide=False, needs_sketch=False)
    assert registry.traits("demanding") == LossTraits(needs_guide=False, needs_sketch=True)
    with pytest.raises(UsageError, match="did you mean 'demanding'"):
        registry.traits("demandin")
