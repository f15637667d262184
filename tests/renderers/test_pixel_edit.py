"""Locking, deleting and recolouring single cells."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from artgen.cli import app
from artgen.config import OptimiserOptions, RunConfig
from artgen.engine.evolution import mutate_with_optimiser
from artgen.engine.optimiser import make_optimiser
from artgen.errors import UsageError
from artgen.renderers.base import Surroundings
from artgen.renderers.pixel import Pixel
from artgen.renderers.pixel.cells import LATTICES
from artgen.renderers.pixel.renderer import PixelOptions
from artgen.renderers.point import elements_at
from artgen.runs.edit import edit
from artgen.runs.paint import paint, resume
from artgen.runs.saved import open_run

RED = torch.tensor([1.0, 0.0, 0.0])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(
    population: int = 2, transparent: bool = False, background: str | None = "white", **options: object
) -> Pixel:
    checked = PixelOptions(**({"grid": "6x5"} | options))
    canvas = Pixel.default_canvas(checked, 6 / 5, 60)
    renderer = Pixel(checked, canvas, Surroundings(transparent=transparent, background=background))
    renderer.init(population, generator())
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator(1)))
    return renderer


def train(renderer: Pixel, steps: int = 3) -> torch.optim.Adam:
    """Take steps towards black; every parameter has moments afterwards."""
    optimiser = make_optimiser(renderer, OptimiserOptions())
    for _ in range(steps):
        optimiser.zero_grad()
        renderer(renderer.canvas).sum().backward()
        optimiser.step()
        renderer.project_()
    return optimiser


def look(renderer: Pixel) -> torch.Tensor:
    """[P, 4, cells] what the picture shows of each stored cell."""
    return renderer.shown().detach().flatten(2).clone()


KINDS = [
    {},
    {"transparent": True},
    {"palette": "dusk", "dither": 0.7},
    {"colours": 4, "transparent": True},
    {"shape": "hex"},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_locked_cells_keep_their_look_and_their_values_bit_for_bit(options: dict):
    renderer = make(**options)
    before = look(renderer)
    renderer.lock([0, 7, 7, 13])
    assert torch.equal(look(renderer), before)
    kept = {key: value.detach().flatten(2)[..., [0, 7, 13]].clone() for key, value in stored(renderer)}

    optimiser = train(renderer)
    mutate_with_optimiser(renderer, optimiser, 0, 1, generator(2))
    train(renderer)

    after = look(renderer)
    expected = before[:1, :, [0, 7, 13]].expand(2, -1, -1)
    assert torch.equal(after[:, :, [0, 7, 13]], expected)
    assert not torch.equal(after[:, :, 1], before[:, :, 1])
    for key, value in stored(renderer):
        assert torch.equal(value.flatten(2)[0, ..., [0, 7, 13]], kept[key][0])
        assert not torch.equal(value.flatten(2)[0, ..., [1, 2, 3]], kept[key][0])


def stored(renderer: Pixel) -> list[tuple[str, torch.Tensor]]:
    return [(name, value) for name, value in renderer.named_parameters() if name != "palette"]


def test_nothing_changes_as_long_as_nothing_is_locked():
    one, two = make(colours=3, levels=2), make(colours=3, levels=2)
    two.lock([2])
    two.unlock([2])
    with torch.no_grad():
        two.colour.copy_(one.colour)  # locking gave the parts of the block the same colour
    for renderer in (one, two):
        train(renderer)
        renderer.mutate_(1, 0, generator(4))
    assert all(torch.equal(value, two.state()[name]) for name, value in one.state().items())


def test_cells_are_locked_in_one_candidate_only():
    renderer = make()
    renderer.lock([3], candidate=1)
    assert renderer.locked.flatten(1).sum(1).tolist() == [0, 1]
    before = look(renderer)
    train(renderer)
    same = (look(renderer) == before).all(1)  # [P, cells]
    assert same[1].nonzero()[:, 0].tolist() == [3]
    assert not same[0].any()
    renderer.unlock([3])
    train(renderer)
    assert not (look(renderer) == before).all(1).any()


def test_a_mutant_has_its_parents_locks():
    renderer = make()
    renderer.lock([4], candidate=0)
    before = look(renderer)
    renderer.mutate_(0, 1, generator(3))
    assert renderer.locked.flatten(1)[:, 4].tolist() == [True, True]
    train(renderer)
    assert torch.equal(look(renderer)[:, :, 4], before[:1, :, 4].expand(2, -1))

    renderer.lock([9], candidate=1)
    renderer.mutate_(0, 1, generator(3))
    assert renderer.locked.flatten(1).sum(1).tolist() == [1, 1]


@pytest.mark.parametrize("options", [{}, {"palette": "dusk"}, {"shape": "knit"}], ids=str)
def test_the_parts_of_a_locked_cell_are_locked(options: dict):
    """With 6 x 5 cells in blocks of 4 there are 2 x 2 (knit has a row more, and as many blocks)."""
    renderer = make(levels=3, **options)
    assert renderer.element_ids().tolist() == [[0, 1, 2, 3]] * 2
    renderer.mutate_(0, 1, generator(5))  # so that the parts of a block differ
    renderer.lock([1])
    before = look(renderer)
    train(renderer)
    renderer.advance(0.2, generator())
    train(renderer)
    renderer.advance(1.0, generator())
    train(renderer)

    rows, columns = renderer.locked.shape[1:]
    assert renderer.element_ids().shape == (2, rows * columns)
    inside = torch.zeros(rows, columns, dtype=torch.bool)
    inside[:4, 4:] = True
    assert torch.equal(renderer.locked, inside.expand(2, -1, -1))
    assert torch.equal(look(renderer)[:, :, inside.flatten()], before[:, :, inside.flatten()])
    assert not torch.equal(look(renderer)[:, :, 0], before[:, :, 0])


@pytest.mark.parametrize("shape", LATTICES)
def test_deleted_cells_show_the_background_and_stay_so(shape: str):
    renderer = make(background="#3366cc", shape=shape)
    assert renderer.remove([8]) is None
    train(renderer)
    expected = torch.tensor([0x33, 0x66, 0xCC, 0xFF]) / 255
    assert torch.equal(look(renderer)[:, :, 8], expected.expand(2, -1))


def test_deleted_cells_of_a_transparent_picture_are_clear():
    renderer = make(transparent=True)
    renderer.remove([8], candidate=0)
    train(renderer, 1)
    assert look(renderer)[0, :, 8].tolist() == [0, 0, 0, 0]
    assert look(renderer)[1, 3, 8] > 0
    assert elements_at(renderer, 2.5 / 6, 1.5 / 5, candidate=0) == []
    assert elements_at(renderer, 2.5 / 6, 1.5 / 5, candidate=1) == [8]


def test_cells_in_front_of_a_picture_cannot_be_deleted():
    with pytest.raises(UsageError, match="covers its background picture"):
        make(background=None).remove([0])
    make(background=None, transparent=True).remove([0])


@pytest.mark.parametrize("options", [{"palette": "#ee1111,#0000ff,black"}, {"colours": 5}], ids=str)
def test_palettes_stay_complete(options: dict):
    renderer = make(**options)
    palettes = renderer.palette.detach().expand(2, -1, -1).clone()
    renderer.recolour([1, 2], RED)
    renderer.remove([3])
    for palette, shown in zip(palettes, look(renderer), strict=True):
        nearest = [palette[(palette - wanted).norm(dim=1).argmin()] for wanted in (RED, torch.ones(3))]
        assert torch.equal(shown[:3, 1], nearest[0]) and torch.equal(shown[:3, 2], nearest[0])
        assert torch.equal(shown[:3, 3], nearest[1])


def test_recoloured_cells_change_again_unless_they_are_locked():
    renderer = make(transparent=True)
    alpha = renderer.alpha.detach().clone()
    renderer.lock([5])
    renderer.recolour([5, 6], RED, candidate=1)
    assert torch.equal(renderer.colour[1].flatten(1)[:, [5, 6]], RED[:, None].expand(-1, 2))
    assert not torch.equal(renderer.colour[0].flatten(1)[:, 5], RED)
    assert torch.equal(renderer.alpha, alpha)
    train(renderer)
    assert torch.equal(renderer.colour[1].flatten(1)[:, 5], RED)
    assert not torch.equal(renderer.colour[1].flatten(1)[:, 6], RED)


def test_coarse_cells_are_recoloured_as_a_whole():
    renderer = make(levels=2)
    renderer.recolour([0], RED)
    torch.testing.assert_close(renderer.shown()[:, :3, :2, :2], RED.view(1, 3, 1, 1).expand(2, -1, 2, 2))
    assert not torch.equal(renderer.shown()[0, :3, 0, 2], RED)


@pytest.mark.parametrize("act", ["lock", "unlock", "remove"])
def test_wrong_cells_are_named(act: str):
    renderer = make()
    for wrong in (-1, 30):
        with pytest.raises(UsageError, match=f"no cell {wrong}; they are numbered 0 to 29"):
            getattr(renderer, act)([0, wrong])
    with pytest.raises(UsageError, match="no candidate 2; they are numbered 0 to 1"):
        getattr(renderer, act)([0], candidate=2)
    assert not renderer.locked.any()


def test_cells_are_neither_reordered_nor_duplicated():
    renderer = make()
    for act in (renderer.to_front, renderer.to_back):
        with pytest.raises(UsageError, match="pixel cells cannot be reordered"):
            act([0])
    with pytest.raises(UsageError, match="pixel cells cannot be duplicated"):
        renderer.duplicate([0])


def test_locks_survive_a_saved_state():
    renderer, other = make(levels=2), make(population=1, levels=2)
    renderer.lock([2])
    before = look(renderer)
    other.load_state(renderer.state())
    train(other)
    assert torch.equal(look(other)[:, :, 4], before[:, :, 4])
    single = renderer.candidate(1)
    train(single)
    assert torch.equal(look(single)[:, :, 4], before[1:, :, 4])
    train(renderer)


def test_states_from_before_cells_could_be_locked_are_read():
    renderer, other = make(), make()
    renderer.lock([1])
    old = {name: value for name, value in other.state().items() if name != "locked"}
    renderer.load_state(old)
    assert renderer.locked.shape == (2, 5, 6) and not renderer.locked.any()
    before = look(renderer)
    train(renderer)
    assert not (look(renderer) == before).all(1).any()
    with pytest.raises(UsageError, match="mismatch: alpha"):
        renderer.load_state(old | {"alpha": old["colour"][:, :1]})


# --- runs --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tiny_guide, tmp_path_factory):
    config = RunConfig(
        prompts="a blue rabbit",
        renderer="pixel",
        options={"grid": "6x4", "levels": 2},
        guides=tiny_guide,
        steps=4,
        seed=1,
        canvas="48x32",
        size="96x64",
        cutouts={"count": 2},
    )
    return paint(config, tmp_path_factory.mktemp("runs") / "first").folder


def test_a_run_of_cells_is_edited_and_resumed(run, tmp_path):
    before = open_run(run).candidate(1)
    result = edit(run, lock=[3], delete=[8], steps=4, out=tmp_path / "edited")
    after = open_run(result.folder).candidate(1)
    assert after.locked.flatten().nonzero()[:, 0].tolist() == [3, 8]
    assert torch.equal(look(after)[:, :, 3], look(before)[:, :, 3])
    assert look(after)[0, :, 8].tolist() == [1, 1, 1, 1]
    assert not torch.equal(look(after)[:, :, 4], look(before)[:, :, 4])

    again = edit(result.folder, steps=2, out=tmp_path / "again")
    assert torch.equal(look(open_run(again.folder).candidate(1))[:, :, 3], look(before)[:, :, 3])
    assert resume(again.folder).reason == "done"


def test_cells_are_edited_on_the_command_line(run, tmp_path):
    words = ["edit", str(run), "--lock", "0-5", "--delete", "23", "--out", str(tmp_path / "edited"), "-q"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert open_run(tmp_path / "edited").candidate(1).locked.sum() == 7
    wrong = CliRunner().invoke(app, ["edit", str(run), "--lock", "24", "--out", str(tmp_path / "no")])
    assert wrong.exit_code == 2
