"""The explicit gradient against PyTorch's own, and what the losses of the field say."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

import torch.nn.functional as F  # noqa: E402

from training import common, field, model  # noqa: E402


@pytest.fixture(scope="module")
def tower():
    """The image tower with random weights and batch statistics, in evaluation mode."""
    tower = model.build(common.generator("field")).visual.eval()
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=common.generator("mean"))
            module.running_var.uniform_(0.5, 2, generator=common.generator("spread"))
    field.unfuse(tower)
    return tower


def test_explicit_gradient_equals_autograd(tower) -> None:
    generator = common.generator("images")
    images = torch.rand(3, 3, 64, 64, generator=generator)
    text = F.normalize(torch.randn(3, 256, generator=generator), dim=1)
    leaf = images.clone().requires_grad_()
    embedding = F.normalize(tower(model.normalised(leaf)), dim=1)
    (wanted,) = torch.autograd.grad((embedding * text).sum(), leaf)
    ours, slope = field.field(tower, images, text)
    torch.testing.assert_close(ours, embedding, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(2 * slope, wanted, atol=1e-7, rtol=1e-3)  # images in -1..1 against 0..1


def test_learning_from_the_gradient_equals_double_backward(tower) -> None:
    generator = common.generator("double")
    images = torch.rand(2, 3, 64, 64, generator=generator)
    text = F.normalize(torch.randn(2, 256, generator=generator), dim=1)
    weight = tower.trunk.stages[1][0].conv1.weight
    _, slope = field.field(tower, images, text)
    (ours,) = torch.autograd.grad(slope.square().sum(), weight)
    leaf = images.clone().requires_grad_()
    embedding = F.normalize(tower(model.normalised(leaf)), dim=1)
    (plain,) = torch.autograd.grad((embedding * text).sum(), leaf, create_graph=True)
    (wanted,) = torch.autograd.grad((plain / 2).square().sum(), weight)
    torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-6 * wanted.abs().max().item() + 1e-12)


def test_misalignment_is_zero_along_and_two_against() -> None:
    way = torch.randn(2, 3, 64, 64, generator=common.generator("way"))
    torch.testing.assert_close(field.misalignment(3 * way, way), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(field.misalignment(-way, way), torch.full((2,), 2.0))
