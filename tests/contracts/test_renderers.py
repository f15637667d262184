"""The contract of a renderer, tested on everything in the registry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from defusedxml import ElementTree

from artgen.config import CutoutOptions, OptimiserOptions
from artgen.engine.objective import Judge, Objective
from artgen.engine.optimiser import make_optimiser
from artgen.errors import UsageError
from artgen.guides.goals import make_goals
from artgen.images import read_opaque
from artgen.losses import LossContext
from artgen.prompts import parse
from artgen.renderers import renderers
from artgen.renderers.base import Renderer, Surroundings
from artgen.renderers.editing import Addition
from artgen.renderers.elements import ElementRenderer
from artgen.types import WHOLE, Region, Size, Window
from tests.contracts.parts import CANVAS, FITTING, make

every_renderer = pytest.mark.parametrize("name", renderers.names())
SIZES = [Size(1, 1), Size(7, 23), CANVAS, Size(64, 80), Size(200, 9)]


@every_renderer
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_is_premultiplied_rgba_in_range(name: str, size: Size):
    canvas = make(name)(size)
    assert canvas.shape == (2, 4, *size)
    assert canvas.min() >= -1e-6 and canvas.max() <= 1 + 1e-6
    assert (canvas[:, :3] <= canvas[:, 3:] + 1e-5).all()


@every_renderer
def test_windows_are_parts_of_the_whole(name: str):
    renderer, size = make(name), Size(45, 70)
    with torch.no_grad():
        whole = renderer(size)
        for window in (Window(0, 0, 20, 33), Window(20, 33, 45, 70), Window(13, 5, 14, 6)):
            part = renderer(size, window)
            expected = whole[:, :, window.top : window.bottom, window.left : window.right]
            torch.testing.assert_close(part, expected, atol=1e-5, rtol=0)


@every_renderer
def test_surroundings_are_given_once_and_known_before_the_start(name: str):
    around = Surroundings(transparent=True, plain_border=True, background=None)
    renderer = make(name, surroundings=around)
    assert (renderer.transparent, renderer.plain_border, renderer.background) == (True, True, None)
    with pytest.raises(AttributeError):
        renderer.transparent = False
    assert (renderer(CANVAS)[:, 3] < 1).any()


@every_renderer
def test_only_strokes_can_start_on_saliency(name: str):
    kind = renderers.get(name)
    assert not kind.Options().starts_on_saliency
    if "start" in kind.Options.model_fields:
        assert kind.Options(start="saliency").starts_on_saliency
    else:
        assert name != "strokes"


@every_renderer
def test_same_seed_same_bits(name: str):
    one, two, other = make(name), make(name), make(name, seed=2)
    assert torch.equal(one(CANVAS), two(CANVAS))
    assert not torch.equal(one(CANVAS), other(CANVAS))


@every_renderer
def test_candidates_differ_and_stand_alone(name: str):
    renderer = make(name, population=3)
    picture = renderer(CANVAS)
    assert not torch.equal(picture[0], picture[1])
    torch.testing.assert_close(renderer.candidate(1)(CANVAS), picture[1:2], atol=1e-6, rtol=0)


@every_renderer
def test_state_round_trip(name: str):
    renderer, other = make(name), make(name, population=1, seed=2)
    state = {key: tensor.clone() for key, tensor in renderer.state().items()}
    assert all(tensor.shape[0] == 2 for tensor in state.values())
    other.load_state(state)
    assert torch.equal(other(CANVAS), renderer(CANVAS))


@every_renderer
def test_every_parameter_is_in_one_group(name: str):
    renderer = make(name)
    grouped = [each for group in renderer.parameter_groups() for each in group.parameters]
    assert sorted(grouped) == sorted(each for each, _ in renderer.named_parameters())


@every_renderer
def test_projection_is_idempotent_and_leaves_valid_candidates_alone(name: str):
    renderer = make(name)
    before = renderer(CANVAS)
    renderer.project_()
    assert torch.equal(renderer(CANVAS), before)
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    renderer.project_()
    once = {key: tensor.clone() for key, tensor in renderer.state().items()}
    renderer.project_()
    assert all(torch.equal(tensor, once[key]) for key, tensor in renderer.state().items())
    assert renderer(CANVAS).isfinite().all()


@every_renderer
def test_gradient_against_finite_differences(name: str):
    """Along random directions in float64, for each parameter by itself."""
    renderer = make(name, population=1).double()
    if renderer.surrogate_gradients:
        pytest.skip("declares a surrogate gradient, tested as such")
    weights = torch.randn(1, 4, *CANVAS, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def value() -> torch.Tensor:
        return (renderer(CANVAS).double() * weights).mean()

    value().backward()
    gradients = {
        key: parameter.grad.clone()
        for key, parameter in renderer.named_parameters()
        if parameter.grad is not None
    }
    assert gradients
    for key, gradient in gradients.items():
        parameter = renderer.get_parameter(key)
        direction = torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64
        )
        direction = direction * 1e-6
        with torch.no_grad():
            parameter += direction
            above = value()
            parameter -= 2 * direction
            below = value()
            parameter += direction
        expected, found = (above - below).item() / 2, (gradient * direction).sum().item()
        assert found == pytest.approx(expected, rel=2e-2, abs=2e-11), key


@every_renderer
def test_mutation_copies_the_parent_and_changes_only_the_child(name: str):
    renderer = make(name, population=3)
    before = renderer(CANVAS)
    renderer.mutate_(0, 2, torch.Generator().manual_seed(5))
    after = renderer(CANVAS)
    assert torch.equal(after[:2], before[:2])
    assert not torch.equal(after[2], before[2])
    assert (after[2] - before[0]).abs().mean() < (before[2] - before[0]).abs().mean()


@every_renderer
def test_candidates_in_a_batch_equal_single_runs(name: str, tiny_guide: str):
    from artgen.guides import load_guide

    guide = load_guide(tiny_guide)
    guide.use_precision(torch.float64)  # float32 sums differ with the batch's size, and Adam enlarges that
    batch = make(name, population=2)
    singles = [batch.candidate(index) for index in range(2)]
    together = _optimise(batch, guide, [0, 1])
    alone = [_optimise(single, guide, [index]) for index, single in enumerate(singles)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=0)


def _optimise(renderer, guide, seeds: list[int]) -> torch.Tensor:
    goals = make_goals(guide, parse("a blue rabbit"), ["{}"], [WHOLE])
    context = LossContext(renderer, [guide])
    objective = Objective(
        [Judge(guide, 1.0, goals)], [WHOLE], CutoutOptions(count=3), "spherical", 0.0, {}, context
    )
    optimiser = make_optimiser(renderer, OptimiserOptions())
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    for _ in range(3):
        image = renderer(CANVAS)
        image = image[:, :3] + 1 - image[:, 3:]
        optimiser.zero_grad()
        image.backward(objective(image, streams).gradient)
        optimiser.step()
        renderer.project_()
    return renderer(CANVAS).detach()


@every_renderer
def test_can_fit_a_small_photograph(name: str, photograph):
    target = read_opaque(photograph)
    size = Size(*target.shape[-2:])
    renderer = make(name, population=1, canvas=size, options=FITTING)
    optimiser = make_optimiser(renderer, OptimiserOptions())
    errors = []
    for _ in range(150):
        canvas = renderer(size)
        error = (canvas[:, :3] + 1 - canvas[:, 3:] - target).square().mean()
        errors.append(error.item())
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        renderer.project_()
    assert errors[-1] < 0.3 * errors[0] and errors[-1] < 0.02, (errors[0], errors[-1])


@every_renderer
def test_vector_form_is_well_formed(name: str):
    svg = make(name).to_svg(CANVAS)
    if svg is None:
        pytest.skip("has no vector form")
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert not [element for element in root.iter() if element.tag.endswith("script")]


@every_renderer
def test_layers_compose_to_the_picture(name: str):
    renderer = make(name, population=1)
    layers = renderer.layers(CANVAS)
    if layers is None:
        pytest.skip("has no layers")
    assert all(layer.image.shape[0] == 4 for layer in layers)
    assert all(0 <= layer.top < CANVAS.height and 0 <= layer.left < CANVAS.width for layer in layers)


def with_elements(name: str) -> ElementRenderer:
    renderer = make(name)
    if not isinstance(renderer, ElementRenderer):
        pytest.skip("has no elements")
    return renderer


def disturb(renderer: ElementRenderer) -> None:
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter.add_(0.3)
    renderer.project_()


@every_renderer
def test_locked_elements_stay_through_steps_and_mutations(name: str):
    renderer = with_elements(name)
    renderer.lock([1, 3])
    before = {key: tensor.clone() for key, tensor in renderer.state().items()}
    disturb(renderer)
    renderer.mutate_(0, 1, torch.Generator().manual_seed(3))
    disturb(renderer)

    moved = 0
    for key, tensor in renderer.state().items():
        if key in renderer.per_candidate:
            continue
        assert torch.equal(tensor[:, [1, 3]], before[key][:1, [1, 3]].expand_as(tensor[:, [1, 3]])), key
        moved += not torch.equal(tensor[:, [0, 2]], before[key][:, [0, 2]])
    assert moved >= 2


@every_renderer
def test_elements_are_removed_from_every_candidate(name: str):
    renderer = with_elements(name)
    renderer.lock([2])
    before = {key: tensor.clone() for key, tensor in renderer.state().items()}
    rest = [0, 2, *range(4, renderer.element_count)]
    change = renderer.remove([3, 1])

    for key, tensor in renderer.state().items():
        expected = before[key] if key in renderer.per_candidate else before[key][:, rest]
        assert torch.equal(tensor, expected), key
    for source in change.source.values():
        assert source.tolist() == rest
    assert set(change.source) == {key for key, _ in renderer.named_parameters()} - renderer.per_candidate


@every_renderer
def test_wrong_elements_are_named(name: str):
    renderer = with_elements(name)
    count, noun = renderer.element_count, renderer.element
    for act in (renderer.lock, renderer.remove):
        for wrong in (-1, count):
            with pytest.raises(UsageError, match=f"no {noun} {wrong}; they are numbered 0 to {count - 1}"):
                act([0, wrong])
    with pytest.raises(UsageError, match=f"no {noun} would be left"):
        renderer.remove(range(count))


def operations(renderer: Renderer) -> dict[str, Callable[[int | None], object]]:
    """Return every operation on elements, each as a function of the candidate."""
    addition = Addition(2, Region(0, 0, 0.5, 0.5), torch.Generator().manual_seed(5))
    red = torch.tensor([1.0, 0.0, 0.0])
    return {
        "lock": lambda candidate: renderer.lock([1, 2], candidate),
        "unlock": lambda candidate: renderer.unlock([2], candidate),
        "duplicate": lambda candidate: renderer.duplicate([1], candidate),
        "front": lambda candidate: renderer.to_front([0], candidate),
        "back": lambda candidate: renderer.to_back([3], candidate),
        "recolour": lambda candidate: renderer.recolour([2], red, candidate),
        "add": lambda candidate: renderer.add(addition, candidate),
        "remove": lambda candidate: renderer.remove([2], candidate),
    }


@every_renderer
@pytest.mark.parametrize("candidate", [None, 1])
def test_operations_on_elements_work_or_are_refused_in_one_line(name: str, candidate: int | None):
    renderer = make(name)
    optimiser = torch.optim.Adam(renderer.parameters(), 0.01)
    renderer(CANVAS).square().sum().backward()
    optimiser.step()

    names = set(renderer.state())
    first = renderer(CANVAS)[0].detach().clone()
    for operation in operations(renderer).values():
        try:
            operation(candidate)
        except UsageError as error:
            assert "\n" not in str(error) and "cannot" in str(error)
            continue

        ids = renderer.element_ids()
        assert all(len(set(row)) == len(row) for row in ids.tolist())
        renderer.project_()
        assert torch.isfinite(renderer(CANVAS)).all()
        if candidate == 1:
            torch.testing.assert_close(renderer(CANVAS)[0].detach(), first, atol=1e-6, rtol=0)
    assert set(renderer.state()) == names

    copied = make(name)
    copied.load_state(renderer.state())
    assert torch.equal(copied(CANVAS), renderer(CANVAS))
    with pytest.raises(UsageError, match="no candidate 9"):
        renderer.lock([0], 9)
    with pytest.raises(UsageError, match=r"no \w+ 99999"):
        renderer.lock([99999])
