"""The pictures of a run: the best candidate, the others, and their vector forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artgen.config import RunConfig
from artgen.export.masked_svg import with_mask
from artgen.export.png import write_png
from artgen.files import write_atomically
from artgen.renderers.base import Renderer
from artgen.renderers.rendering import render_picture
from artgen.runs.context import RunContext


def write_pictures(folder: Path, context: RunContext, config: RunConfig, order: Sequence[int]) -> list[Path]:
    """Write `image.png` for the best candidate and `candidate-N.png` for the others.

    Args:
        folder: the run's folder.
        context: holds the renderer, the background and the size.
        config: goes into the metadata of every picture.
        order: indices of the candidates, the best first.

    Returns:
        The PNG files, the best first.
    """
    written = []
    for rank, index in enumerate(order):
        single = context.problem.renderer.candidate(index)
        path = folder / (f"candidate-{rank + 1}.png" if rank else "image.png")
        _write_png(path, single, context, config)
        if rank == 0:
            _write_svg(folder / "image.svg", single, context)
        written.append(path)
    return written


def write_level(folder: Path, context: RunContext, config: RunConfig, index: int, elements: int) -> None:
    """Write `level-N.png`, and its vector form, of a candidate that has grown to N elements."""
    single = context.problem.renderer.candidate(index)
    _write_png(folder / f"level-{elements}.png", single, context, config)
    _write_svg(folder / f"level-{elements}.svg", single, context)


def _write_png(path: Path, single: Renderer, context: RunContext, config: RunConfig) -> None:
    picture = context.problem.background.finished(render_picture(single, context.size))
    write_png(path, picture[0], config.to_json())


def _write_svg(path: Path, single: Renderer, context: RunContext) -> None:
    """Write the vector form of a picture, if its renderer has one."""
    document = single.to_svg(context.size)
    if document is not None:
        write_atomically(path, with_mask(document, context.problem.background, context.size).encode())
