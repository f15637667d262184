"""Masks, transparency and tiling: what they promise for every renderer."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import resvg_py
import torch
from PIL import Image as Pillow

from artgen.config import CutoutOptions, RunConfig
from artgen.errors import InputError
from artgen.export.masked_svg import with_mask
from artgen.guides.cutouts import draw_homographies, sample_views
from artgen.images import read_opaque, read_picture, to_pillow
from artgen.renderers import renderers
from artgen.renderers.background import Background, make_background, random_backgrounds
from artgen.renderers.compositing import put_over
from artgen.runs.paint import paint, painting, resume
from artgen.types import WHOLE, Region, Size
from tests.driving import drive

SMALL = {"strokes": {"strokes": "8"}, "collage": {"patches": "shapes", "count": 6}, "pixel": {"cells": 12}}
WHITE = torch.ones(3, 1, 1)


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mask: the left half may change."""
    pixels = np.zeros((48, 48), dtype=np.uint8)
    pixels[:, :24] = 255
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    Pillow.fromarray(pixels).save(path)
    return path


def configuration(tiny_guide: str, renderer: str = "pixel", **changes: object) -> RunConfig:
    values: dict[str, object] = {
        "prompts": "a blue rabbit",
        "guides": tiny_guide,
        "renderer": renderer,
        "options": SMALL[renderer],
        "steps": 6,
        "seed": 7,
        "canvas": "48x48",
        "size": "48x48",
        "cutouts": {"count": 2},
        "precision": "float32",
        "timelapse": {"kind": "none"},
    }
    return RunConfig.make(values | changes)


def random_canvas(population: int = 2, height: int = 6) -> torch.Tensor:
    draws = torch.rand(population, 4, height, 8, generator=torch.Generator().manual_seed(0))
    return torch.cat([draws[:, :3] * draws[:, 3:], draws[:, 3:]], dim=1)


@pytest.mark.parametrize("renderer", renderers.names())
def test_what_is_black_in_the_mask_stays(
    renderer: str, tiny_guide: str, photograph: Path, disc: Path, tmp_path: Path
):
    config = configuration(tiny_guide, renderer, mask=str(disc), target=str(photograph), losses={"target": 0})
    painted = read_opaque(paint(config, tmp_path / "run").picture)
    kept = read_opaque(photograph)
    assert (painted - kept)[..., 25:].abs().max() <= 1 / 255 + 1e-6
    assert (painted - kept)[..., :23].abs().mean() > 0.03


def test_masked_pixels_take_no_gradient_and_the_others_all_of_it():
    mask = torch.zeros(1, 1, 6, 8)
    mask[..., :3] = 1
    kept = random_canvas(1).flip(-1)
    canvas = random_canvas().requires_grad_()
    shown = Background(WHITE, mask, kept).masked(canvas)
    assert torch.equal(shown[..., 3:], kept[..., 3:].expand(2, -1, -1, -1))
    assert torch.equal(shown[..., :3], canvas[..., :3])
    shown.sum().backward()
    assert torch.equal(canvas.grad, mask.expand_as(canvas))


def test_a_half_grey_mask_mixes():
    mask = torch.full((1, 1, 3, 4), 0.25)
    kept = torch.cat([torch.zeros(1, 3, 6, 8), torch.ones(1, 1, 6, 8)], dim=1)
    shown = Background(WHITE, mask, kept).opaque(torch.ones(1, 4, 6, 8))
    torch.testing.assert_close(shown, torch.full((1, 3, 6, 8), 0.25))


def test_without_a_picture_to_keep_the_background_shows():
    background = Background(torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1), torch.zeros(1, 1, 6, 8))
    shown = background.opaque(random_canvas())
    torch.testing.assert_close(shown, background.colour.expand(2, 3, 6, 8))


def test_start_is_kept_before_target(photograph: Path, disc: Path, tiny_guide: str, tmp_path: Path):
    start = tmp_path / "start.png"
    Pillow.new("RGBA", (20, 20), (255, 0, 0, 128)).save(start)
    config = configuration(tiny_guide, mask=str(disc), init=str(start), target=str(photograph))
    kept = make_background(config).kept
    torch.testing.assert_close(kept[0, :, 3, 3], torch.tensor([128 / 255, 0, 0, 128 / 255]))


