"""Tiles: where they lie, what they are asked for, and that together they are one collage without seams."""

from __future__ import annotations

import pytest
import torch

from artgen.composition import parse_tile_prompts, three_by_three
from artgen.config import RunConfig
from artgen.engine.tiles import Tiling, joined, seam_contrast, tile_configs
from artgen.errors import PromptError, UsageError
from artgen.prompts import parse
from artgen.renderers.collage import Collage, CollageOptions
from artgen.types import Size
from tests.reference import collage_scene as scenes

TILE = Size(96, 96)


def a_tile(seed: int, count: int = 12) -> Collage:
    renderer = Collage(CollageOptions(count=count, min_scale=0.2, max_scale=0.6), TILE, scenes.patches(6))
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


def test_joined_tiles_show_each_tile_upon_what_was_there():
    tiling = Tiling(2, 2)
    canvas = tiling.canvas(TILE)
    whole = None
    with torch.no_grad():
        for index in range(4):
            tile, window = a_tile(index), tiling.window(index, TILE)
            below = whole(canvas, window) if whole is not None else torch.zeros(1, 4, *TILE)
            layer = tile(TILE)
            whole = joined(whole, tile, canvas, window)
            expected = layer + (1 - layer[:, 3:]) * below
            torch.testing.assert_close(whole(canvas, window), expected, atol=2e-3, rtol=0)
    assert whole.patch.shape == (1, 48) and len(whole.credits) == 24
    assert len(whole.layers(canvas)) == 48


def test_patches_lie_across_the_borders_so_that_there_is_no_seam():
    tiling = Tiling(3, 3)
    canvas = tiling.canvas(TILE)
    whole = None
    for index in range(9):
        whole = joined(whole, a_tile(index, count=40), canvas, tiling.window(index, TILE))
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


def test_each_tile_gets_its_prompt_and_the_whole_ones():
    config = RunConfig(prompts=("a landscape:2 | blur:-1",), renderer="collage", seed=7, options={"count": 9})
    tiles = list(tile_configs(config, Tiling(1, 2), ["sun", ""], ["sky", "plants"]))
    terms = [(term.content, term.weight) for prompt in tiles[0].prompts for term in parse(prompt)]
    assert terms == [("sun", 1.0), ("a landscape", 0.6), ("blur", -0.3)]
    assert tiles[1].prompts == config.prompts
    assert [tile.options["patches"] for tile in tiles] == ["sky", "plants"]
    assert tiles[0].seed != tiles[1].seed
    with pytest.raises(UsageError, match="2 prompts"):
        list(tile_configs(config, Tiling(1, 2), ["sun"]))
    with pytest.raises(UsageError, match="made of collages"):
        list(tile_configs(RunConfig(prompts=("x",), renderer="pixel"), Tiling(1, 2), []))


def test_tile_prompts_are_read_row_by_row():
    text = "sun ; clouds ; sky / fields ; fields:2 | mud:-1 ; trees"
    assert parse_tile_prompts(text, 2, 3)[4] == "fields:2 | mud:-1"
    assert parse_tile_prompts(text.replace(" / ", "\n"), 2, 3) == parse_tile_prompts(text, 2, 3)
    with pytest.raises(UsageError, match="2x2 tiles take 2 rows"):
        parse_tile_prompts(text, 2, 2)
    with pytest.raises(PromptError):
        parse_tile_prompts("a:b ; c", 1, 2)


def test_a_composition_has_nine_regions_and_the_whole_counts_as_much():
    prompts = three_by_three("a farm", [f"thing {k}" for k in range(9)])
    terms = [term for prompt in prompts for term in parse(prompt)]
    assert sum(term.weight for term in terms[:9]) == pytest.approx(terms[9].weight)
    assert terms[0].region == (0, 0, 0.5, 0.5) and terms[5].region == (0.5, 0.25, 1, 0.75)
    with pytest.raises(UsageError, match="nine"):
        three_by_three("a farm", ["sun"])
