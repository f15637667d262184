from __future__ import annotations

import io
import re

import numpy as np
import pytest
import resvg_py
import torch
from PIL import Image as Pillow
from torch.utils._python_dispatch import TorchDispatchMode

from artgen.config import options_from
from artgen.errors import UsageError
from artgen.images import to_pillow
from artgen.renderers.base import Surroundings
from artgen.renderers.pixel import Pixel
from artgen.renderers.pixel.cells import LATTICES
from artgen.renderers.pixel.palette import bayer_thresholds, to_palette
from artgen.renderers.pixel.renderer import PixelOptions
from artgen.types import Size

every_shape = pytest.mark.parametrize("shape", LATTICES)


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    """These tensors are so small that a second thread only waits."""
    torch.set_num_threads(1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture() -> torch.Tensor:
    """Three discs on a gradient."""
    size = Size(60, 80)
    down = torch.linspace(0, 1, size.height)[:, None].expand(size)
    across = torch.linspace(0, 1, size.width)[None].expand(size)
    image = torch.stack([0.2 + 0.6 * across, 0.4 + 0.4 * down, 0.8 - 0.5 * across])
    for y, x, colour in ((0.3, 0.3, (0.9, 0.1, 0.1)), (0.6, 0.7, (0.1, 0.2, 0.9)), (0.7, 0.2, (1, 1, 0.2))):
        disc = ((down - y).square() + (across - x).square() < 0.03)[None]
        image = torch.where(disc, torch.tensor(colour).view(3, 1, 1), image)
    return image[None]


def make(population: int = 1, transparent: bool = False, **options: object) -> Pixel:
    checked = PixelOptions(**({"cells": 12, "levels": 1} | options))
    canvas = Pixel.default_canvas(checked, 4 / 3, 48)
    renderer = Pixel(checked, canvas, Surroundings(transparent=transparent))
    renderer.init(population, generator())
    return renderer


def drawn(svg: str) -> np.ndarray:
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
    return np.asarray(Pillow.open(io.BytesIO(png)).convert("RGBA")).astype(int)


@every_shape
@pytest.mark.parametrize("palette", [None, "rainbow16"])
def test_svg_shows_what_the_png_shows(shape: str, palette: str | None):
    renderer = make(shape=shape, palette=palette)
    renderer.init_from(picture(), generator())
    for size in (Size(96, 128), Size(112, 88)):  # no upright or level edge goes through a pixel's centre
        expected = np.asarray(to_pillow(renderer(size)[0])).astype(int)
        found = drawn(renderer.to_svg(size))
        assert found.shape == expected.shape
        different = (np.abs(found - expected).max(axis=-1) > 2).mean()
        assert different < 0.015, different


def test_svg_merges_neighbours():
    renderer = make(palette="#000000,#ffffff")
    with torch.no_grad():
        renderer.colour[:] = 0
        renderer.colour[..., 2:5, 3:9] = 1
    svg = renderer.to_svg(Size(90, 120))
    assert svg.count("<path") == 2
    assert 'd="M3 2h6v3h-6z"' in svg


def test_svg_of_a_transparent_picture_leaves_clear_cells_out():
    renderer = make(transparent=True)
    with torch.no_grad():
        renderer.alpha.zero_()
        renderer.alpha[..., 4, 5] = 0.5
        renderer.colour[:] = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    svg = renderer.to_svg(Size(9, 12))
    assert re.findall(r'<path fill="(#\w+)" fill-opacity="([\d.]+)"', svg) == [("#ff0000", "0.5020")]
    expected = np.asarray(to_pillow(renderer(Size(9, 12))[0])).astype(int)
    assert np.abs(drawn(svg) - expected).max() <= 2


def test_too_many_cells_have_no_svg():
    assert make(cells=512, grid="512x512").to_svg(Size(512, 512)) is None


@every_shape
def test_every_export_has_only_the_cells_colours(shape: str):
    renderer = make(shape=shape)
    colours = set(map(tuple, renderer.shown()[0].flatten(1).T.tolist()))
    for size in (Size(9, 12), Size(100, 130)):
        shown = set(map(tuple, renderer(size)[0].flatten(1).T.tolist()))
        assert shown <= colours


@every_shape
def test_the_mean_colour_under_each_cell_is_its_start(shape: str):
    renderer = make(shape=shape, cells=20)
    renderer.init_from(picture(), generator())
    error = (renderer(Size(60, 80))[:, :3] - picture()).abs().mean().item()
    assert error < 0.06
    again = make(shape=shape, cells=20)
    again.init_from(renderer(Size(240, 320))[:, :3].detach(), generator())
    torch.testing.assert_close(again(Size(60, 80)), renderer(Size(60, 80)), atol=0.05, rtol=0)


def test_square_cells_are_the_separable_form():
    """The oracle: two matrices with a one where a pixel's centre is in a cell."""
    renderer = make(cells=7, levels=3)
    size = Size(31, 45)
    down, across = (
        torch.nn.functional.one_hot(((torch.arange(n) + 0.5) * c / n).long(), c).float()
        for n, c in zip(size, renderer.grid, strict=True)
    )
    blocks = [torch.block_diag(*[torch.full((n, n), 1 / n) for n in sizes]) for sizes in ([4, 1], [4, 3])]
    cells = blocks[0] @ renderer.colour @ blocks[1].T
    torch.testing.assert_close(renderer(size)[:, :3], down @ cells @ across.T, atol=1e-6, rtol=0)


@pytest.mark.parametrize("options", [{"palette": "dusk"}, {"colours": 5}, {"palette": "dusk", "dither": 1.0}])
def test_shown_colours_are_the_palettes_exactly(options: dict):
    renderer = make(population=2, **options)
    renderer.init_from(picture(), generator())
    palette = renderer.palette.detach().expand(2, -1, -1)
    for index in range(2):
        shown = renderer(Size(18, 24))[index, :3].flatten(1).T
        assert (shown[:, None] == palette[index]).all(dim=-1).any(dim=-1).all()


def test_each_cell_takes_its_nearest_colour():
    colour = torch.rand(2, 3, 5, 4, generator=generator())
    palettes = torch.rand(2, 6, 3, generator=generator(1))
    shown = to_palette(colour, palettes).permute(0, 2, 3, 1)
    distances = (colour.permute(0, 2, 3, 1)[..., None, :] - palettes[:, None, None]).norm(dim=-1)
    best = distances.argmin(dim=-1)
    for p in range(2):
        assert torch.equal(shown[p], palettes[p][best[p]])


def test_the_gradient_goes_straight_through_and_to_the_chosen_colour():
    colour = torch.rand(1, 3, 5, 4, generator=generator(), requires_grad=True)
    palettes = torch.rand(1, 6, 3, generator=generator(1), requires_grad=True)
    weights = torch.rand(1, 3, 5, 4, generator=generator(2))
    (to_palette(colour, palettes) * weights).sum().backward()
    assert torch.equal(colour.grad, weights)
    nearest = torch.cdist(colour.detach().flatten(2)[0].T, palettes.detach()[0]).argmin(dim=1)
    expected = torch.zeros(6, 3).index_add(0, nearest, weights.flatten(2)[0].T)
    torch.testing.assert_close(palettes.grad[0], expected)


def test_dithering_mixes_two_colours_in_the_right_proportion():
    palette = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]])
    for grey in (0.1, 0.25, 0.49, 0.8):
        shown = to_palette(torch.full((1, 3, 32, 32), grey), palette, dither=1.0)
        assert shown.mean().item() == pytest.approx(grey, abs=1 / 64)
        assert to_palette(torch.full((1, 3, 32, 32), grey), palette).mean().item() == float(grey >= 0.5)