def test_svg_under_a_mask_shows_what_the_png_shows():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    kept = random_canvas(1, height=8)
    kept[:, 3] = 1
    background = Background(WHITE, mask, kept)
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><path fill="#ff0000" d="M0 0h8v8h-8z"/></svg>'
    red = torch.tensor([1.0, 0, 0, 1]).view(1, 4, 1, 1).expand(1, 4, 8, 8)
    expected = np.asarray(to_pillow(background.masked(red)[0])).astype(int)
    png = bytes(resvg_py.svg_to_bytes(svg_string=with_mask(svg, background, Size(8, 8))))
    found = np.asarray(Pillow.open(io.BytesIO(png)).convert("RGBA")).astype(int)
    assert np.abs(found - expected).max() <= 2
    assert with_mask(svg, Background(WHITE), Size(8, 8)) == svg


@pytest.mark.parametrize("renderer", renderers.names())
def test_a_transparent_picture_keeps_its_alpha(renderer: str, tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide, renderer, transparent=True, clear=0.9, steps=12)
    alpha = read_picture(paint(config, tmp_path / "run").picture)[:, 3]
    assert alpha.min() < 0.5
    same = paint(config, tmp_path / "again").picture
    assert torch.equal(read_picture(same)[:, 3], alpha)


def test_transparency_is_judged_on_backgrounds_that_change():
    background = Background(WHITE, transparent=True, clear=0.5)
    clear = torch.zeros(1, 4, 32, 32)
    generator = torch.Generator().manual_seed(0)
    seen = [background.judged(clear, [generator]) for _ in range(50)]
    assert not torch.equal(seen[0], seen[1])
    mean = torch.stack(seen).mean(dim=(0, 1, 3, 4))
    torch.testing.assert_close(mean, torch.full((3,), 0.5), atol=0.1, rtol=0)
    opaque = torch.cat([torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)], dim=1)
    assert torch.equal(background.judged(opaque, [generator]), opaque[:, :3])


def test_random_backgrounds_have_two_colours_in_nearly_equal_parts():
    backgrounds = random_backgrounds(Size(64, 48), [torch.Generator().manual_seed(each) for each in range(6)])
    for background in backgrounds:
        colours, counts = background.flatten(1).T.unique(dim=0, return_counts=True)
        assert len(colours) == 2
        assert counts.min() > 0.2 * counts.sum()
    alone = random_backgrounds(Size(64, 48), [torch.Generator().manual_seed(2)])
    assert torch.equal(alone[0], backgrounds[2])


def test_excess_opacity_is_what_is_missing_to_the_clear_part():
    canvas = torch.zeros(2, 4, 10, 10)
    canvas[0, 3, :8] = 1
    canvas[1, 3, :3] = 1
    canvas.requires_grad_()
    excess = Background(WHITE, transparent=True, clear=0.4).opacity_excess(canvas)
    torch.testing.assert_close(excess, torch.tensor([0.2, 0.0]))
    excess.sum().backward()
    torch.testing.assert_close(canvas.grad[0, 3], torch.full((10, 10), 0.01))
    assert canvas.grad[1].abs().max() == 0 and canvas.grad[:, :3].abs().max() == 0


def test_the_opacity_is_in_the_metrics_and_the_loss(tiny_guide: str, tmp_path: Path):
    nothing = dict.fromkeys(renderers.get("pixel").default_losses, 0)
    config = configuration(tiny_guide, transparent=True, clear=0.9, steps=1, losses=nothing)
    paint(config, tmp_path / "run")
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    (prompt,) = (figure for name, figure in line.items() if name.startswith("prompt"))
    assert line["opacity"] == pytest.approx([0.9 - 0.25])  # cells start with an alpha of 0.75
    assert line["losses"] == pytest.approx([prompt[0] + 0.65])


def test_put_over_a_colour_and_over_another_picture():
    canvas, below = random_canvas(), random_canvas().flip(0, 2)
    expected = canvas[:, :3] + (1 - canvas[:, 3:]) * 0.5
    torch.testing.assert_close(put_over(canvas, torch.full((3, 1, 1), 0.5)), expected)
    torch.testing.assert_close(put_over(canvas, below), canvas + (1 - canvas[:, 3:]) * below)


def streams() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(5)]


