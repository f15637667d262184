"""A run as its checkpoint has it: what an export needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from artgen.config import RunConfig
from artgen.errors import UsageError
from artgen.geometry import Size
from artgen.renderers.background import Background
from artgen.renderers.base import Renderer

EXPORT_SIDE = 1024
"""Longer side of an exported picture in pixels, unless the run or the user names a size."""


@dataclass(frozen=True)
class SavedRun:
    """A run as its checkpoint has it.

    Args:
        folder: the run's folder.
        config: its configuration.
        renderer: all candidates.
        order: indices of the candidates, best first.
        background: what is behind and around the picture.
        step: number of steps done.
        inputs: fingerprints of the local files it started with.
    """

    folder: Path
    config: RunConfig
    renderer: Renderer
    order: list[int]
    background: Background
    step: int
    inputs: Mapping[str, str]

    def candidate(self, rank: int) -> Renderer:
        """Return a renderer of one candidate; rank 1 is the best.

        Raises:
            UsageError: the run has fewer candidates.
        """
        count = len(self.order)
        if not 1 <= rank <= count:
            raise UsageError(f"there is no candidate {rank}; the run has {count}, so give 1 to {count}")
        return self.renderer.candidate(self.order[rank - 1])

    def default_size(self, side: int | None = None) -> Size:
        """Return the size to export at: the configured one, or one of the same shape.

        Args:
            side: longer side in pixels; None for the configured size, or 1024 without one.
        """
        if side is None and self.config.size is not None:
            return self.config.size

        shape = self.config.size or self.renderer.canvas
        return shape.scaled_to(side or EXPORT_SIDE)
