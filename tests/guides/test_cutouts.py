from __future__ import annotations

import pytest
import torch
from kornia.geometry.transform import warp_perspective
from torch.nn import functional

from artgen.config import CutoutOptions
from artgen.guides.base import Variation
from artgen.guides.cutouts import draw_homographies, sample_views, varied
from artgen.types import WHOLE, Region, Size


def streams(count: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(index) for index in range(count)]


def kornia_views(image: torch.Tensor, homographies: torch.Tensor, side: Size) -> torch.Tensor:
    """The oracle: kornia's warp of the picture, one view after another."""
    height, width = image.shape[-2:]
    to_pixels = torch.diag(torch.tensor([float(width), float(height), 1.0]))
    from_view = torch.diag(torch.tensor([1 / side.width, 1 / side.height, 1.0]))
    half = torch.tensor([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    warps = half.inverse() @ to_pixels @ homographies @ from_view @ half
    views = [
        warp_perspective(image, warp[None].inverse(), side, align_corners=True, padding_mode="border")
        for warp in warps
    ]
    return torch.cat(views)


@pytest.mark.parametrize("canvas", [Size(40, 40), Size(36, 52)], ids=str)
def test_enlarging_views_are_kornias_warps(canvas: Size):
    image = torch.rand(1, 3, *canvas, generator=torch.Generator().manual_seed(1))
    side = Size(48, 48)
    homographies = draw_homographies(CutoutOptions(count=6, perspective=0.4), [WHOLE], canvas, streams())
    views = sample_views(image, homographies, side)[0]
    torch.testing.assert_close(views, kornia_views(image, homographies[0], side), atol=2e-4, rtol=0)


def test_shrinking_views_are_kornias_warps_of_the_mipmap():
    image = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    side = Size(24, 24)
    options = CutoutOptions(count=5, smallest=0.95, largest=1.0, perspective=0.1)
    homographies = draw_homographies(options, [WHOLE], Size(96, 128), streams())
    views = sample_views(image, homographies, side)[0]
    level = functional.avg_pool2d(functional.avg_pool2d(image, 2), 2)
    torch.testing.assert_close(views, kornia_views(level, homographies[0], side), atol=2e-4, rtol=0)


def test_every_pixel_gets_its_gradient_when_shrunk():
    image = torch.rand(1, 3, 448, 448, requires_grad=True)
    options = CutoutOptions(count=1, smallest=1, largest=1, perspective=0, flip=0)
    homographies = draw_homographies(options, [WHOLE], Size(448, 448), streams())
    sample_views(image, homographies, Size(64, 64)).sum().backward()
    gradient = image.grad
    assert (gradient > 0).all()
    assert gradient.max() < 3 * gradient.mean()


def test_gradient_against_finite_differences():
    options = CutoutOptions(count=2, perspective=0.3)
    homographies = draw_homographies(options, [WHOLE], Size(20, 14), streams(2))
    image = torch.rand(2, 3, 20, 14, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda each: sample_views(each, homographies, Size(5, 6)), image, fast_mode=True)


def test_views_stay_in_their_region():
    """A picture that is lit only inside the region gives views that are lit everywhere."""
    region = Region(0.5, 0.25, 1.0, 0.75)
    image = torch.zeros(1, 3, 80, 80)
    image[..., 20:60, 40:80] = 1
    homographies = draw_homographies(
        CutoutOptions(count=20, perspective=0.5), [region], Size(80, 80), streams()
    )
    inside = sample_views(image, homographies, Size(16, 16))
    assert inside.min() > 0.45
    assert inside.mean() > 0.97


def test_whole_crop_without_chance_is_the_picture():
    image = torch.rand(1, 3, 32, 32)
    options = CutoutOptions(count=1, smallest=1, largest=1, perspective=0, flip=0)
    homographies = draw_homographies(options, [WHOLE], Size(32, 32), streams())
    torch.testing.assert_close(sample_views(image, homographies, Size(32, 32))[0], image, atol=1e-5, rtol=0)


def test_flips_are_mirrored():
    image = torch.rand(1, 3, 32, 32)
    options = CutoutOptions(count=1, smallest=1, largest=1, perspective=0, flip=1)
    homographies = draw_homographies(options, [WHOLE], Size(32, 32), streams())
    torch.testing.assert_close(
        sample_views(image, homographies, Size(32, 32))[0], image.flip(-1), atol=1e-5, rtol=0
    )


def test_a_candidates_views_do_not_depend_on_the_others():
    options = CutoutOptions(count=3)
    together = draw_homographies(options, [WHOLE], Size(32, 32), streams(3))
    alone = draw_homographies(options, [WHOLE], Size(32, 32), streams(3)[1:2])
    assert torch.equal(together[1:2], alone)


def test_wide_pictures_are_not_squeezed():
    """Crops of a 4:1 canvas have sides of at most 4:3, so that things keep their shape."""
    homographies = draw_homographies(CutoutOptions(count=8, perspective=0), [WHOLE], Size(64, 256), streams())
    width = homographies[0, :, 0, 0].abs() * 256
    height = homographies[0, :, 1, 1] * 64
    assert ((width / height) < 1.34).all()


def test_what_is_given_beats_what_the_guide_likes():
    liked = Variation(smallest=0.9, perspective=0.02, flip=0.0)
    options = varied(CutoutOptions(perspective=0.3, count=5), liked)
    assert (options.smallest, options.perspective, options.flip, options.count) == (0.9, 0.3, 0, 5)
    assert varied(CutoutOptions(largest=0.7), liked).smallest == 0.7


def test_unsettled_options_vary_as_any_guide_likes_it():
    open_, told = CutoutOptions(count=8), CutoutOptions(count=8, smallest=0.8, perspective=0.1, flip=0.5)
    drawn = [draw_homographies(each, [WHOLE], Size(32, 32), streams()) for each in (open_, told)]
    assert torch.equal(*drawn)
