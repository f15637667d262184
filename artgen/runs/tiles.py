"""Pictures of any size from overlapping tiles, each a collage of its own.

Tiles are optimised one after the other, each upon what its neighbours already show in it.
In the end all patches are one collage in the frame of the whole picture, so that they lie
across the borders of tiles as they like and there is no seam to hide; it is exported at
any size in bands, as every collage is.

Source of the idea: CLIP-CLOP's tiles (P. Mirowski et al. 2022, section 3.6), which cut
patches off at the borders instead.
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
from artgen.errors import UsageError
from artgen.grid import Tiling, prompts_of_whole, tile_prompts
from artgen.named_files import patch_set_names
from artgen.renderers.background import Background
from artgen.renderers.collage import Collage
from artgen.runs.context import empty_renderer
from artgen.runs.defaults import natural_aspect, renderer_options, resolve
from artgen.types import Image, Size, Window

MOST_PATCHES = 10_000
"""Most patches of the whole, as of every collage."""


def check_tiles(config: RunConfig, tiling: Tiling) -> None:
    """Refuse what tiles cannot be made of.

    Raises:
        UsageError: another renderer, blending that depends on all patches, or too many patches.
    """
    if config.renderer != "collage":
        raise UsageError(
            f"tiles are made of collages, not by --renderer {config.renderer}; use --renderer collage, "
            "or prompts for regions: [0,0,0.5,1] a tree"
        )
    options = renderer_options(config)
    blending = getattr(options, "blending", "over")
    if blending != "over":
        raise UsageError(f"tiles lie over each other, which --blending {blending} does not; use over")
    patches = tiling.count * getattr(options, "count", 1)
    if patches > MOST_PATCHES:
        raise UsageError(
            f"{tiling.count} tiles would hold {patches} patches, at most {MOST_PATCHES} are taken; lower --count"
        )


def tile_config(config: RunConfig, tiling: Tiling, index: int) -> RunConfig:
    """Return the configuration of one tile, which is that of a run of its own.

    Args:
        config: the whole's; `canvas` is the size of a tile.
        tiling: how tiles lie.
        index: of the tile, counted row by row.
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
        "losses": {"sketch": 0.0, **config.losses},  # it would cover what the neighbours left
        **_UNTILED,
    }
    return config.model_copy(update=values)


_UNTILED = {"tiles": None, "tile_prompts": (), "tile_patches": ()}


def whole_config(config: RunConfig, tiling: Tiling, tile: Size) -> RunConfig:
    """Return the configuration of a collage that holds the patches of all tiles.

    Its prompts ask for the same, the tiles' in regions of the whole, so that it can be
    edited and gone on with in one piece.

    Args:
        config: the tiled one.
        tiling: how tiles lie.
        tile: size that each tile is optimised at.
    """
    canvas = tiling.canvas(tile)
    ratio = min(tile) / min(canvas)
    options = renderer_options(config)
    sets = [cell or options.patches for cell in cells_of(config.tile_patches, tiling)]  # type: ignore[attr-defined]
    names = [name for each in sets for name in patch_set_names(each)]
    scaled = {name: getattr(options, name) * ratio for name in ("min_scale", "max_scale", "margin")}
    shared = {"patches": ",".join(dict.fromkeys(names)), "count": tiling.count * options.count}  # type: ignore[attr-defined]
    own = cells_of(config.tile_prompts, tiling)
    values = {
        "prompts": tuple(prompts_of_whole(config.prompts, own, tiling)),
        "options": {**config.options, **shared, **scaled},
        "canvas": canvas,
        "aspect": None,
        "seconds": None,
        "population": 1,
        **_UNTILED,
    }
    return config.model_copy(update=values)


class PlacedTile(NamedTuple):
    """A collage of one candidate, and where it lies in the whole."""

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
    state = {name: torch.cat([each[name] for each in states], 1) for name in states[0]}
    ranks, below = [], 0
    for each in states:
        ranks.append(below + each["order"].argsort(stable=True, dim=1).argsort(1))
        below += ranks[-1].shape[1]
    state["order"] = torch.cat(ranks, 1) / max(1, below - 1)
    whole.load_state(state)


def _in_the_frame_of(tile: PlacedTile, whole: Collage) -> dict[str, Tensor]:
    """Return the state of a tile with places, lengths and patches as the whole has them."""
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
    """Return [3, h, w] what a tile lies upon: the background, and the tiles before it.

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
        tiling: how tiles lie.
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