def test_bayer_thresholds_are_all_different_and_spread_evenly():
    thresholds = bayer_thresholds(8, 8)
    assert torch.equal(thresholds.flatten().sort().values, (torch.arange(64) + 0.5) / 64 - 0.5)
    for block in (thresholds[:4, :4], thresholds[2:6, 4:8], thresholds[6:8, 2:4]):
        assert abs(block.mean().item()) < 0.05
    known = torch.tensor([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    assert torch.equal((thresholds[:4, :4] + 0.5).mul(16).floor().long(), known)


def test_a_learned_palette_fits_a_picture_better_than_a_given_one():
    def error(**options: object) -> float:
        renderer = make(cells=24, **options)
        renderer.init_from(picture(), generator())
        return (renderer(Size(60, 80))[:, :3] - picture()).square().mean().item()

    free, learned, given = error(), error(colours=8), error(palette="spectrum")
    assert free < learned < given


def test_a_learned_palette_is_learned():
    """Fitting from random colours: the loss falls to near that of the palette's best choice."""
    renderer = make(colours=6, cells=16)
    groups = [
        {"params": [renderer.get_parameter(n) for n in g.parameters], "lr": g.learning_rate}
        for g in renderer.parameter_groups()
    ]
    optimiser = torch.optim.Adam(groups)
    losses = []
    for step in range(80):
        renderer.advance(step / 80, generator())
        optimiser.zero_grad()
        loss = (renderer(Size(60, 80))[:, :3] - picture()).square().mean()
        loss.backward()
        optimiser.step()
        renderer.project_()
        losses.append(loss.item())
    clustered = make(colours=6, cells=16)
    clustered.init_from(picture(), generator())
    reached = (clustered(Size(60, 80))[:, :3] - picture()).square().mean().item()
    assert losses[-1] < 0.3 * losses[0]
    assert losses[-1] < 1.7 * reached


def test_opacity_is_hard_with_a_palette_and_soft_without():
    soft, hard = make(transparent=True), make(transparent=True, palette="dusk")
    for renderer in (soft, hard):
        with torch.no_grad():
            renderer.alpha.copy_(torch.rand(renderer.alpha.shape, generator=generator()))
    assert set(hard(Size(9, 12))[:, 3].unique().tolist()) == {0.0, 1.0}
    assert len(soft(Size(9, 12))[:, 3].unique()) > 50
    (hard(Size(9, 12))[:, 3].sum()).backward()
    torch.testing.assert_close(hard.alpha.grad, torch.ones_like(hard.alpha))


def test_declares_its_surrogate_gradients():
    assert not make().surrogate_gradients
    assert make(palette="dusk").surrogate_gradients and make(colours=3).surrogate_gradients


def test_names_the_palette_it_used():
    assert make(palette="tango").assets_used()[0]["licence"] == "Public domain"
    assert make().assets_used() == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"palette": "dusk", "colours": 4}, "contradict"),
        ({"dither": 0.5}, "--palette or --colours"),
        ({"shape": "hexagon"}, "hex"),
    ],
)
def test_contradictions_are_told(options: dict, reason: str):
    with pytest.raises(UsageError, match=reason):
        options_from(PixelOptions, options, "renderer pixel")


