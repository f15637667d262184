"""Tiles: where they lie, what they are asked for, and that together they are one collage without seams."""

from __future__ import annotations

import pytest
import torch

from artgen.config import RunConfig
from artgen.errors import UsageError
from artgen.grid import Tiling, check_grid, read_grid, three_by_three, tile_prompts
from artgen.renderers.background import Background
from artgen.renderers.collage import Collage
from artgen.renderers.collage.renderer import CollageOptions
from artgen.runs.tiles import PlacedTile, join, seam_contrast, seen_below, tile_config, whole_config
from artgen.types import Size
from tests.reference import collage_scene as scenes

TILE = Size(96, 96)


def a_tile(seed: int, count: int = 12) -> Collage:
    renderer = Collage(
        CollageOptions(count=count, min_scale=0.2, max_scale=0.6), TILE, patches=scenes.patches(6)
    )
    renderer.init(1, torch.Generator().manual_seed(seed))
    return renderer


def test_tiles_overlap_by_a_third_and_fill_the_whole():
    tiling = Tiling.parse("3x2")
    assert (tiling.rows, tiling.columns) == (2, 3)
    assert tiling.canvas(TILE) == Size(160, 224)
    assert tiling.window(4, TILE) == (64, 64, 160, 160)
    assert tiling.seams(TILE) == ([64, 96], [64, 96, 128, 160])
    for wrong in ("3", "0x2", "3x", "ax2", "900x900"):
        with pytest.raises(UsageError, match="COLUMNSxROWS"):
            Tiling.parse(wrong)


def an_empty_whole(tiling: Tiling, count: int = 12) -> Collage:
    canvas = tiling.canvas(TILE)
    ratio = min(TILE) / min(canvas)
    options = CollageOptions(count=count * tiling.count, min_scale=0.2 * ratio, max_scale=0.6 * ratio)
    whole = Collage(options, canvas, patches=[*scenes.patches(6)[::-1], *scenes.patches(6)])
    whole.init(1, torch.Generator().manual_seed(0))
    return whole


def test_joined_tiles_show_each_tile_upon_what_was_there():
    tiling = Tiling(2, 2)
    canvas = tiling.canvas(TILE)
    whole, tiles = an_empty_whole(tiling), []
    with torch.no_grad():
        for index in range(4):
            tile, window = a_tile(index), tiling.window(index, TILE)
            below = whole(canvas, window) if tiles else torch.zeros(1, 4, *TILE)
            layer = tile(TILE)
            tiles.append(PlacedTile(tile, window))
            join(whole, tiles)
            expected = layer + (1 - layer[:, 3:]) * below
            torch.testing.assert_close(whole(canvas, window), expected, atol=2e-3, rtol=0)
    assert whole.patch.shape == (1, 48)
    assert len(whole.layers(canvas)) == 48
    before = {name: value.clone() for name, value in whole.state().items()}
    whole.project_()  # its bounds must be those of the tiles, so that it can be edited
    for name, value in whole.state().items():
        torch.testing.assert_close(value, before[name], atol=1e-5, rtol=0, msg=name)


def test_a_tile_lies_upon_its_part_of_the_background_and_of_its_neighbours():
    tiling = Tiling(1, 2)
    canvas = tiling.canvas(TILE)
    across = torch.linspace(0, 1, canvas.width).expand(3, canvas.height, -1)
    background = Background(across.contiguous())
    window = tiling.window(1, TILE)
    torch.testing.assert_close(seen_below(background, None, canvas, window), across[:, :, 64:])
    whole, tile = an_empty_whole(tiling), a_tile(1)
    join(whole, [PlacedTile(tile, tiling.window(0, TILE))])
    seen = seen_below(background, whole, canvas, window)
    with torch.no_grad():
        expected = background.opaque(whole(canvas))[0, :, :, 64:]
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)
    assert (seen[:, :, :32] - across[:, :, 64:96]).abs().max() > 0.1


def test_patches_lie_across_the_borders_so_that_there_is_no_seam():
    tiling = Tiling(3, 3)
    canvas = tiling.canvas(TILE)
    whole = an_empty_whole(tiling, count=40)
    join(whole, [PlacedTile(a_tile(index, count=40), tiling.window(index, TILE)) for index in range(9)])
    with torch.no_grad():
        large = whole(Size(canvas.height * 3, canvas.width * 3))
    picture = large[:, :3] + 1 - large[:, 3:]
    assert seam_contrast(picture, tiling, TILE) < 1.1
    cut_off = picture.clone()
    for index in range(9):
        top, left, bottom, right = (3 * edge for edge in tiling.window(index, TILE))
        cut_off[..., top:bottom, left:right] = torch.rand(
            1, 3, 1, 1, generator=torch.Generator().manual_seed(index)
        )
    assert seam_contrast(cut_off, tiling, TILE) > 5


def a_config(**changes: object) -> RunConfig:
    values = {"prompts": "a landscape:2 | blur:-1", "renderer": "collage", "seed": 7, "options": {"count": 9}}
    return RunConfig.make({**values, **changes})


