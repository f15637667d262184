"""Whether strokes fit in memory, known before the run starts."""

from __future__ import annotations

import torch

from artgen.engine.memory import available_memory
from artgen.errors import UsageError
from artgen.geometry import Size

BYTES_PER_PIXEL = 200
"""Memory a step takes per pixel that a stroke's tiles cover; measured."""
LENGTH = 0.25
"""Length of a random stroke, in the canvas's shorter side."""
MARGIN = 8
"""Pixels that tiles add around a stroke."""


def check_memory(population: int, strokes: int, width: float, canvas: Size) -> None:
    """Refuse what cannot fit.

    Args:
        population: candidates.
        strokes: per candidate.
        width: of a stroke, in the canvas's shorter side.
        canvas: that is optimised.

    Raises:
        UsageError: the strokes need more memory than is free.
    """
    side = min(canvas)
    covered = min((LENGTH * side + MARGIN) * (width * side + MARGIN), canvas.height * canvas.width)
    needed = population * strokes * covered * BYTES_PER_PIXEL
    free = available_memory(torch.device("cpu"))
    if needed > free:
        raise UsageError(
            f"{strokes} strokes x {population} candidates at {canvas.width}x{canvas.height} need about "
            f"{needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; use fewer strokes or a smaller --canvas"
        )
