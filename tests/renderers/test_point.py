"""Pointing at elements, against leaving each one out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from artgen.config import options_from
from artgen.errors import UsageError
from artgen.renderers import Renderer, renderers
from artgen.renderers.base import Surroundings
from artgen.renderers.collage import Collage
from artgen.renderers.point import (
    LEAST_SHARE,
    elements_at,
    elements_in,
    shares_at,
    shares_by_gradient,
    shares_of,
)
from artgen.renderers.silhouette import outline, path_around
from artgen.renderers.strokes import Strokes
from artgen.renderers.strokes.start import InitialStrokes
from artgen.svg.path_data import parse_path
from artgen.types import Canvas, Size, Window
from tests.reference import leave_out

SIZE = Size(64, 64)
POINTS = 200

STROKES = {
    "strokes": {},
    "strokes, wide": {"width": 0.1},
    "strokes, opaque": {"width": 0.1, "opaque": True},
    "strokes, linear light": {"width": 0.1, "blend": "linear"},
    "strokes, black ink": {"width": 0.1, "ink": "black"},
    "strokes, palette": {"width": 0.1, "palette": "dusk"},
    "strokes, tapered on nothing": {"width": 0.1, "taper": 0.3, "paper": "transparent"},
    "shapes": {"shape": "closed", "width": 0.1},
}
PATCHES = {
    "over": {},
    "over, own colours": {"colour": "none"},
    "over, hsv": {"colour": "hsv"},
    "opacity": {"blending": "opacity"},
    "transparency": {"blending": "transparency"},
    "transparency, own colours": {"blending": "transparency", "colour": "none"},
    "clipped": {"blending": "masked_transparency_clipped"},
    "normed": {"blending": "masked_transparency_normed"},
}
CELLS = {
    "squares": {},
    "hexagons": {"shape": "hex"},
    "palette": {"shape": "triangle", "palette": "dusk", "dither": 1.0},
    "blocks": {"levels": 3},
}


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    """These tensors are so small that a second thread only waits."""
    torch.set_num_threads(1)


def make(name: str, options: dict, population: int = 2, clear: bool = False) -> Renderer:
    kind = renderers.get(name)
    renderer = kind(options_from(kind.Options, options, name), SIZE, Surroundings(transparent=clear))
    renderer.init(population, torch.Generator().manual_seed(0))
    return renderer


def points() -> list[tuple[float, float]]:
    drawn = torch.rand(POINTS, 2, generator=torch.Generator().manual_seed(5)).tolist()
    return [(x, y) for x, y in drawn]


def pixel_at(x: float, y: float) -> tuple[int, int]:
    return int(y * SIZE.height), int(x * SIZE.width)


def compare(renderer: Renderer, least: float = LEAST_SHARE) -> int:
    """Return at how many points exactly those elements are found whose absence changes the pixel.

    Every element whose absence changes a pixel by `least` must be found.
    """
    changes = leave_out.differences(renderer, SIZE)  # [N, P, H, W]
    equal = 0
    for number, (x, y) in enumerate(points()):
        candidate = number % renderer.population
        change = changes[:, candidate, *pixel_at(x, y)]  # [N]
        found = set(elements_at(renderer, x, y, candidate=candidate))

        needed = set((change > least).nonzero()[:, 0].tolist())
        assert needed <= found, (x, y, change[sorted(needed - found)])
        seen = set((change > LEAST_SHARE).nonzero()[:, 0].tolist())
        equal += found == seen
    return equal


def check_shares(renderer: Strokes | Collage) -> None:
    """Compare the shares of all elements found with the definition of the blending mode."""
    expected = [leave_out.shares(renderer, index, SIZE) for index in range(renderer.population)]
    most = 0
    for number, (x, y) in enumerate(points()):
        candidate = number % renderer.population
        found = shares_at(renderer, x, y, candidate=candidate)
        most = max(most, len(found))
        at_point = expected[candidate][:, *pixel_at(x, y)]  # [N]
        for element, share in found.items():
            assert share == pytest.approx(at_point[element].item(), abs=2e-3)
        hidden = [element for element, share in enumerate(at_point.tolist()) if share > 0.01]
        assert set(hidden) <= set(found)
    assert most > 1


@pytest.mark.parametrize("options", STROKES.values(), ids=STROKES)
def test_strokes_at_200_points_equal_leaving_each_out(options: dict):
    """Equal at 195 to 200 points. At the others a stroke of a share below 0.04 changes its pixel by less than half
    a level. Black strokes on black ones change nothing, but show."""
    renderer = make("strokes", {"strokes": 60} | options)
    # a little light changes a dark pixel of a picture blended in linear light by up to 13 times its share
    least = 13 * LEAST_SHARE if options.get("blend") == "linear" else LEAST_SHARE
    equal = compare(renderer, least)
    assert equal >= (100 if options.get("ink") == "black" else 190)
    check_shares(renderer)


@pytest.mark.parametrize("options", PATCHES.values(), ids=PATCHES)
def test_patches_at_200_points_equal_leaving_each_out(options: dict):
    """Equal at 197 to 200 points, with the same reason as for strokes. Where the sum of light is clipped, a patch
    can be left out without a change, but shows."""
    renderer = make("collage", {"count": 40} | options)
    equal = compare(renderer)
    assert equal >= 190
    check_shares(renderer)


@pytest.mark.parametrize("clear", [False, True], ids=["opaque", "clear"])
@pytest.mark.parametrize("options", CELLS.values(), ids=CELLS)
def test_cells_at_200_points_equal_leaving_each_out(options: dict, clear: bool):
    renderer = make("pixel", {"cells": 8} | options, clear=clear)
    if clear:
        with torch.no_grad():
            renderer.alpha[:, :, :4].zero_()
    equal = compare(renderer)
    assert equal == POINTS
    counts = [len(elements_at(renderer, x, y)) for x, y in points()]
    assert set(counts) == ({0, 1} if clear else {1})


def test_the_number_of_a_cell_counts_row_by_row():
    renderer = make("pixel", {"grid": "5x4"})
    assert elements_at(renderer, 0.1, 0.1) == [0]
    assert elements_at(renderer, 0.9, 0.3) == [9]
    assert elements_at(renderer, 1.0, 1.0) == [19]
    coarse = make("pixel", {"grid": "5x4", "levels": 2})
    assert elements_at(coarse, 0.1, 0.1) == elements_at(coarse, 0.39, 0.49) == [0]
    assert elements_at(coarse, 0.9, 0.6) == [5]


# --- crossing strokes, laid out by hand --------------------------------------------


def line(y: float, x0: float = 0.1, x1: float = 0.9) -> Tensor:
    """A straight stroke across, as [4, 2] control points."""
    return torch.tensor([[x0, y], [x0 + 0.3, y], [x1 - 0.3, y], [x1, y]])


def laid_out(lines: list[Tensor], **values: list[float]) -> Strokes:
    """Strokes in the given order, 0.1 wide and opaque unless `values` say otherwise."""
    renderer = make("strokes", {"strokes": len(lines)}, population=1)
    count = len(lines)
    begin = InitialStrokes(
        torch.stack(lines)[None],
        torch.tensor([values.get("width", [0.1] * count)]),
        torch.linspace(0, 1, count)[None, :, None].expand(1, count, 3).clone(),
        torch.tensor([values.get("opacity", [1.0] * count)]),
    )
    renderer.set_strokes(begin)
    return renderer


def test_the_topmost_stroke_is_last_and_covered_ones_are_not_listed():
    over_each_other = laid_out([line(0.5)] * 3, opacity=[1.0, 1.0, 0.5])
    assert elements_at(over_each_other, 0.5, 0.5) == [1, 2]
    assert shares_at(over_each_other, 0.5, 0.5) == pytest.approx({1: 0.5, 2: 0.5})


def test_clear_strokes_and_strokes_of_no_width_are_not_listed():
    assert elements_at(laid_out([line(0.5)] * 2, opacity=[1.0, 0.0]), 0.5, 0.5) == [0]
    assert elements_at(laid_out([line(0.5)] * 2, width=[0.1, 0.0]), 0.5, 0.5) == [0]


def test_a_stroke_in_the_colour_of_the_paper_shows():
    renderer = laid_out([line(0.5)])
    with torch.no_grad():
        renderer.colour.fill_(1)
    assert elements_at(renderer, 0.5, 0.5) == [0]
    assert elements_at(renderer, 0.5, 0.8) == []


def test_a_radius_finds_what_is_near():
    renderer = laid_out([line(0.3), line(0.5)])
    assert elements_at(renderer, 0.5, 0.4) == []
    assert elements_at(renderer, 0.5, 0.42, radius=0.05) == [1]
    assert elements_at(renderer, 0.5, 0.4, radius=0.1) == [0, 1]
    assert elements_at(renderer, 0.0, 0.0, radius=1.0) == [0, 1]
    area = sum(shares_at(renderer, 0.5, 0.5, radius=0.05, size=Size(400, 400)).values())
    assert area == pytest.approx(torch.pi * 20**2, rel=0.02)


def test_a_polygon_finds_what_is_inside():
    renderer = laid_out([line(0.2), line(0.5), line(0.8)])
    assert elements_in(renderer, [(0.2, 0.4), (0.8, 0.4), (0.5, 1.2)]) == [1, 2]
    assert elements_in(renderer, [(-1.0, -1.0), (2.0, -1.0), (2.0, 2.0), (-1.0, 2.0)]) == [0, 1, 2]
    assert elements_in(renderer, [(0.2, 0.3), (0.8, 0.3), (0.5, 0.4)]) == []
    assert elements_in(renderer, [(0.5, 0.5)] * 3) == [1]
    assert elements_in(renderer, [(2.0, 2.0)] * 3) == []


def test_a_polygon_finds_the_union_of_its_pixels():
    renderer = make("collage", {"count": 30})
    corners = [(0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5)]
    single = set()
    for row in range(16, 32):
        for column in range(16, 32):
            at_pixel = shares_at(renderer, (column + 0.5) / 64, (row + 0.5) / 64, candidate=1)
            single |= {element for element, share in at_pixel.items() if share > 0.5}
    found = elements_in(renderer, corners, candidate=1)
    assert single and single <= set(found)
    order = renderer.order[1].tolist()
    assert [order[element] for element in found] == sorted(order[element] for element in found)


def test_the_size_decides_which_pixel_is_under_the_point():
    renderer = laid_out([line(0.5)])
    assert elements_at(renderer, 0.5, 0.57, size=Size(4, 4)) == [0]
    assert elements_at(renderer, 0.5, 0.57, size=Size(400, 400)) == []


def test_every_candidate_is_pointed_at_by_itself():
    renderer = make("strokes", {"strokes": 40})
    for x, y in points()[:20]:
        for candidate in range(2):
            alone = renderer.candidate(candidate)
            assert elements_at(renderer, x, y, candidate=candidate) == elements_at(alone, x, y)


@pytest.mark.parametrize("name", renderers.names())
def test_pointing_changes_nothing(name: str):
    renderer = make(name, {})
    before = {key: tensor.clone() for key, tensor in renderer.state().items()}
    picture = renderer(SIZE)
    elements_at(renderer, 0.4, 0.6)
    shares_by_gradient(renderer, SIZE, Window(3, 3, 9, 9), torch.ones(6, 6))
    assert all(torch.equal(tensor, before[key]) for key, tensor in renderer.state().items())
    assert all(parameter.grad is None for parameter in renderer.parameters())
    assert torch.equal(renderer(SIZE), picture)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((1.5, 0.5), "x 1.5 is outside"),
        ((0.5, -0.1), "y -0.1 is outside"),
        ((float("nan"), 0.5), "x nan is outside"),
        ((0.5, 0.5, 2.0), "radius 2.0 is outside"),
        ((0.5, 0.5, 0.0, 2), "no candidate 2; they are numbered 0 to 1"),
        ((0.5, 0.5, 0.0, -1), "no candidate -1"),
    ],
)
def test_wrong_points_are_refused(arguments: tuple, reason: str):
    with pytest.raises(UsageError, match=reason):
        elements_at(make("strokes", {"strokes": 3}), *arguments)


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        ([(0.0, 0.0), (1.0, 1.0)], "2 corners"),
        ([(0.0, 0.0), (1.0, 0.0), (float("inf"), 1.0)], "not finite"),
    ],
)
def test_wrong_polygons_are_refused(polygon: list, reason: str):
    with pytest.raises(UsageError, match=reason):
        elements_in(make("strokes", {"strokes": 3}), polygon)


# --- renderers that say nothing about their elements -------------------------------


class Spots(Renderer):
    """Soft discs without ids, a later one above an earlier one, with a grey in place of a colour."""

    def init(self, population: int, generator: torch.Generator) -> None:
        self.centre = nn.Parameter(torch.rand(population, 12, 2, generator=generator))
        self.grey = nn.Parameter(torch.rand(population, 12, generator=generator))

    def coverage(self, size: Size) -> Tensor:
        """[P, 12, H, W] coverage by each disc."""
        down = (torch.arange(size.height) + 0.5)[:, None] / size.height
        across = (torch.arange(size.width) + 0.5) / size.width
        x, y = self.centre[..., None, None].unbind(2)
        return (5 - 20 * ((across - x).square() + (down - y).square()).sqrt()).clamp(0, 1)

    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        canvas = torch.ones(self.population, 4, *size)
        for coverage, grey in zip(self.coverage(size).unbind(1), self.grey.unbind(1), strict=True):
            colour = torch.cat([grey[:, None].expand(-1, 3), torch.ones_like(grey[:, None])], 1)
            canvas = canvas + (colour[..., None, None] - canvas) * coverage[:, None]
        rows, columns = window.slices_in(Window(0, 0, *size))
        return canvas[:, :, rows, columns]

    def parameter_groups(self) -> list:
        return []


class Discs(Spots):
    """The same discs with ids from 100 on."""

    def element_ids(self) -> Tensor:
        return 100 + torch.arange(12).expand(self.population, 12)


def test_a_renderer_needs_only_ids_to_be_pointed_at():
    renderer = Discs(Discs.Options(), SIZE)
    renderer.init(2, torch.Generator().manual_seed(0))
    listed = 0
    for number, (x, y) in enumerate(points()):
        candidate = number % 2
        coverage = renderer.coverage(SIZE)[candidate, :, *pixel_at(x, y)].tolist()
        expected = []
        for element in reversed(range(12)):
            if coverage[element] > 0:
                expected.append(100 + element)
            if coverage[element] == 1:
                break
        assert elements_at(renderer, x, y, candidate=candidate) == expected[::-1]
        listed += len(expected)
    assert listed > 150


@pytest.mark.parametrize("options", [{}, {"width": 0.1}, {"ink": "black"}, {"palette": "dusk"}])
def test_the_gradient_of_any_picture_gives_the_strokes_own_shares(options: dict):
    renderer = make("strokes", {"strokes": 40} | options)
    window, weight = Window(10, 20, 40, 60), torch.rand(30, 40)
    own = shares_of(renderer, SIZE, window, weight)
    assert own.max() > 1
    torch.testing.assert_close(shares_by_gradient(renderer, SIZE, window, weight), own, atol=1e-3, rtol=1e-4)


def test_a_renderer_without_elements_is_refused():
    renderer = Spots(Spots.Options(), SIZE)
    renderer.init(1, torch.Generator().manual_seed(0))
    for ask in (lambda: elements_at(renderer, 0.5, 0.5), lambda: outline(renderer, 0, SIZE)):
        with pytest.raises(UsageError, match="no elements"):
            ask()


# --- outlines ----------------------------------------------------------------------


def area(path: str, size: Size) -> Tensor:
    """[H, W] the pixels inside an outline of straight lines, by the even-odd rule."""
    from skimage.draw import polygon2mask

    inside = torch.zeros(size, dtype=torch.bool)
    for subpath in parse_path(path):
        corners = [(curve[0].imag - 0.5, curve[0].real - 0.5) for curve in subpath.curves]
        inside ^= torch.from_numpy(polygon2mask(size, corners))
    return inside


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("strokes", {"width": 0.1}),
        ("strokes", {"shape": "closed", "segments": 4}),
        ("collage", {}),
        ("collage", {"invert": True}),
    ],
)
def test_an_outline_encloses_what_the_element_covers(name: str, options: dict):
    renderer, size = make(name, options), Size(128, 128)
    single, checked = renderer.candidate(1), 0
    layers = [layer for layer in single.layers(size) if "element" in layer.metadata]
    for layer in layers[:30]:
        alpha = torch.zeros(size)
        height, width = layer.image.shape[1:]
        alpha[layer.top : layer.top + height, layer.left : layer.left + width] = layer.image[3]
        covered = alpha > alpha.max() / 2
        if covered.sum() < 40:
            continue

        inside = area(outline(renderer, layer.metadata["element"], size, candidate=1), size)
        overlap = (inside & covered).sum() / (inside | covered).sum()
        assert overlap > 0.85
        checked += 1
    assert checked > 4


def test_the_outline_of_a_cell_is_its_shape():
    renderer = make("pixel", {"grid": "4x4"})
    assert outline(renderer, 5, Size(40, 80)) == "M20 10L40 10L40 20L20 20Z"
    assert outline(make("pixel", {"grid": "4x4", "levels": 2}), 3, Size(40, 40)).count("Z") == 1
    hexagons, size = make("pixel", {"shape": "hex", "cells": 6}), Size(100, 100)
    for element in (3, 10, 17):
        inside = area(outline(hexagons, element, size), size)
        y, x = inside.nonzero().float().mean(0).tolist()
        assert elements_at(hexagons, (x + 0.5) / 100, (y + 0.5) / 100) == [element]


def test_an_element_outside_the_picture_has_no_outline():
    assert outline(laid_out([line(0.5), line(-0.2)]), 1, SIZE) == ""
    assert path_around(torch.zeros(3, 3)) == ""


def test_the_outline_of_an_unknown_element_is_refused():
    with pytest.raises(UsageError, match="no element 3"):
        outline(make("strokes", {"strokes": 3}), 3, SIZE)
