"""Whether strokes fit in memory, known before the run starts."""

from __future__ import annotations

from artgen.geometry import Size
from artgen.memory import require_memory

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
    what = f"{strokes} strokes x {population} candidates at {canvas.width}x{canvas.height} need about"
    require_memory(needed, what, "use fewer strokes or a smaller --canvas")
