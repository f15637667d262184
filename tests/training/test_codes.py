"""Meanings made of parts: words told in another order are near, words bound otherwise are far."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

from torch.nn import functional as F  # noqa: E402

from training import captions, codes, common  # noqa: E402
from training.captions import Plan, Thing  # noqa: E402

CAT, DOG = 0, 1
RED, BLUE = 0, 4


@pytest.fixture(scope="module")
def coder() -> codes.Codes:
    draw = lambda *shape: torch.randn(*shape, generator=common.generator("test codes"))  # noqa: E731
    prototypes = F.normalize(draw(20, codes.NAME), dim=1)
    shown = F.normalize(prototypes + 0.02 * draw(20, codes.NAME), dim=1)
    rough = F.normalize(draw(20, codes.ROUGH), dim=1)
    return codes.Codes(shown, prototypes, rough, {i: i for i in range(20)})


def pair(first: tuple[int, int], second: tuple[int, int], caption: str, upright: bool = False) -> Plan:
    """Two things, (icon, colour) each, the first on the left or above."""
    places = ((0.5, 0.27), (0.5, 0.73)) if upright else ((0.27, 0.5), (0.73, 0.5))
    things = [
        Thing(icon, colour, x, y, 0.4, 0.0, False)
        for (icon, colour), (x, y) in zip((first, second), places, strict=True)
    ]
    return Plan(things, -1, caption, "", first[0], "pair")


def alone(icon: int, colour: int = -1, background: int = -1, caption: str = "", count: int = 1) -> Plan:
    things = [Thing(icon, colour, 0.5, 0.5, 0.7, 0.0, False)] * count
    return Plan(things, background, caption, "", icon, "single" if count == 1 else "count")


def cosines(ours: torch.Tensor, *others: torch.Tensor) -> list[float]:
    return [float(F.cosine_similarity(ours, other)) for other in others]


def test_meanings_are_of_unit_length(coder: codes.Codes) -> None:
    plans = [
        alone(CAT),
        alone(DOG, RED, BLUE, "on a blue background", 3),
        pair((CAT, RED), (DOG, -1), "x and y"),
    ]
    for meanings in (coder.of_pictures(plans), coder.of_captions(plans), coder.of_names(torch.eye(20))):
        assert meanings.shape[1] == codes.WIDTH
        torch.testing.assert_close(meanings.norm(dim=1), torch.ones(len(meanings)))


def test_a_picture_is_nearest_to_its_own_caption_when_colours_are_swapped(coder: codes.Codes) -> None:
    drawn = coder.of_pictures([pair((CAT, RED), (DOG, BLUE), "a red cat and a blue dog")])
    true = coder.of_captions([pair((CAT, RED), (DOG, BLUE), "a red cat and a blue dog")])
    turned = coder.of_captions([pair((DOG, BLUE), (CAT, RED), "a blue dog and a red cat")])
    swapped = coder.of_captions([pair((CAT, BLUE), (DOG, RED), "a blue cat and a red dog")])
    right, same, wrong = cosines(drawn, true, turned, swapped)
    assert right == pytest.approx(same, abs=1e-5)
    assert right > wrong + 0.05


def test_a_relation_told_from_either_side_means_the_same(coder: codes.Codes) -> None:
    above = pair((CAT, -1), (DOG, -1), "a cat above a dog", upright=True)
    below = Plan(above.things[::-1], -1, "a dog below a cat", "", DOG, "pair")
    false = pair((DOG, -1), (CAT, -1), "a dog above a cat", upright=True)
    ours, same, wrong = coder.of_captions([above, below, false])
    assert float(ours @ same) == pytest.approx(1, abs=1e-5)
    assert float(ours @ wrong) < 0.95


def test_places_count_only_where_they_are_told(coder: codes.Codes) -> None:
    one = pair((CAT, -1), (DOG, -1), "a cat and a dog")
    other = pair((DOG, -1), (CAT, -1), "a dog and a cat")
    assert torch.allclose(coder.of_captions([one]), coder.of_captions([other]), atol=1e-6)
    assert not torch.allclose(coder.of_pictures([one]), coder.of_pictures([other]), atol=1e-2)


def test_backgrounds_colours_and_numbers_are_told_apart(coder: codes.Codes) -> None:
    plans = [
        alone(CAT, RED),
        alone(CAT, BLUE),
        alone(CAT, RED, BLUE, "a red cat on a blue background"),
        alone(CAT, RED, caption="two red cats", count=2),
        alone(DOG, RED),
    ]
    meanings = coder.of_captions(plans)
    alike = meanings @ meanings.T - torch.eye(len(plans))
    assert alike.max() < 0.98


def test_colours_are_far_from_each_other(coder: codes.Codes) -> None:
    alike = coder.colours @ coder.colours.T - torch.eye(len(coder.colours))
    assert alike.max() < 0.25


def test_rough_names_are_those_a_small_picture_tells() -> None:
    generator = common.generator("rough")
    prototypes = F.normalize(torch.randn(50, codes.NAME, generator=generator), dim=1)
    names = torch.arange(50).repeat(20)
    seen = prototypes[:, :12] - prototypes[:, :12].mean(0)
    pictures = seen[names] + 0.001 * torch.randn(1000, 12, generator=generator)
    rough = codes.rough(prototypes, pictures, names)
    assert rough.shape == (50, codes.ROUGH)
    torch.testing.assert_close(rough.norm(dim=1), torch.ones(50))
    told = torch.linalg.lstsq(seen, rough).solution
    assert F.cosine_similarity(seen @ told, rough, dim=1).mean() > 0.9
    blind = torch.linalg.lstsq(prototypes[:, 12:24], rough).solution
    assert F.cosine_similarity(prototypes[:, 12:24] @ blind, rough, dim=1).mean() < 0.8


def test_only_scenes_without_left_and_right_may_be_mirrored() -> None:
    assert not codes.mirrors(pair((CAT, -1), (DOG, -1), "a cat and a dog"))
    assert codes.mirrors(pair((CAT, -1), (DOG, -1), "a cat above a dog", upright=True))
    portrait = captions.Plan(alone(CAT).things, -1, "", "", CAT, "single", may_flip=False)
    assert not codes.mirrors(portrait)
