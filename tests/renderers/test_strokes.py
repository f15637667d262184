"""The strokes renderer: growing, editing, SVG, sizes, awkward scenes."""

import io

import numpy as np
import pytest
import resvg_py
import torch
from PIL import Image
from pydantic import ValidationError

from artgen.config import RunConfig
from artgen.errors import InputError, UsageError
from artgen.renderers.base import Feedback, renderers
from artgen.runs.defaults import resolve
from artgen.types import Size, Window

CANVAS = Size(64, 96)
SHAPES = {
    "open": {"shape": "open"},
    "tapered": {"shape": "open", "taper": 0.3},
    "nonzero": {"shape": "closed"},
    "evenodd": {"shape": "closed", "fill": "evenodd"},
}


def make(seed=0, population=1, canvas=CANVAS, **options):
    kind = renderers.get("strokes")
    renderer = kind(kind.Options(**{"strokes": 12, "width": 0.06, **options}), canvas)
    renderer.init(population, torch.Generator().manual_seed(seed))
    return renderer


def crossing(renderer, seed=1):
    """Make the paths long enough to cross themselves."""
    noise = torch.randn(renderer.points.shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        renderer.points.add_(0.2 * noise)
    renderer.project_()
    return renderer


def resvg(svg):
    picture = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGB")
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("size", [Size(64, 96), Size(256, 384)], ids=str)
def test_svg_rasterised_by_resvg_is_our_own_picture(kind, size):
    renderer = crossing(make(strokes=30, paper="#ffeedd", **SHAPES[kind]))
    with torch.no_grad():
        mine = renderer(size)[0, :3]
    difference = (resvg(renderer.to_svg(size)) - mine).abs()
    assert difference.mean() < 2 / 255  # worst seen: 0.8 / 255
    assert mine.std() > 0.05


@pytest.mark.parametrize("kind", SHAPES)
def test_svg_back_in_gives_the_same_picture(kind, tmp_path):
    first = crossing(make(paper="#334455", **SHAPES[kind]))
    path = tmp_path / "drawing.svg"
    path.write_text(first.to_svg(Size(640, 960)), encoding="utf-8")
    second = make(seed=5, strokes=3, segments=1, population=2, **SHAPES[kind])
    second.init_from(path, torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine, back = first(Size(128, 192)), second(Size(128, 192))
    # colours are written with 8 bits
    torch.testing.assert_close(back[:1], mine, rtol=0, atol=0.02)
    assert (back[0] - mine[0]).abs().mean() < 0.5 / 255
    assert not torch.equal(back[0], back[1]), "candidates should differ by noise"


def test_svg_with_unlike_paths_is_taken_over(tmp_path):
    body = '<circle cx="50" cy="50" r="30" fill="red"/><path d="M10 10 h80" stroke="blue" stroke-width="6"/>'
    path = tmp_path / "drawing.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100">{body}</svg>')
    shapes = make(shape="closed", canvas=Size(100, 100))
    shapes.init_from(path, torch.Generator())
    strokes = make(canvas=Size(100, 100))
    strokes.init_from(path, torch.Generator())
    with torch.no_grad():
        filled, stroked = shapes(Size(100, 100))[0], strokes(Size(100, 100))[0]
    assert filled[:3, 50, 50].tolist() == pytest.approx([1, 0, 0], abs=1e-5)
    assert stroked[:3, 10, 50].tolist() == pytest.approx([0, 0, 1], abs=1e-5)
    assert stroked[:3, 50, 50].tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_empty_svg_is_refused(tmp_path):
    path = tmp_path / "drawing.svg"
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    with pytest.raises(InputError, match="no path"):
        make().init_from(path, torch.Generator())


@pytest.mark.parametrize("kind", SHAPES)
def test_picture_scales_with_its_size(kind):
    """A larger picture, averaged down, is the smaller one up to antialiasing."""
    renderer = crossing(make(**SHAPES[kind]))
    with torch.no_grad():
        small, large = renderer(Size(64, 96)), renderer(Size(512, 768))
    shrunk = torch.nn.functional.avg_pool2d(large, 8)
    assert (shrunk - small).abs().mean() < 0.01


@pytest.mark.parametrize("kind", SHAPES)
def test_large_pictures_are_painted_window_by_window(kind, monkeypatch):
    renderer = crossing(make(population=2, **SHAPES[kind]))
    with torch.no_grad():
        whole = renderer(Size(150, 225))
        monkeypatch.setattr("artgen.renderers.strokes.renderer.NO_GRADIENT_WINDOW_SIDE", 64)
        torch.testing.assert_close(renderer(Size(150, 225)), whole, atol=2e-5, rtol=0)
        part = renderer(Size(150, 225), Window(17, 30, 140, 225))
        torch.testing.assert_close(part, whole[:, :, 17:140, 30:], atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", SHAPES)
def test_population_is_painted_as_one_by_one(kind):
    renderer = crossing(make(population=3, **SHAPES[kind]))
    together = renderer(CANVAS)
    for index in range(3):
        assert torch.equal(renderer.candidate(index)(CANVAS), together[index : index + 1])


# --- awkward scenes ----------------------------------------------------------------


def gradients(renderer):
    weights = torch.randn(1, 4, *CANVAS, generator=torch.Generator().manual_seed(0))
    picture = renderer(CANVAS)
    assert picture.isfinite().all()
    (picture * weights).sum().backward()
    found = {name: p.grad for name, p in renderer.named_parameters() if p.grad is not None}
    assert all(gradient.isfinite().all() for gradient in found.values())
    return found


@pytest.mark.parametrize("kind", SHAPES)
def test_identical_strokes(kind):
    renderer = make(strokes=4, **SHAPES[kind])
    with torch.no_grad():
        for _, parameter in renderer.named_parameters():
            parameter[:] = parameter[:, :1]
        renderer.opacity.fill_(1)
    found = gradients(renderer)
    assert found["colour"][0, -1].abs().sum() > 0
    assert found["colour"][0, 0].abs().max() < found["colour"][0, -1].abs().max()


@pytest.mark.parametrize("kind", SHAPES)
def test_zero_length_strokes(kind):
    renderer = make(strokes=3, **SHAPES[kind])
    with torch.no_grad():
        renderer.points.copy_(renderer.points[:, :, :1])
        renderer.points[0, :, :] = torch.tensor([0.7, 0.5])
    found = gradients(renderer)
    if kind == "open":
        assert (1 - renderer(CANVAS)[0, :3]).amax() > 0.1, "a dot should be seen"
        assert found["points"].abs().sum() > 0 and found["width"].abs().sum() > 0


def test_strokes_of_zero_width_paint_nothing_but_can_grow():
    renderer = make(strokes=3, thinnest=0.0)
    with torch.no_grad():
        renderer.width.zero_()
        renderer.points[:, 2] += 50
    assert torch.equal(renderer(CANVAS), torch.ones(1, 4, *CANVAS))
    found = gradients(renderer)
    assert (found["width"][0, :2] != 0).all() and found["width"][0, 2] == 0
    assert not found["points"].any()


@pytest.mark.parametrize("kind", SHAPES)
def test_strokes_outside_the_canvas_get_no_gradient(kind):
    renderer = make(strokes=2, **SHAPES[kind])
    with torch.no_grad():
        renderer.points[:, 0] += 30
    found = gradients(renderer)
    assert not any(gradient[0, 0].any() for gradient in found.values())
    assert all(found[name][0, 1].any() for name in ("points", "colour", "opacity"))


def test_points_that_are_not_finite_do_not_hang():
    renderer = make(strokes=3)
    with torch.no_grad():
        renderer.points[0, 0, 0, 0] = torch.nan
        renderer.points[0, 1, 0, 0] = torch.inf
        renderer.points[0, 2, 0, 0] = 1e30
    assert renderer(CANVAS).shape == (1, 4, *CANVAS)


@pytest.mark.parametrize("kind", ["open", "nonzero", "evenodd"])
def test_gradient_against_finite_differences(kind):
    renderer = crossing(make(strokes=5, opaque=False, **SHAPES[kind])).double()
    weights = torch.randn(1, 4, *CANVAS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (renderer(CANVAS) * weights).sum().backward()
    gradient, points = renderer.points.grad, renderer.points
    for n in range(5):
        direction = torch.zeros_like(points)
        direction[0, n] = torch.randn(points.shape[2:], generator=torch.Generator().manual_seed(n)).double()
        step = 1e-7 * direction
        with torch.no_grad():
            points.add_(step)
            above = (renderer(CANVAS) * weights).sum()
            points.sub_(2 * step)
            below = (renderer(CANVAS) * weights).sum()
            points.add_(step)
        expected = float(above - below) / 2e-7
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=2e-3, abs=1e-3)


# --- growing, editing -----------------------------------------------------------------


def test_grows_where_the_loss_is_and_carries_elements_along():
    renderer = make(strokes="4,8,16", population=2)
    generator = torch.Generator().manual_seed(3)
    assert renderer.levels == (4, 8, 16)
    assert renderer.advance(0.1, generator) is None
    before = renderer.points.detach().clone()
    slope = torch.zeros(2, 3, *CANVAS)
    slope[:, 0, 10:20, 70:80] = 1.0
    change = renderer.advance(0.34, generator, Feedback(torch.full((2, 3, *CANVAS), 0.7), slope))
    assert renderer.points.shape[1] == 8 and set(change.source) == {"points", "width", "colour", "opacity"}
    kept = change.source["points"]
    assert kept.tolist() == [0, 1, 2, 3, -1, -1, -1, -1]
    assert torch.equal(renderer.points[:, :4], before)
    middle = renderer.points[:, 4:].mean(2)
    assert (middle[..., 0] > 60 / 64).all() and (middle[..., 1] < 30 / 64).all()
    assert (renderer.colour[:, 4:, 0] < 0.3).all(), "the colour should lower the loss"
    assert renderer.advance(0.35, generator) is None
    assert renderer.advance(1.0, generator) is not None
    assert renderer.points.shape[1] == 16 and renderer.level[0].tolist() == [0] * 4 + [1] * 4 + [2] * 8


def test_prunes_what_is_not_seen():
    renderer = make(strokes="3,5", opaque=True)
    with torch.no_grad():
        renderer.points[:, 1] = renderer.points[:, 2]
        renderer.width[:, 1] = renderer.width[:, 2] / 2
        renderer.points[:, 2] += 0.0
    change = renderer.advance(0.6, torch.Generator().manual_seed(0))
    assert change.source["points"].tolist() == [0, 2, -1, -1, -1]


def test_locked_strokes_stay_through_steps_growth_and_mutation():
    renderer = make(strokes="6,9", population=2)
    renderer.lock([1, 4])
    before = {name: tensor.clone() for name, tensor in renderer.state().items()}
    optimiser = torch.optim.Adam(renderer.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        renderer(CANVAS).square().mean().backward()
        optimiser.step()
        renderer.project_()
    for name in ("points", "width", "colour", "opacity"):
        now = renderer.state()[name]
        assert torch.equal(now[:, [1, 4]], before[name][:, [1, 4]])
        assert not torch.equal(now[:, [0, 2]], before[name][:, [0, 2]])
    change = renderer.advance(0.9, torch.Generator())
    index = [change.source["points"].tolist().index(n) for n in (1, 4)]
    renderer.mutate_(0, 1, torch.Generator().manual_seed(0))
    assert torch.equal(renderer.points[1, index], before["points"][0, [1, 4]])
    assert renderer.locked[1].nonzero()[:, 0].tolist() == index


def test_locks_survive_a_saved_state():
    renderer, other = make(), make(seed=9)
    renderer.lock([0])
    other.load_state({name: tensor.clone() for name, tensor in renderer.state().items()})
    with torch.no_grad():
        other.points.add_(0.1)
    other.project_()
    assert torch.equal(other.points[:, 0], renderer.points[:, 0])


def test_removed_strokes_are_gone_and_the_rest_is_unchanged():
    renderer = make(strokes=4, opaque=True)
    layers = renderer.layers(CANVAS)
    assert [layer.name for layer in layers] == ["paper", *(f"stroke {n}" for n in range(4))]
    change = renderer.remove([0, 2])
    assert change.source["width"].tolist() == [1, 3]
    canvas = torch.ones(4, *CANVAS)
    for layer in (layers[2], layers[4]):
        _, height, width = layer.image.shape
        part = canvas[:, layer.top : layer.top + height, layer.left : layer.left + width]
        part.copy_(layer.image + (1 - layer.image[3:]) * part)
    torch.testing.assert_close(renderer(CANVAS)[0].detach(), canvas, atol=1e-5, rtol=0)


def test_wrong_elements_are_named():
    renderer = make(strokes=4)
    with pytest.raises(UsageError, match="no stroke 4; they are numbered 0 to 3"):
        renderer.lock([4])
    with pytest.raises(UsageError, match="delete fewer"):
        renderer.remove([0, 1, 2, 3])


# --- inks, papers, options -------------------------------------------------------------


def test_palette_shows_only_its_inks_and_passes_the_gradient():
    renderer = make(palette="#ff0000, navy")
    assert renderer.surrogate_gradients and not make().surrogate_gradients
    inks = torch.tensor([[1.0, 0, 0], [0, 0, 128 / 255]])
    shown = renderer.shown_colour()
    assert torch.cdist(shown[0], inks).amin(1).max() < 1e-6
    assert gradients(renderer)["colour"].any()


def test_black_ink_is_black_and_opaque_and_not_learned():
    renderer = make(ink="black")
    assert {name for name, _ in renderer.named_parameters()} == {"points", "width"}
    assert [group.name for group in renderer.parameter_groups()] == ["points", "width"]
    picture = renderer(CANVAS)[0, :3]
    assert picture.min() < 1e-6 and torch.equal(picture[0], picture[1])


def test_papers():
    assert make(paper="transparent")(CANVAS)[0, 3].min() == 0
    assert "rect" not in make(paper="transparent").to_svg(CANVAS)
    learned = make(paper="learned")
    assert gradients(learned)["paper"].any()
    assert torch.allclose(
        make(paper="#ff8000")(CANVAS)[0, :3, 0, 0], torch.tensor([1, 128 / 255, 0]), atol=0.3
    )


def laid_out(background="white", **options):
    """Return the colour of a corner, alpha, and the SVG, of a run with this background."""
    config = RunConfig(prompts="x", renderer="strokes", background=background, options=options, seed=1)
    renderer = resolve(config, guides=(), canvas=CANVAS).build_renderer()
    renderer.init(1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        renderer.opacity.zero_()
    return renderer(CANVAS)[0, :, 0, 0].tolist(), renderer.to_svg(CANVAS)


@pytest.mark.parametrize("blend", ["srgb", "linear"])
def test_the_background_is_the_paper_unless_a_paper_is_given(blend):
    colour, svg = laid_out("#ff8000", blend=blend)
    assert colour == pytest.approx([1, 128 / 255, 0, 1], abs=1e-5) and 'fill="#ff8000"' in svg
    colour, svg = laid_out("#ff8000", paper="white", blend=blend)
    assert colour == pytest.approx([1, 1, 1, 1], abs=1e-5) and 'fill="#ffffff"' in svg
    assert laid_out("#ff8000", paper="learned", blend=blend)[0] == pytest.approx(
        [1, 128 / 255, 0, 1], abs=1e-5
    )
    assert laid_out("#ff8000", paper="transparent", blend=blend)[0] == [0, 0, 0, 0]
    assert laid_out("meadow.png", blend=blend)[0] == [0, 0, 0, 0], "a picture behind shows"


def test_an_svg_brings_its_paper_unless_one_is_given(tmp_path):
    path = tmp_path / "drawing.svg"
    path.write_text(make(paper="#334455").to_svg(CANVAS), encoding="utf-8")
    for options, paper in (({}, 0x33), ({"paper": "learned"}, 0x33), ({"paper": "#ff8000"}, 0xFF)):
        renderer = make(**options)
        renderer.init_from(path, torch.Generator())
        assert renderer.paper[0, 0].item() == pytest.approx(paper / 255)


def reach_of(**values):
    """Return how far from the middle strokes begin, 1 at the edge, in a run with these values."""
    config = RunConfig(**{"renderer": "strokes", "seed": 1, "canvas": "96x64", **values})
    renderer = resolve(config, guides=(), canvas=CANVAS).build_renderer()
    renderer.init(4, torch.Generator().manual_seed(0))
    middle = torch.tensor(renderer.extent) / 2
    return ((renderer.points.mean(2) - middle).abs() / middle).amax().item()


def test_strokes_begin_in_the_middle_only_if_the_border_is_to_stay_calm():
    assert 0.6 < reach_of(prompts="a fish") < 0.75
    free = [
        {"prompts": "a fish", "losses": {"border": 0}},
        {"target": "fish.png"},
        {"prompts": "[0,0,0.5,1] a fish"},
    ]
    for values in [*free, {"prompts": "a fish", "options": {"spread": 1}}]:
        assert reach_of(**values) > 0.9
    assert 0.2 < reach_of(target="fish.png", options={"spread": 0.3}) < 0.4


def test_linear_light_mixes_brighter():
    srgb, linear = make(), make(blend="linear")
    with torch.no_grad():
        for renderer in (srgb, linear):
            renderer.opacity.fill_(0.5)
            renderer.colour.zero_()
    one, two = srgb(CANVAS)[0, :3], linear(CANVAS)[0, :3]
    assert (two >= one - 1e-5).all() and (two - one).max() > 0.1
    assert all(gradient.isfinite().all() for gradient in gradients(linear).values())
    clear = make(blend="linear", paper="transparent")(CANVAS)
    assert (clear[:, :3] <= clear[:, 3:] + 1e-5).all()


def test_starts_on_the_edges_of_a_picture():
    picture = torch.ones(1, 3, 60, 90)
    picture[:, :, :, 45:] = 0.1
    renderer = make(strokes=60)
    renderer.init_from(picture, torch.Generator().manual_seed(0))
    middle = renderer.points[0].mean(1)[:, 0] / 1.5
    assert ((middle - 0.5).abs() < 0.1).float().mean() > 0.7
    direction = (renderer.points[0, :, -1] - renderer.points[0, :, 0]).abs()
    on_edge = (middle - 0.5).abs() < 0.04
    assert (direction[on_edge, 1] > direction[on_edge, 0]).float().mean() > 0.9, "along the edge"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"strokes": 0}, "1 to"),
        ({"strokes": "4,x"}, "not a number of strokes"),
        ({"strokes": "8,4"}, "must grow"),
        ({"strokes": 10**7}, "1 to"),
        ({"ink": "palette"}, "needs a palette"),
        ({"palette": "red,blue", "ink": "black"}, "contradict"),
        ({"paper": "blurple"}, "not a colour"),
        ({"width": 0.5, "widest": 0.2}, "width 0.5 must be between thinnest"),
        ({"taper": 0.7}, "0.5"),
    ],
)
def test_options_of_no_use_are_refused(options, reason):
    with pytest.raises(ValidationError, match=reason):
        renderers.get("strokes").Options(**options)


def test_more_strokes_than_memory_are_refused_at_once():
    with pytest.raises(UsageError, match=r"GB are free; use fewer strokes"):
        make(strokes=100_000, population=1000)


def test_256_strokes_fit_a_photograph():
    """22 dB are asked for after 500 steps; they take about 60, 75 steps reach 22.8 dB."""
    from skimage import data, transform

    photograph = transform.resize(data.astronaut(), (224, 224), anti_aliasing=True)
    target = torch.from_numpy(photograph).float().permute(2, 0, 1)[None]
    renderer = make(strokes=256, segments=3, width=0.02, canvas=Size(224, 224))
    groups = [
        {"params": [renderer.get_parameter(name) for name in group.parameters], "lr": group.learning_rate}
        for group in renderer.parameter_groups()
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    for _ in range(75):
        error = (renderer(renderer.canvas)[:, :3] - target).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        renderer.project_()
    assert -10 * error.log10() > 22
