"""Pictures of any size from overlapping tiles; each tile is a collage.

Tiles are optimised one after the other, each on top of what its neighbours already painted there. In the end
all patches become one collage of the whole picture. Patches may cross the borders of tiles, so there is no
seam. The collage is exported at any size in bands, like every collage.

Source of the idea: CLIP-CLOP's tiles (P. Mirowski et al. 2022, section 3.6), which cut patches off at the
borders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from artgen.assets import Patch
from artgen.config import RunConfig
from artgen.config.request import cells_of
from artgen.config.steering import of_stage
from artgen.errors import UsageError
from artgen.grid import Tiling, prompts_of_whole, tile_prompts
from artgen.named_files import patch_set_names
from artgen.renderers.background import Background
from artgen.renderers.collage import Collage
from artgen.renderers.collage.options import CollageOptions
from artgen.runs.context import empty_renderer
from artgen.runs.defaults import renderer_options, resolve
from artgen.runs.sizes import natural_aspect
from artgen.types import Image, Size, Window

MOST_PATCHES = 10_000
"""Largest number of patches in the whole picture, as in every collage."""
UNTILED = {"tiles": None, "tile_prompts": (), "tile_patches": ()}
"""Changes that make a configuration one of a picture in one piece."""


def check_tiles(config: RunConfig, tiling: Tiling) -> None:
    """Refuse a configuration that cannot be tiled.

    Raises:
        UsageError: another renderer, blending that depends on all patches, or too many patches.
    """
    if config.renderer != "collage":
        raise UsageError(
            f"tiles are made of collages, not by --renderer {config.renderer}; use --renderer collage, "
            "or prompts for regions: [0,0,0.5,1] a tree"
        )
    options = collage_options(config)
    if options.blending != "over":
        raise UsageError(
            f"tiles are painted over each other, which --blending {options.blending} cannot do; use over"
        )
    patches = tiling.count * options.count
    if patches > MOST_PATCHES:
        raise UsageError(
            f"{tiling.count} tiles would have {patches} patches in total; the limit is {MOST_PATCHES}: lower --count"
        )


def collage_options(config: RunConfig) -> CollageOptions:
    """Return the options of the collage that each tile is."""
    return cast(CollageOptions, renderer_options(config))


def tile_config(config: RunConfig, tiling: Tiling, index: int) -> RunConfig:
    """Return the configuration of one tile: a run in one piece.

    Args:
        config: of the whole picture; `canvas` is the size of a tile.
        tiling: the arrangement of the tiles.
        index: number of the tile, counted row by row.
    """
    own = cells_of(config.tile_prompts, tiling)[index]
    patches = cells_of(config.tile_patches, tiling)[index]
    shape = None if config.canvas is not None else config.aspect or natural_aspect(config)
    height, width = tiling.extent
    values = {
        "prompts": tuple(tile_prompts(config.prompts, own, tiling, index)),
        "options": {**config.options, "patches": patches} if patches else config.options,
        "seed": (config.seed + index) % 2**63,
        "aspect": None if shape is None else min(max(shape * height / width, 0.03), 30.0),
        "seconds": None if config.seconds is None else config.seconds / tiling.count,
        "size": None,
        "background": "white",
        "losses": {"sketch": 0.0, **config.losses},  # a sketch would cover what the neighbours painted
        "steering": of_stage(config.steering, "tile", index),
        **UNTILED,
    }
    return config.model_copy(update=values)


def whole_config(config: RunConfig, tiling: Tiling, tile: Size) -> RunConfig:
    """Return the configuration of one collage with the patches of all tiles.

    Its prompts ask for the same things; those of the tiles are in regions of the whole. So the picture can be
    edited and continued in one piece.

    Args:
        config: the tiled one.
        tiling: the arrangement of the tiles.
        tile: size that each tile is optimised at.
    """
    canvas = tiling.canvas(tile)
    ratio = min(tile) / min(canvas)
    options = collage_options(config)

    names: list[str] = []
    for cell in cells_of(config.tile_patches, tiling):
        names += patch_set_names(cell or options.patches)
    shared = {"patches": ",".join(dict.fromkeys(names)), "count": tiling.count * options.count}

    # Lengths are in shorter sides of the picture, and the whole's is longer than a tile's.
    scaled = {
        "min_scale": options.min_scale * ratio,
        "max_scale": options.max_scale * ratio,
        "margin": options.margin * ratio,
    }
    own = cells_of(config.tile_prompts, tiling)
    values = {
        "prompts": tuple(prompts_of_whole(config.prompts, own, tiling)),
        "options": {**config.options, **shared, **scaled},
        "canvas": canvas,
        "aspect": None,
        "seconds": None,
        "population": 1,
        "steering": (),
        **UNTILED,
    }
    return config.model_copy(update=values)


class PlacedTile(NamedTuple):
    """A collage of one candidate, and its place in the whole picture."""

    collage: Collage
    window: Window


def empty_whole(config: RunConfig) -> Collage:
    """Return the collage that a configuration from `whole_config` describes, its patches anywhere."""
    return cast(Collage, empty_renderer(resolve(config, guides=())))


@torch.no_grad()
def join(whole: Collage, tiles: Sequence[PlacedTile]) -> None:
    """Give a collage the patches of tiles, later tiles uppermost.

    Args:
        whole: knows all patches of the tiles; changed in place.
        tiles: at least one.
    """
    states = [_in_the_frame_of(tile, whole) for tile in tiles]
    joined = {}
    for name in states[0]:
        if name not in ("ids", "next_id"):  # the patches are numbered anew
            joined[name] = torch.cat([state[name] for state in states], 1)  # [1, sum of N, ...]

    ranks, below = [], 0
    for state in states:
        rank = state["order"].argsort(stable=True, dim=1).argsort(1)  # [1, N]
        ranks.append(below + rank)
        below += rank.shape[1]
    joined["order"] = torch.cat(ranks, 1) / max(1, below - 1)
    whole.load_state(joined)


def _in_the_frame_of(tile: PlacedTile, whole: Collage) -> dict[str, Tensor]:
    """Return the state of a tile with positions, lengths and patches as the whole has them."""
    collage, window, canvas = *tile, whole.canvas
    state = {name: value.detach().clone() for name, value in collage.state().items()}

    ratio = min(collage.canvas) / min(canvas)
    middle = state["translation"].new_tensor(
        [(window.left + window.right - canvas.width) / 2, (window.top + window.bottom - canvas.height) / 2]
    )
    state["translation"] = state["translation"] * ratio + middle / min(canvas)
    state["scale"] = state["scale"] * ratio

    known = {_identity(patch): index for index, patch in enumerate(whole.sources)}
    indices = torch.tensor([known[_identity(patch)] for patch in collage.sources])
    state["patch"] = indices.to(state["patch"].device)[state["patch"]]
    return state


def _identity(patch: Patch) -> tuple[str, str, str]:
    return patch.set_name, patch.name, hashlib.sha256(patch.pixels.tobytes()).hexdigest()


@torch.no_grad()
def seen_below(background: Background, whole: Collage | None, canvas: Size, window: Window) -> Tensor:
    """Return [3, h, w] what a tile is painted on: the background, and the tiles before it.

    Args:
        background: of the whole picture.
        whole: the tiles before, None before the first.
        canvas: size of the whole.
        window: the tile's part of it.
    """
    behind = background.behind(canvas).expand(3, *canvas)
    behind = behind[:, window.top : window.bottom, window.left : window.right]
    if whole is None:
        return behind.contiguous()
    above = whole(canvas, window)[0].to(behind)
    return above[:3] + (1 - above[3:]) * behind


def seam_contrast(picture: Image, tiling: Tiling, tile: Size) -> float:
    """Return how much steeper the picture is across seams than beside them; 1 if not at all.

    The mean absolute difference of neighbouring pixels across the borders of tiles, divided by
    that of the lines beside them, up to a sixth of a tile away: the middle of a picture can be
    richer than its margin without there being a seam.

    Args:
        picture: [1, 3, H, W] the whole, at any size.
        tiling: the arrangement of the tiles.
        tile: size of the tiles while they were optimised.
    """
    canvas = tiling.canvas(tile)
    across, down = tiling.seams(tile)
    rows = (picture[..., 1:, :] - picture[..., :-1, :]).abs().mean((0, 1, 3))
    columns = (picture[..., 1:] - picture[..., :-1]).abs().mean((0, 1, 2))
    seams, beside = [], []
    for lines, edges, factor, side in (
        (rows, across, picture.shape[2] / canvas.height, tile.height),
        (columns, down, picture.shape[3] / canvas.width, tile.width),
    ):
        for edge in edges:
            at, reach = round(edge * factor) - 1, max(3, round(side * factor / 6))
            near = [at + sign * step for step in range(2, reach + 1) for sign in (-1, 1)]
            seams.append(lines[at])
            beside.append(lines[[index for index in near if 0 <= index < len(lines)]].mean())
    return float(torch.stack(seams).mean() / torch.stack(beside).mean())
