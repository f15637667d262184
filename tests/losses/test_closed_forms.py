"""Losses on pictures whose figure can be worked out by hand, with gradients where there is a formula."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from artgen.errors import UsageError
from artgen.guides.base import Guide
from artgen.losses import LossContext, losses
from tests.contracts.parts import make


def context(**values: object) -> LossContext:
    return LossContext(make("pixel"), [], **values)


def figure(name: str, image: torch.Tensor, **values: object) -> torch.Tensor:
    return losses.get(name)(image, context(**values))


def plain(*colour: float, height: int = 8, width: int = 10) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, height, width).clone()


def halves(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.cat([left, right], dim=-1)


def test_palette_is_the_squared_distance_to_the_nearest_colour():
    palette = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    image = halves(plain(0.9, 0.2, 0.1), plain(0.1, 0.1, 0.2)).requires_grad_()
    value = figure("palette", image, palette=palette)
    assert value.item() == pytest.approx(((0.1**2 + 0.2**2 + 0.1**2) + (0.1**2 + 0.1**2 + 0.2**2)) / 2 / 3)
    value.sum().backward()
    wanted = halves(plain(1, 0, 0), plain(0, 0, 0))
    torch.testing.assert_close(image.grad, 2 * (image.detach() - wanted) / image.numel())
    assert figure("palette", wanted, palette=palette).item() == 0


def test_palette_needs_colours():
    with pytest.raises(UsageError, match="--palette"):
        figure("palette", plain(0.5, 0.5, 0.5))


@pytest.mark.parametrize(("name", "axis"), [("symmetry", -1), ("symmetry_updown", -2)])
def test_symmetry_is_zero_only_for_mirror_images(name: str, axis: int):
    half = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert figure(name, torch.cat([half, half.flip(axis)], dim=axis)).item() == 0
    black_and_white = torch.cat([torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)], dim=axis)
    assert figure(name, black_and_white).item() == 1
    image = half.clone().requires_grad_()
    figure(name, image).sum().backward()
    torch.testing.assert_close(image.grad, 4 * (half - half.flip(axis)) / half.numel())


def test_saturation_follows_the_formula():
    assert figure("saturation", plain(0.4, 0.4, 0.4)).item() == pytest.approx(0, abs=1e-3)
    red = 0.3 * (1 + 0.25) ** 0.5  # rg = 1, yb = 1/2, no spread
    assert figure("saturation", plain(1, 0, 0)).item() == pytest.approx(-red, abs=2e-3)
    both = halves(plain(1, 0, 0), plain(0, 0, 1))  # rg 1 and 0, yb 1/2 and -1
    spread, strength = (0.5**2 + 0.75**2) ** 0.5, (0.5**2 + 0.25**2) ** 0.5
    assert figure("saturation", both).item() == pytest.approx(-(spread + 0.3 * strength), abs=2e-3)


def test_saturation_falls_when_followed():
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    before = figure("saturation", image)
    before.sum().backward()
    assert figure("saturation", image.detach() - image.grad).item() < before.item() - 1e-4


def test_contrast_is_one_for_a_flat_picture_and_zero_for_black_and_white():
    assert figure("contrast", plain(0.3, 0.5, 0.1)).item() == pytest.approx(1, abs=1e-6)
    assert figure("contrast", halves(plain(0, 0, 0), plain(1, 1, 1))).item() == pytest.approx(0, abs=3e-3)
    greys = halves(plain(0.3, 0.3, 0.3), plain(0.5, 0.5, 0.5))
    assert figure("contrast", greys).item() == pytest.approx(0.8, abs=3e-3)


def test_edge_looks_only_at_the_border():
    image = plain(1, 1, 1, height=32, width=48)
    image[:, :, 2:-2, 2:-2] = 0.2
    assert figure("edge", image).item() == 0
    blue = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    assert figure("edge", image, background=blue).item() == pytest.approx(2 / 3)
    image.requires_grad_()
    figure("edge", image, background=blue).sum().backward()
    assert image.grad[:, :, 2:-2, 2:-2].abs().max() == 0
    border = 32 * 48 - 28 * 44
    assert image.grad[0, 0, 0, 0].item() == pytest.approx(2 * 1 / 3 / border)


def test_seam_is_zero_when_copies_join():
    down = torch.linspace(0, 2 * torch.pi, 9)
    periodic = (0.5 + 0.5 * down.cos()).view(1, 1, 9, 1).expand(1, 3, 9, 10)
    assert figure("seam", periodic.clone()).item() == pytest.approx(0, abs=1e-12)
    image = halves(plain(0.2, 0.2, 0.2), plain(0.8, 0.5, 0.2)).requires_grad_()
    value = figure("seam", image)
    assert value.item() == pytest.approx((0.6**2 + 0.3**2) / 3 / 2)
    value.sum().backward()
    assert image.grad[..., 1:-1].abs().max() == 0
    assert image.grad[0, 0, 4, -1].item() == pytest.approx(2 * 0.6 / 3 / 8 / 2)


class Towers(Guide):
    """A guide whose maps are known: the picture at half size, and its square."""

    layer_count = 2
    name = "towers"

    def features(self, images, layers):
        halved = functional.avg_pool2d(images, 2)
        return [[halved, halved.square()][layer] for layer in layers]

    def encode_image(self, images):
        return functional.normalize(images.mean(dim=(2, 3)), dim=-1)

    def encode_text(self, texts):
        raise NotImplementedError

    def use_precision(self, precision):
        raise NotImplementedError


def guided(**pictures: torch.Tensor) -> LossContext:
    return LossContext(make("pixel"), [Towers()], pictures)


def test_style_is_the_relative_distance_of_means_and_deviations():
    wanted = halves(plain(0, 0, 0), plain(1, 1, 1))
    image = plain(0.25, 0.25, 0.25, width=20)
    value = losses.get("style")(image, guided(style=wanted)).item()
    # of the style: mean 1/2, deviation 1/2, mean square 1/2 in both layers; of the picture: x, 0 and x^2, 0
    expected = [((each - 0.5) ** 2 + 0.5**2) / (0.5 * 1.01) for each in (0.25, 0.25**2)]
    assert value == pytest.approx(sum(expected) / 2, rel=1e-3)


def test_style_does_not_look_where_things_are_but_features_do():
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    assert losses.get("style")(image.flip(-1), guided(style=image)).item() == pytest.approx(0, abs=1e-6)
    assert losses.get("features")(image.flip(-1), guided(target=image)).item() > 0.01
    assert losses.get("features")(image, guided(target=image)).item() == pytest.approx(0, abs=1e-6)


def test_features_are_the_relative_distance_of_maps():
    wanted, image = plain(0.5, 0.5, 0.5), plain(0.4, 0.4, 0.4)
    value = losses.get("features")(image, guided(target=wanted)).item()
    assert value == pytest.approx(
        ((0.25 - 0.16) ** 2 / (0.25**2 * 1.01)) / 2 + (0.1**2 / (0.25 * 1.01)) / 2, rel=1e-3
    )


@pytest.mark.parametrize(("name", "option"), [("style", "--style"), ("features", "--target")])
def test_a_missing_reference_is_told(name: str, option: str):
    assert losses.traits(name).needs_guide
    with pytest.raises(UsageError, match=option):
        losses.get(name)(plain(0, 0, 0), guided())
    with pytest.raises(UsageError, match="--guide"):
        figure(name, plain(0, 0, 0), pictures={"style": plain(0, 0, 0), "target": plain(0, 0, 0)})