def test_wrapped_views_are_views_of_the_repeated_picture():
    """The oracle: the picture three times across and down, sampled where the view lies."""
    image = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    options = CutoutOptions(count=12, smallest=0.6, largest=0.9, perspective=0.3)
    homographies = draw_homographies(options, [WHOLE], Size(40, 40), streams(), wrap=True)
    views = sample_views(image, homographies, Size(48, 48), wrap=True)
    thirds = torch.tensor([1 / 3, 1 / 3, 1.0])[:, None] * homographies
    torch.testing.assert_close(
        views, sample_views(image.repeat(1, 1, 3, 3), thirds, Size(48, 48)), atol=1e-3, rtol=0
    )
    corners = homographies[0] @ torch.tensor([1.0, 1.0, 1.0])
    assert (corners[:, :2] / corners[:, 2:] > 1).any()


def test_wrapping_gives_every_pixel_the_same_share():
    """Without it, views reach the edges less often than the middle."""
    options = CutoutOptions(count=400, smallest=0.7, largest=0.7, perspective=0)

    def shares(wrap: bool) -> torch.Tensor:
        image = torch.zeros(1, 3, 24, 24, requires_grad=True)
        homographies = draw_homographies(options, [WHOLE], Size(24, 24), streams(), wrap)
        sample_views(image, homographies, Size(24, 24), wrap).sum().backward()
        return image.grad[0, 0]

    wrapped, plain = shares(True), shares(False)
    assert wrapped[0].mean() == pytest.approx(wrapped[11].mean().item(), rel=0.15)
    assert plain[0].mean() < 0.5 * plain[11].mean()


def test_regions_do_not_wrap():
    region = Region(0.25, 0.25, 0.75, 0.75)
    options = CutoutOptions(count=20)
    plain, wrapped = (
        draw_homographies(options, [region], Size(40, 40), streams(), wrap) for wrap in (False, True)
    )
    assert torch.equal(plain, wrapped)


def test_a_wrapped_run_has_the_same_bits_twice(tiny_guide: str, tmp_path: Path):
    config = configuration(tiny_guide, wrap=True, transparent=True)
    one, two = (paint(config, tmp_path / name).picture.read_bytes() for name in ("one", "two"))
    assert one == two


def test_local_files_are_listed(tiny_guide: str):
    config = configuration(tiny_guide, mask="m.png", style="s.png", palette="p.gpl")
    assert {"m.png", "s.png", "p.gpl"} <= set(config.local_files())
    assert "#fff,red" not in configuration(tiny_guide, palette="#fff,red").local_files()


def test_stopped_and_resumed_with_all_of_it_gives_the_same_bits(tiny_guide: str, disc: Path, tmp_path: Path):
    config = configuration(
        tiny_guide,
        options={"cells": 12, "colours": 4, "dither": 0.5, "shape": "hex"},
        transparent=True,
        wrap=True,
        mask=str(disc),
        style=str(disc),
        population=2,
        steps=10,
    )
    paint(config, tmp_path / "whole")
    drive(painting(config, tmp_path / "parts"), stop_after=4)
    resume(tmp_path / "parts")
    for name in ("image.png", "candidate-2.png", "image.svg", "checkpoint.safetensors", "metrics.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("renderer", renderers.names())
def test_a_picture_may_be_the_background(renderer: str, tiny_guide: str, photograph: Path, tmp_path: Path):
    """What the mask keeps is the background, whose picture shows there at any size, and gives the shape."""
    wide = tmp_path / "wide.png"
    with Pillow.open(photograph) as picture:
        picture.convert("RGB").crop((0, 0, 48, 24)).save(wide)
    half = tmp_path / "half.png"
    Pillow.fromarray(np.repeat([[255, 0]], 24, axis=1).repeat(24, axis=0).astype(np.uint8)).save(half)
    values = {"background": str(wide), "mask": str(half), "canvas": None, "size": None}
    config = configuration(tiny_guide, renderer, **values)
    assert config.local_files()[:2] == [str(half), str(wide)]
    with Pillow.open(paint(config, tmp_path / "run").picture) as picture:
        assert picture.width == pytest.approx(2 * picture.height, rel=0.1)
        painted = np.asarray(picture.convert("RGB").resize((48, 24), Pillow.Resampling.BOX)).astype(float)
    kept = read_opaque(wide)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(painted - kept)[:, 26:].mean() < 3
    assert np.abs(painted - kept)[:, :22].max() > 50


def test_a_background_that_is_no_picture_is_told():
    for background, said in (
        ("nowhere.png", "no such picture"),
        ("x/y", "no such"),
        ("whit", "not a colour"),
    ):
        with pytest.raises(InputError, match=said):
            make_background(RunConfig(prompts="x", background=background))
