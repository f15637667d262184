"""The collage renderer against its dense oracle, and its own promises."""

from __future__ import annotations

import math

import kornia
import numpy as np
import pytest
import torch

from artgen.assets import Patch
from artgen.errors import UsageError
from artgen.renderers.collage import Collage
from artgen.renderers.collage.recolour import hsv_to_rgb, recolour, rgb_to_hsv
from artgen.renderers.collage.renderer import CollageOptions
from artgen.types import Size, Window
from tests.reference import collage as reference
from tests.reference import collage_scene as scenes

SMALL = Size(96, 96)
every_mode = pytest.mark.parametrize("mode", scenes.MODES)


def small_scene(mode: str, **options: object) -> Collage:
    return scenes.scene(mode, count=20, side=96, **options)


def closeness(mode: str) -> float:
    """The soft order takes powers of the order, which enlarge float32's rounding; in float64 it is 0.0002 of 1/255."""
    return (1.0 if mode == "opacity" else 0.1) / 255


@pytest.fixture(scope="module")
def dense_layers() -> torch.Tensor:
    """[P, N, 4, 224, 224] the fixed scene's layers by the oracle; they are the same for all modes."""
    with torch.no_grad():
        return scenes.dense_layers(scenes.scene("over"), (224, 224))


@every_mode
def test_the_fixed_scene_equals_the_oracle(mode: str, dense_layers: torch.Tensor):
    """Worst seen: 0.02 of 1/255, and 0.7 with the soft order."""
    renderer = scenes.scene(mode)
    with torch.no_grad():
        found = renderer(Size(224, 224))
        expected = reference.blend(mode, dense_layers, renderer.order)
    assert (found - expected).abs().max() < closeness(mode)
    assert found[:, 3].mean() > 0.3


@every_mode
@pytest.mark.parametrize("size", [Size(96, 96), Size(50, 131), Size(301, 40)], ids=str)
def test_any_size_equals_the_oracle(mode: str, size: Size):
    renderer = small_scene(mode)
    if mode == "masked_transparency_normed":  # the greatest sum is taken at the canvas's own size
        renderer.canvas = size
    with torch.no_grad():
        found, expected = renderer(size), scenes.dense(renderer, tuple(size))
    assert (found - expected).abs().max() < closeness(mode)


@every_mode
def test_gradients_equal_the_oracles(mode: str):
    renderer = small_scene(mode, population=1).double()
    weights = torch.randn(1, 4, *SMALL, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    (renderer(SMALL) * weights).sum().backward()
    found = {name: each.grad for name, each in renderer.named_parameters() if each.grad is not None}
    renderer.zero_grad()
    (scenes.dense(renderer, tuple(SMALL)) * weights).sum().backward()
    expected = {name: each.grad for name, each in renderer.named_parameters() if each.grad is not None}
    assert set(found) >= {"translation", "rotation", "scale", "squeeze", "shear", "colour"}
    assert ("order" in found and found["order"].abs().max() > 0) == (mode == "opacity")
    for name in set(found) & set(expected):
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-3, msg=f"{mode} {name}")


def test_clip_clops_two_passes_agree_where_they_are_defined_alike():
    """Whole-pixel moves of patches that stay on their canvases; the second pass then does not blur."""
    renderer, size = scenes.whole_pixel_scene(), (224, 224)
    textures = scenes.pixel_maps(renderer, size)[0]
    assert all(texture.shape[1] % 2 == texture.shape[2] % 2 == 0 for texture in textures)
    with torch.no_grad():
        layers = scenes.two_pass_layers(renderer, size)
        for mode in scenes.MODES:
            renderer.options = renderer.options.model_copy(update={"blending": mode})
            expected = reference.blend(mode, layers, renderer.order)
            assert (renderer(Size(*size)) - expected).abs().max() < 1 / 255, mode


