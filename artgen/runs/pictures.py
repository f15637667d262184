"""The pictures of a run: the best candidate, the others, and their vector forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artgen.config import RunConfig
from artgen.export.masked_svg import with_mask
from artgen.export.png import write_png
from artgen.files import write_atomically
from artgen.renderers.rendering import render_picture
from artgen.runs.setup import Workshop
from artgen.types import Image, Size


def write_pictures(folder: Path, workshop: Workshop, config: RunConfig, order: Sequence[int]) -> list[Path]:
    """Write `image.png` for the best candidate and `candidate-N.png` for the others.

    Args:
        folder: the run's folder.
        workshop: holds the renderer and the background.
        config: put into every picture's metadata.
        order: candidates, best first.

    Returns:
        The PNG files, best first.
    """
    written = []
    for rank, index in enumerate(order):
        single = workshop.stage.renderer.candidate(index)
        path = folder / (f"candidate-{rank + 1}.png" if rank else "image.png")
        picture = workshop.stage.background.finished(render_picture(single, workshop.size))
        write_png(path, picture[0], config.to_json())
        written.append(path)
        if rank == 0:
            vector = single.to_svg(workshop.size)
            if vector is not None:
                document = with_mask(vector, workshop.stage.background, workshop.size)
                write_atomically(folder / "image.svg", document.encode())
    return written


def write_level(folder: Path, workshop: Workshop, config: RunConfig, index: int, elements: int) -> None:
    """Write `level-N.png`, and its vector form, of a candidate that ends a level of N elements."""
    single = workshop.stage.renderer.candidate(index)
    picture = workshop.stage.background.finished(render_picture(single, workshop.size))
    write_png(folder / f"level-{elements}.png", picture[0], config.to_json())
    vector = single.to_svg(workshop.size)
    if vector is not None:
        document = with_mask(vector, workshop.stage.background, workshop.size)
        write_atomically(folder / f"level-{elements}.svg", document.encode())


def finished_picture(workshop: Workshop, index: int, size: Size) -> Image:
    """Return one candidate on its background, [1, 3, H, W]."""
    single = workshop.stage.renderer.candidate(index)
    return workshop.stage.background.opaque(render_picture(single, size))