def test_a_renewed_palette_has_the_colours_that_cells_wish_for():
    renderer = make(population=2, colours=2)
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    with torch.no_grad():
        renderer.palette.fill_(0.5)
        renderer.colour.copy_(red.view(3, 1, 1).expand_as(renderer.colour))
        renderer.colour[:, :, :4] = blue.view(3, 1, 1)
    renderer.advance(0.05, generator())
    assert renderer.palette.unique().tolist() == [0.5]
    renderer.advance(0.2, generator())
    assert {tuple(colour) for colour in renderer.palette[1].tolist()} == {
        tuple(red.tolist()),
        tuple(blue.tolist()),
    }
    with torch.no_grad():
        renderer.palette.fill_(0.5)
    renderer.advance(0.24, generator())
    assert renderer.palette.unique().tolist() == [0.5]


class HostReads(TorchDispatchMode):
    """Counts how often a tensor's value is read, for which a GPU would have to finish first."""

    count = 0

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        self.count += operation is torch.ops.aten._local_scalar_dense.default
        return operation(*arguments, **(keywords or {}))


@pytest.mark.parametrize("options", [{}, {"colours": 3}], ids=["free", "learned palette"])
def test_a_step_reads_no_tensor_on_the_host(options: dict):
    renderer = make(population=2, levels=3, **options)
    with HostReads() as reads:
        for progress in (0.0, 0.2, 0.4, 0.9):
            renderer.advance(progress, generator())
            renderer(renderer.canvas).sum().backward()
            renderer.project_()
    assert reads.count == 0
    with HostReads() as reads:
        int(renderer.level[0])
    assert reads.count == 1


def test_a_loaded_state_brings_its_level():
    early, late = make(levels=3, colours=2), make(levels=3, colours=2)
    late.advance(0.4, generator())
    assert not torch.equal(early(early.canvas), late(late.canvas))
    early.load_state(late.state())
    assert torch.equal(early(early.canvas), late(late.canvas))
    before = early.palette.clone()
    early.advance(0.4, generator())
    assert torch.equal(early.palette, before)
    assert torch.equal(late.candidate(0)(late.canvas), late(late.canvas))
