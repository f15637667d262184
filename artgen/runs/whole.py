"""The tiles of a large picture as one collage, which is exported and edited in one piece."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from artgen.config import EditOptions, RunConfig
from artgen.engine.randomness import Streams
from artgen.engine.state import initial_state
from artgen.engine.view import candidate_picture
from artgen.grid import Tiling
from artgen.renderers.background import make_background
from artgen.renderers.base import Renderer
from artgen.renderers.collage import Collage
from artgen.runs.checkpoint import CHECKPOINT, save_checkpoint
from artgen.runs.context import RunContext, empty_renderer, make_context
from artgen.runs.defaults import ResolvedConfig, resolve
from artgen.runs.inputs import fingerprints
from artgen.runs.pictures import write_pictures
from artgen.runs.state import capture
from artgen.runs.steering import Steering
from artgen.runs.tiles import PlacedTile, join, seen_below, whole_config
from artgen.terms import term_kinds
from artgen.types import Image, Size, Window


class Whole:
    """A collage of the patches of all tiles so far.

    Args:
        steering: the turns, and the configuration of the tiled picture as it is recorded.
        tiling: the arrangement of the tiles.
        first: the configuration of the first tile, resolved.

    Attributes:
        context: what the whole is written with; no guide judges it.
        elapsed: seconds spent on the tiles that are done.
    """

    def __init__(self, steering: Steering, tiling: Tiling, first: ResolvedConfig) -> None:
        self._steering = steering
        self._tiling = tiling
        self._tile: Size = first.canvas
        self.context = self._make_context(first)
        self.elapsed = 0.0
        self._done: list[PlacedTile] = []
        self._losses: list[float] = []

    def _make_context(self, first: ResolvedConfig) -> RunContext:
        own = whole_config(self._config, self._tiling, self._tile)
        settings = resolve(own, guides=(), device=first.device)
        for term in settings.terms:
            term_kinds.get(term.kind).check(term.content)  # what is wrong shows before anything is written

        inputs = fingerprints([*self._config.local_files(), *own.local_files()])
        background = make_background(self._config, first.device)
        context = make_context(settings, empty_renderer(settings), inputs, background=background)

        # The report and the checkpoint name the guides of the tiles.
        return replace(context, settings=replace(settings, voters=first.voters))

    @property
    def _config(self) -> RunConfig:
        return self._steering.config

    @property
    def _canvas(self) -> Size:
        """Size of the whole at the tiles' own resolution."""
        return self._tiling.canvas(self._tile)

    @property
    def _collage(self) -> Collage:
        return cast(Collage, self.context.problem.renderer)

    @property
    def is_empty(self) -> bool:
        """Whether no tile is done."""
        return not self._done

    @property
    def loss(self) -> float:
        """Mean loss of the tiles that are done."""
        return sum(self._losses) / len(self._losses)

    # --- tiles -------------------------------------------------------------------------

    def add(self, index: int, renderer: Renderer, smoothed: Tensor | None, elapsed: float = 0.0) -> None:
        """Add the best candidate of a tile that is done.

        Args:
            index: of the tile, counted row by row.
            renderer: its collage, all candidates.
            smoothed: [P] their losses, None before the first step.
            elapsed: seconds spent on it.
        """
        best = 0 if smoothed is None else int(smoothed.argmin())
        single = cast(Collage, renderer.candidate(best))
        single.forget_textures()

        self._done.append(PlacedTile(single, self._window(index)))
        self._losses.append(float("nan") if smoothed is None else float(smoothed[best]))
        self.elapsed += elapsed

    def below(self, index: int) -> Tensor:
        """Return [3, h, w] what a tile is painted on: the background, and the tiles that are done."""
        collage = None
        if self._done:
            join(self._collage, self._done)
            collage = self._collage
        return seen_below(self.context.problem.background, collage, self._canvas, self._window(index))

    def show(self, index: int | None = None, candidate: Renderer | None = None) -> None:
        """Give the collage the patches of the tiles that are done, and of one that is not, if given."""
        tiles = list(self._done)
        if index is not None and candidate is not None:
            tiles.append(PlacedTile(cast(Collage, candidate), self._window(index)))
        join(self._collage, tiles)

    def _window(self, index: int) -> Window:
        return self._tiling.window(index, self._tile)

    # --- files -------------------------------------------------------------------------

    def frame(self, side: int) -> Image:
        """Return what `show` has shown, [1, 3, H, W], with a longer side of so many pixels."""
        return candidate_picture(self.context.problem, 0, side)

    def write_pictures(self, folder: Path) -> list[Path]:
        """Write what `show` has shown."""
        return write_pictures(folder, self.context, self._config, [0])

    def save(self, folder: Path, step: int, views_per_pass: int) -> None:
        """Write the checkpoint of the whole: a run of its own, which can be exported and edited."""
        origin = EditOptions(config=self._config, step=step, steps=0)
        config = self.context.settings.config.model_copy(update={"steps": max(1, step), "edited": origin})

        end = initial_state(self.context.problem, config.evolution, Streams(config.seed))
        end.step, end.lowest, end.views_per_pass = step, self.loss, views_per_pass
        end.smoothed = None if math.isnan(self.loss) else torch.tensor([self.loss])
        save_checkpoint(folder / CHECKPOINT, capture(config, self.context, end))

    def credits(self) -> list[dict[str, str]]:
        """Return name, source, licence and author of every patch."""
        return self._collage.assets_used()
