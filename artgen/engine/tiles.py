"""Pictures of any size from overlapping tiles, each a collage of its own.

Tiles are optimised one after the other, each upon what its neighbours already show in it.
In the end all patches are one collage in the frame of the whole picture, so that they lie
across the borders of tiles as they like and there is no seam to hide; it is exported at
any size in bands, as every collage is.

Source of the idea: CLIP-CLOP's tiles (P. Mirowski et al. 2022, section 3.6), which cut
patches off at the borders instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from artgen.assets import Patch
from artgen.config import RunConfig
from artgen.engine.events import Listener, ignore
from artgen.engine.evolution import Evolution
from artgen.engine.loop import LoopState, optimise
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.setup import Workshop, make_workshop, start_candidates
from artgen.errors import UsageError
from artgen.renderers.collage import Collage, CollageOptions
from artgen.types import Image, Size, Window

GLOBAL_SHARE = 0.3
"""Weight of the whole picture's prompt in each tile, beside the tile's own."""


@dataclass(frozen=True)
class Tiling:
    """How tiles lie.

    Args:
        rows: of tiles.
        columns: of tiles.
        overlap: part of a tile that it shares with its neighbour.
    """

    rows: int
    columns: int
    overlap: float = 1 / 3

    @classmethod
    def parse(cls, text: str) -> Tiling:
        """Read `3x2`: three columns, two rows.

        Raises:
            UsageError: anything else.
        """
        columns, cross, rows = text.lower().partition("x")
        if (
            not cross
            or not columns.isdigit()
            or not rows.isdigit()
            or not 1 <= int(columns) * int(rows) <= 400
        ):
            raise UsageError(f"tiles {text!r}: expected COLUMNSxROWS such as 3x2, at most 400 in all")
        return cls(int(rows), int(columns))

    def canvas(self, tile: Size) -> Size:
        """Return the size of the whole for tiles of this size."""
        last = self.window(self.rows * self.columns - 1, tile)
        return Size(last.bottom, last.right)

    def window(self, index: int, tile: Size) -> Window:
        """Return where a tile lies in the whole, tiles counted row by row."""
        row, column = divmod(index, self.columns)
        top = round(row * tile.height * (1 - self.overlap))
        left = round(column * tile.width * (1 - self.overlap))
        return Window(top, left, top + tile.height, left + tile.width)

    def seams(self, tile: Size) -> tuple[list[int], list[int]]:
        """Return rows and columns, in pixels of the whole, where a tile begins or ends within it."""
        height, width = self.canvas(tile)
        windows = [self.window(index, tile) for index in range(self.rows * self.columns)]
        across = {edge for window in windows for edge in (window.top, window.bottom)} - {0, height}
        down = {edge for window in windows for edge in (window.left, window.right)} - {0, width}
        return sorted(across), sorted(down)


def tile_configs(
    config: RunConfig, tiling: Tiling, prompts: Sequence[str], patches: Sequence[str] = ()
) -> Iterator[RunConfig]:
    """Yield the configuration of each tile.

    Args:
        config: the whole's; its prompts are the global ones.
        tiling: how tiles lie.
        prompts: one for each tile, row by row; an empty one leaves the global prompt alone.
        patches: patch sets of the tiles, taken in turn; the configuration's own if empty.

    Raises:
        UsageError: another renderer, or not one prompt for each tile.
    """
    count = tiling.rows * tiling.columns
    if config.renderer != "collage":
        raise UsageError(f"tiles are made of collages; --renderer {config.renderer} has none")
    if prompts and len(prompts) != count:
        raise UsageError(
            f"{tiling.columns}x{tiling.rows} tiles take {count} prompts; {len(prompts)} are given"
        )
    for index in range(count):
        own = prompts[index].strip() if prompts else ""
        shared = [f"{prompt}" for prompt in config.prompts]
        both = (own, *_weakened(shared)) if own else tuple(shared)
        options = dict(config.options)
        if patches:
            options["patches"] = patches[index % len(patches)]
        values = {"prompts": both, "options": options, "seed": config.seed + index, "aspect": None}
        yield config.model_copy(update=values)


def _weakened(prompts: Sequence[str]) -> list[str]:
    from artgen import prompts as grammar

    terms = [
        dataclasses.replace(each, weight=each.weight * GLOBAL_SHARE) for each in grammar.parse_all(prompts)
    ]
    return [grammar.format_terms([term]) for term in terms]


def collage_of_tiles(
    config: RunConfig,
    tiling: Tiling,
    prompts: Sequence[str] = (),
    patches: Sequence[str] = (),
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> Collage:
    """Optimise all tiles, and return the whole as one collage of one candidate.

    Its canvas is the size of the whole at the tiles' own resolution. See `tile_configs`
    for the arguments.
    """
    whole: Collage | None = None
    for index, tile_config in enumerate(tile_configs(config, tiling, prompts, patches)):
        workshop = make_workshop(tile_config)
        tile = workshop.stage.canvas
        window, canvas = tiling.window(index, tile), tiling.canvas(tile)
        if whole is not None:
            workshop = _upon(workshop, whole, canvas, window)
        single = _optimised(workshop, tile_config, listen, should_stop)
        whole = joined(whole, single, canvas, window)
        if should_stop():
            break
    assert whole is not None
    return whole


def _upon(workshop: Workshop, whole: Collage, canvas: Size, window: Window) -> Workshop:
    """Let a tile lie on what there is already."""
    ground = workshop.stage.ground
    with torch.no_grad():
        seen: Image = ground.opaque(whole(canvas, window))
    stage = dataclasses.replace(workshop.stage, ground=dataclasses.replace(ground, colour=seen[0]))
    return dataclasses.replace(workshop, stage=stage)


def _optimised(
    workshop: Workshop, config: RunConfig, listen: Listener, should_stop: Callable[[], bool]
) -> Collage:
    """Run one tile, and return its best candidate."""
    streams = Streams(config.seed)
    start_candidates(workshop, config, streams["init"])
    renderer = workshop.stage.renderer
    state = LoopState(make_optimiser(renderer, config.optimiser), streams, Evolution(config.evolution))
    optimise(workshop.stage, state, config.steps, config.seconds, listen, should_stop, lambda: None)
    best = 0 if state.smoothed is None else int(state.smoothed.argmin())
    return cast(Collage, renderer.candidate(best))


@torch.no_grad()
def joined(below: Collage | None, tile: Collage, canvas: Size, window: Window) -> Collage:
    """Return one collage of what there is and a tile, the tile's patches uppermost.

    Args:
        below: a collage whose canvas is `canvas`, or None.
        tile: a collage of one candidate.
        canvas: size of the whole.
        window: where the tile lies in it.
    """
    state = _in_the_frame_of(tile, canvas, window)
    offset = 0
    patches: list[Patch] = list(tile.sources)
    if below is not None:
        patches = [*below.sources, *patches]
        offset = len(below.sources)
        state = {name: torch.cat([getattr(below, name).detach(), value], 1) for name, value in state.items()}
        state["patch"][:, -tile.patch.shape[1] :] += offset
        count = below.order.shape[1]
        rank = torch.cat([below.order.argsort(1).argsort(1), count + tile.order.argsort(1).argsort(1)], 1)
        state["order"] = rank / max(1, rank.shape[1] - 1)
    ratio = min(tile.canvas) / min(canvas)
    limits = {"count": state["patch"].shape[1], "max_scale": max(tile.options.max_scale * ratio, 1e-3)}
    if below is not None:
        limits["max_scale"] = max(limits["max_scale"], below.options.max_scale)
    options = cast(CollageOptions, tile.options).model_copy(update=limits)
    whole = Collage(options, canvas, patches)
    for name, value in state.items():
        if value.is_floating_point():
            setattr(whole, name, nn.Parameter(value))
        else:
            whole.register_buffer(name, value)
    return whole


def _in_the_frame_of(tile: Collage, canvas: Size, window: Window) -> dict[str, Tensor]:
    """Return the state of a tile with places and lengths measured in the whole."""
    state = {name: value.detach().clone() for name, value in tile.state().items()}
    ratio = min(tile.canvas) / min(canvas)
    middle = state["translation"].new_tensor(
        [(window.left + window.right - canvas.width) / 2, (window.top + window.bottom - canvas.height) / 2]
    )
    state["translation"] = state["translation"] * ratio + middle / min(canvas)
    state["scale"] = state["scale"] * ratio
    return state


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