def test_patches_shown_small_are_filtered_before():
    """A fine chequer far away must look grey, not alias."""
    chequer = np.indices((128, 128)).sum(0) % 2 * 255
    pixels = np.stack([chequer, chequer, chequer, np.full_like(chequer, 255)], -1).astype(np.uint8)
    options = CollageOptions(count=1, colour="none", min_scale=0.2, max_scale=0.2, max_shear=0)
    renderer = Collage(options, Size(64, 64), patches=[Patch("chequer", "test", pixels)])
    renderer.init(1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        renderer.translation.zero_()
        renderer.rotation.fill_(0.3)
        renderer.squeeze.fill_(1)
        middle = renderer(Size(64, 64))[0, :3, 29:35, 29:35]
    assert (middle - 0.5).abs().max() < 0.06


def test_nothing_hidden_or_clear_is_sampled():
    """What an opaque patch hides costs nothing, and leaving it out changes no pixel."""
    from artgen.renderers.binning import TileGrid
    from artgen.renderers.collage.sampling import sample

    pixels = np.full((64, 64, 4), 255, np.uint8)
    options = CollageOptions(count=30, min_scale=0.9, max_scale=0.9, colour="rgb")
    renderer = Collage(options, Size(64, 64), patches=[Patch("square", "test", pixels)])
    renderer.init(1, torch.Generator().manual_seed(0))
    scene = renderer.scene(Size(64, 64), renderer.painting_order())
    grid = TileGrid(1, Window(0, 0, 64, 64), 8)
    visible, all_ = (len(sample(scene, grid, ordered).layers) for ordered in (True, False))
    assert visible < 0.3 * all_
    with torch.no_grad():
        assert (renderer(Size(64, 64)) - scenes.dense(renderer, (64, 64))).abs().max() < 0.1 / 255


def test_hsv_factors_against_kornia():
    generator = torch.Generator().manual_seed(1)
    colour = torch.rand(7, 3, 50, generator=generator)
    alpha = torch.rand(7, 1, 50, generator=generator) * 0.9 + 0.1
    factors = torch.rand(7, 3, generator=generator)
    found = recolour("hsv", torch.cat([colour * alpha, alpha], 1), factors)
    hsv = kornia.color.rgb_to_hsv(colour[..., None])[..., 0] * factors[..., None]
    expected = kornia.color.hsv_to_rgb(hsv[..., None])[..., 0] * alpha
    torch.testing.assert_close(found, torch.cat([expected, alpha], 1), atol=2e-5, rtol=0)


def test_hsv_round_trip_and_gradient():
    generator = torch.Generator().manual_seed(2)
    colour = torch.rand(3, 3, 9, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(hsv_to_rgb(*rgb_to_hsv(colour).unbind(1)), colour)
    layers = torch.cat([colour, torch.ones(3, 1, 9, dtype=torch.float64)], 1)
    factors = (torch.rand(3, 3, generator=generator, dtype=torch.float64) * 0.5 + 0.3).requires_grad_()
    assert torch.autograd.gradcheck(lambda each: recolour("hsv", layers, each), (factors,))


def test_hsv_scene_has_true_gradients():
    renderer = small_scene("over", population=1, colour="hsv").double()
    weights = torch.randn(1, 4, *SMALL, generator=torch.Generator().manual_seed(5), dtype=torch.float64)

    def value() -> torch.Tensor:
        return (renderer(SMALL) * weights).mean()

    value().backward()
    direction = torch.randn(
        renderer.colour.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64
    )
    with torch.no_grad():
        expected = 0.0
        for sign in (1, -1):
            renderer.colour.add_(direction, alpha=sign * 1e-6)
            expected += sign * value().item() / 2e-6
            renderer.colour.sub_(direction, alpha=sign * 1e-6)
    assert (renderer.colour.grad * direction).sum().item() == pytest.approx(expected, rel=1e-3)


def test_no_gradient_reaches_the_patches_pixels():
    renderer = small_scene("over")
    renderer(SMALL).sum().backward()
    assert all(
        atlas.texture.grad is None and not atlas.texture.requires_grad for atlas in renderer._atlases.values()
    )


def test_inverted_on_white_is_one_minus_the_picture_on_black():
    """As CLIP-CLOP's option: `1 - y`."""
    renderer = small_scene("transparency")
    with torch.no_grad():
        plain = renderer(SMALL)[:, :3]
        renderer.options = renderer.options.model_copy(update={"invert": True})
        inverted = renderer(SMALL)
    torch.testing.assert_close(inverted[:, :3] + 1 - inverted[:, 3:], 1 - plain)


def test_bounds_hold_after_projection_and_only_then():
    renderer = small_scene("over", max_shear=0.1, min_rotation=-20, max_rotation=30)
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter.fill_(99.0)
    assert renderer(SMALL).isfinite().all()
    renderer.project_()
    greatest = {name: each.detach().max().item() for name, each in renderer.named_parameters()}
    assert greatest["rotation"] == pytest.approx(math.radians(30))
    assert greatest["shear"] == pytest.approx(0.1)
    assert greatest["translation"] == pytest.approx(0.5 + renderer.options.margin)
    assert greatest["colour"] == 1


def test_full_turns_wrap_instead_of_stopping():
    renderer = small_scene("over")
    with torch.no_grad():
        renderer.rotation.fill_(math.pi + 0.5)
        renderer.project_()
    assert torch.allclose(renderer.rotation, torch.tensor(0.5 - math.pi))


def test_locked_patches_stay_in_place_through_steps_and_mutation():
    renderer = small_scene("over")
    before = {name: tensor.detach()[:, 3].clone() for name, tensor in renderer.named_parameters()}
    renderer.lock([3])
    optimiser = torch.optim.Adam(renderer.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        renderer(SMALL).square().mean().backward()
        optimiser.step()
        renderer.project_()
    assert not torch.equal(renderer.translation[:, 2], before["translation"])
    for name in ("translation", "scale", "colour", "order"):
        assert torch.equal(getattr(renderer, name)[:, 3], before[name]), name
    renderer.mutate_(0, 1, torch.Generator().manual_seed(1))
    assert torch.equal(renderer.translation[1, 3], before["translation"][0])
    with pytest.raises(UsageError, match="no patch 20"):
        renderer.lock([20])


@every_mode
def test_removed_patches_are_gone_and_the_others_stay(mode: str):
    """In float64, because the soft order jumps where alpha passes a half, which float32 rounds otherwise."""
    renderer = small_scene(mode).double()
    renderer.lock([3])
    before = {name: value.clone() for name, value in renderer.state().items()}
    change = renderer.remove([0, 7])
    rest = [index for index in range(20) if index not in (0, 7)]
    for name, value in renderer.state().items():
        expected = before[name] if name in renderer.per_candidate else before[name][:, rest]
        assert torch.equal(value, expected), name
    assert all(source.tolist() == rest for source in change.source.values())
    with torch.no_grad():
        renderer.canvas = SMALL
        found, expected = renderer(SMALL), scenes.dense(renderer, tuple(SMALL))
        assert (found - expected).abs().max() < closeness(mode)
        renderer.translation += 0.1
        renderer.project_()
    assert torch.equal(renderer.translation[:, 2], before["translation"][:, 3])  # locked as number 3
    for wrong, said in (([20], "no patch 20"), ([7], "no patch 7"), (rest, "no patch would be left")):
        with pytest.raises(UsageError, match=said):
            renderer.remove(list(wrong))


def test_mutation_exchanges_some_patches_and_moves_some():
    renderer = scenes.scene("over", population=2, swaps=0.1, mutated=0.3)
    renderer.mutate_(0, 1, torch.Generator().manual_seed(4))
    exchanged = (renderer.patch[0] != renderer.patch[1]).float().mean()
    moved = (renderer.translation[0] != renderer.translation[1]).any(-1).float().mean()
    assert 0.02 < exchanged < 0.25 and 0.15 < moved < 0.45


def test_every_patch_is_used_about_equally_often():
    counts = scenes.scene("over", population=1, count=120).patch[0].bincount(minlength=40)
    assert counts.min() == counts.max() == 3


def test_a_state_of_other_patch_sets_is_refused():
    renderer = small_scene("over")
    state = {name: tensor.clone() for name, tensor in renderer.state().items()}
    state["patch"][0, 0] = 40
    with pytest.raises(UsageError, match="only 40"):
        renderer.load_state(state)


def test_large_atlases_hold_only_what_is_in_use(monkeypatch):
    from artgen.renderers.collage import renderer as collage

    renderer = small_scene("over")
    with torch.no_grad():
        whole = renderer(SMALL)
        monkeypatch.setattr(collage, "WHOLE_ATLAS", 1000)
        renderer.forget_textures()
        renderer.patch[1] = renderer.patch[0]
        first = renderer(SMALL)
        assert len(next(iter(renderer._atlases.values())).contents) <= 20
        renderer.patch[1, 0] = (renderer.patch[0].max() + 1) % 40
        assert torch.allclose(
            renderer(SMALL)[0], first[0], atol=2e-4
        )  # textures lie elsewhere, so round otherwise
    assert torch.allclose(first[0], whole[0], atol=2e-4)


def test_bands_without_a_gradient_have_the_same_bits(monkeypatch):
    from artgen.renderers.collage import renderer as collage

    renderer = small_scene("over")
    with torch.no_grad():
        whole = renderer(SMALL)
        monkeypatch.setattr(collage, "BAND_PIXELS", 2000)
        assert torch.equal(renderer(SMALL), whole)


def test_init_from_a_picture_looks_like_it():
    y = torch.linspace(0, 1, 96)[:, None].expand(96, 96)
    picture = torch.stack([y, 1 - y, torch.full_like(y, 0.3)])[None]
    renderer = scenes.scene("over", population=2, count=150, side=96, patches="shapes")
    renderer.init_from(picture, torch.Generator().manual_seed(0))
    with torch.no_grad():
        canvas = renderer(SMALL)
    seen = (canvas[:, :3] + (1 - canvas[:, 3:]) * 0.5).mean(3)
    assert canvas[:, 3].mean() > 0.35  # blobs cover about half of their boxes
    assert (seen[0, 0, 60:].mean() - seen[0, 0, :36].mean()) > 0.15
    assert (seen[0, 1, :36].mean() - seen[0, 1, 60:].mean()) > 0.1