def test_each_tile_gets_its_prompt_its_patches_and_the_whole_ones():
    config = a_config(tiles="2x1", tile_prompts="sun ; ", tile_patches="sky ; plants,shapes")
    tiles = [tile_config(config, config.tiling(), index) for index in range(2)]
    terms = [(term.content, term.weight) for term in tiles[0].terms()]
    assert terms == [("sun", 1.0), ("a landscape", 0.6), ("blur", -0.3)]
    assert tiles[1].terms() == config.terms()
    assert [tile.options["patches"] for tile in tiles] == ["sky", "plants,shapes"]
    assert tiles[0].seed != tiles[1].seed
    assert all(RunConfig.make(tile.model_dump()).tiling() is None for tile in tiles)
    whole = whole_config(config, config.tiling(), TILE)
    assert whole.options["patches"] == "sky,plants,shapes" and whole.options["count"] == 18
    assert [term.region for term in whole.terms()][2] == (0, 0, 0.6, 1)
    assert RunConfig.make(whole.model_dump(mode="json")) == whole


def test_the_aspect_is_that_of_the_whole():
    for config in (a_config(tiles="4x1", aspect="3:1"), a_config(tiles="4x1", size="300x100")):
        assert tile_config(config, config.tiling(), 0).aspect == pytest.approx(1)
    assert a_config(tiles="4x1").tiling().extent == pytest.approx((1, 3))
    assert tile_config(a_config(tiles="4x1"), Tiling(1, 4), 0).aspect is None


def test_regions_of_the_whole_are_asked_for_where_they_lie():
    tiling = Tiling(1, 2)
    left, right = (
        RunConfig(prompts=tuple(tile_prompts(["[0,0,0.6,1] a tree | grass"], "", tiling, index))).terms()
        for index in range(2)
    )
    assert [(term.content, term.region) for term in left] == [
        ("a tree", (0, 0, 1, 1)),
        ("grass", (0, 0, 1, 1)),
    ]
    assert [term.content for term in right] == ["a tree", "grass"]
    assert right[0].region == pytest.approx((0, 0, 1 / 3, 1))
    assert [tile_prompts(["[0,0,0.4,1] a tree"], "x", tiling, index)[1:] for index in range(2)][1] == []
    with pytest.raises(UsageError, match="tile 2 of row 1 has no prompt"):
        a_config(prompts="[0,0,0.3,1] a tree", tiles="2x1")


def test_grids_are_read_row_by_row():
    text = "sun ; clouds ; sky / fields ; fields:2 | mud:-1 ; trees"
    grid = read_grid(text)
    assert grid[1][1] == "fields:2 | mud:-1"
    assert grid == read_grid(text.replace(" / ", "\n\n")) == read_grid(text.split(" / "))
    assert read_grid(r"a\; b ; @dir/x.png ; km \/ h") == (("a; b", "@dir/x.png", "km / h"),)
    assert read_grid("a / / b") == (("a",), ("",), ("b",))
    with pytest.raises(UsageError, match=r"need 2 rows of 2 cells, .* not 2 rows of 3"):
        check_grid(grid, 2, 2, "tiles")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tiles": "3"}, "COLUMNSxROWS"),
        ({"tiles": "2x1", "tile_prompts": "sun"}, "tile_prompts of 2x1 tiles"),
        ({"tiles": "2x1", "tile_patches": "sky / sky"}, "tile_patches of 2x1 tiles"),
        ({"tile_patches": "sky"}, "without tiles"),
        ({"tiles": "2x1", "target": "x.png"}, "cannot be combined with target"),
        ({"tiles": "2x1", "transparent": True}, "cannot be combined with transparent"),
        ({"tiles": "2x1", "composition": "a;b;c / d;e;f / g;h;i"}, "cannot be combined with composition"),
        ({"tile_prompts": "a:b ; c"}, "not a number"),
        ({"composition": "a ; b"}, "need 3 rows of 3 cells, .* not 1 rows of 2"),
        ({"prompts": (), "tile_prompts": "sun ; "}, "tile 2 of row 1"),
        ({"prompts": (), "tile_prompts": " ; "}, "tile 1 of row 1 has no prompt"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_told(changes: dict, said: str):
    with pytest.raises(UsageError, match=said):
        a_config(**changes)


def test_a_composition_has_nine_regions_and_the_whole_counts_as_much():
    config = a_config(prompts="a farm", composition=" / ".join(["a ; b:2 | c:-1 ; [0,0,0.5,1] d"] * 3))
    terms = config.terms()
    assert terms[:-1] == three_by_three([], [cell for row in config.composition for cell in row])
    assert [round(term.weight, 9) for term in terms[:4]] == [0.2, 0.4, -0.2, 0.2]
    assert terms[-1].weight == pytest.approx(9 * 0.2) and terms[-1].region == (0, 0, 1, 1)
    assert terms[0].region == (0, 0, 0.5, 0.5) and terms[7].region == (0.5, 0.25, 0.75, 0.75)
    with pytest.raises(UsageError, match="nine"):
        three_by_three(["a farm"], ["sun"])
    assert RunConfig.from_text(config.to_yaml()) == config
