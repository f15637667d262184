"""The bundled guide's image tower: meaning and look side by side."""

from __future__ import annotations

import pytest
import timm
import torch
from torch.nn import functional

from artgen.guides import towers

AXES = 7


@pytest.fixture(scope="module")
def tower() -> towers.DoodleTower:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return timm.create_model("doodle_tower", num_classes=towers.MEANING + AXES).eval()


def pictures(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(count)) * 2 - 1


def test_cosines_of_meaning_and_look_are_averaged(tower: towers.DoodleTower):
    embedded = tower(pictures())
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(3))
    meaning, look = embedded[:, : towers.MEANING], embedded[:, towers.MEANING :]
    share = tower.share
    cosine = functional.cosine_similarity(embedded[:1], embedded[1:])
    apart = (
        functional.cosine_similarity(meaning[:1], meaning[1:]),
        functional.cosine_similarity(look[:1], look[1:]),
    )
    torch.testing.assert_close(cosine, (1 - share) * apart[0] + share * apart[1])


def test_a_look_is_linear_in_the_small_picture(tower: towers.DoodleTower):
    image = pictures(1)
    small = functional.interpolate(image, size=(towers.GLANCE, towers.GLANCE), mode="area").flatten(1)
    expected = small @ tower.look.axes.weight.T + tower.look.axes.bias
    torch.testing.assert_close(tower.look(image), expected)
    torch.testing.assert_close(tower.look(image.contiguous(memory_format=torch.channels_last)), expected)


def test_the_gradient_of_a_look_leads_to_its_picture(tower: towers.DoodleTower):
    """From any canvas, a step along it brings the small picture's coordinates nearer to the wanted ones."""
    wanted = functional.normalize(tower.look(pictures(2)[:1]), dim=1).detach()
    canvas = pictures(1).requires_grad_()
    before = (functional.normalize(tower.look(canvas), dim=1) * wanted).sum()
    (slope,) = torch.autograd.grad(before, canvas)
    after = (functional.normalize(tower.look(canvas + 0.5 * slope / slope.norm()), dim=1) * wanted).sum()
    assert after > before + 1e-4


def test_its_maps_are_those_of_the_network(tower: towers.DoodleTower):
    image = pictures()
    maps = tower.forward_intermediates(image, indices=[0, 3], intermediates_only=True)
    torch.testing.assert_close(maps[1], tower.body(image))
    assert maps[0].shape == (3, 64, 16, 16)


def test_unused_outputs_are_left_out_and_cost_nothing(tower: towers.DoodleTower, monkeypatch):
    unused = torch.zeros(towers.MEANING + AXES, dtype=torch.bool)
    assert not tower.skip_outputs(unused).skips_meaning
    unused[: towers.MEANING] = True
    lighter, image = tower.skip_outputs(unused), pictures()
    whole = tower(image)
    monkeypatch.setattr(tower.body, "forward", lambda image: pytest.fail("the network was asked"))
    led = lighter(image)
    assert not led[:, : towers.MEANING].any()
    assert torch.equal(led[:, towers.MEANING :], whole[:, towers.MEANING :])
    assert not tower.skips_meaning


@pytest.fixture
def binding() -> towers.Binding:
    """Of features that are the rough name (10), the colour (4) and whether there is a thing (1)."""
    made = towers.Binding(towers.ROUGH + towers.SHADES + 1)
    eye = torch.eye(towers.ROUGH + towers.SHADES + 1)[:, :, None, None]
    made.names.weight.data, made.keys.weight.data = eye[: towers.ROUGH], eye[towers.ROUGH :]
    for layer in (made.names, made.keys):
        layer.bias.data.zero_()
    return made


def scene(*things: tuple[int, int, int, int]) -> torch.Tensor:
    """Features [1, 15, 4, 4] of things (name, colour, row, column)."""
    places = torch.zeros(1, towers.ROUGH + towers.SHADES + 1, 4, 4)
    for name, colour, row, column in things:
        places[0, [name, towers.ROUGH + colour, -1], row, column] = 1
    return places


def test_binding_is_the_mean_of_outer_products(binding: towers.Binding):
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(2, towers.ROUGH + towers.SHADES + 1, 4, 4, generator=generator)
    expected = torch.zeros(2, towers.SHADES + 2, towers.ROUGH)
    for row in range(4):
        for column in range(4):
            name, colour, thing = features[..., row, column].split([towers.ROUGH, towers.SHADES, 1], 1)
            thing = thing.clamp_min(0)
            place = thing * torch.tensor([column, row]) / 1.5 - thing
            expected += torch.cat([colour, place], 1)[:, :, None] * name[:, None] / 16
    torch.testing.assert_close(binding(features), expected.flatten(1))


def test_binding_tells_which_thing_has_which_colour_and_place(binding: towers.Binding):
    red_cat_blue_dog = binding(scene((0, 0, 1, 0), (1, 1, 1, 3)))
    swapped = binding(scene((0, 1, 1, 0), (1, 0, 1, 3)))
    turned = binding(scene((1, 1, 1, 0), (0, 0, 1, 3)))
    shades = towers.SHADES * towers.ROUGH
    assert not torch.equal(red_cat_blue_dog[:, :shades], swapped[:, :shades])
    assert torch.equal(red_cat_blue_dog[:, shades:], swapped[:, shades:])
    assert torch.equal(red_cat_blue_dog[:, :shades], turned[:, :shades])
    across = red_cat_blue_dog[0, shades : shades + towers.ROUGH]
    assert across[0] < 0 < across[1]
    torch.testing.assert_close(turned[0, shades : shades + towers.ROUGH], -across)
