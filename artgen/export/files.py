"""Finished pictures in the form that is asked for: PNG, WebP or SVG, at any size, or all candidates in one."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.config import RunConfig
from artgen.errors import UsageError
from artgen.export.layers import layers_of, openraster, write_layer_folder
from artgen.export.masked_svg import with_mask
from artgen.export.metadata import xmp_packet
from artgen.export.png import write_png
from artgen.files import write_atomically
from artgen.geometry import Size
from artgen.images import to_pillow
from artgen.memory import check_export
from artgen.renderers.background import Background
from artgen.renderers.base import Layer, Renderer
from artgen.renderers.rendering import render_picture

Format = Literal["png", "webp", "svg", "ora", "layers"]
FORMATS: tuple[Format, ...] = ("png", "webp", "svg", "ora", "layers")
LONGEST_WEBP = 16383
"""Longest side of a WebP picture in pixels; the format has no more bits for it."""
DEFAULT_SIDE = 1024

Picture = Float[Tensor, "channels height width"]


def export_run(
    run: SavedRun, path: Path, form: Format, size: Size | None, transparent: bool, rank: int
) -> Size:
    """Write one candidate.

    Args:
        run: the run.
        path: the file to write.
        form: its format.
        size: its size in pixels; with a long side of 1024 if None.
        transparent: leave out the background.
        rank: which candidate, 1 for the best.

    Returns:
        The size.

    Raises:
        UsageError: the renderer has no such form, or the picture is too large for it.
    """
    size = size or default_size(run)
    single = run.candidate(rank)
    if form == "svg":
        document = single.to_svg(size)
        if document is None:
            raise UsageError(f"the renderer {run.config.renderer} has no SVG form; use --format png or webp")
        write_atomically(path, with_mask(document, run.background, size).encode())
        return size
    if form == "webp" and max(size) > LONGEST_WEBP:
        raise UsageError(
            f"WebP takes sides of at most {LONGEST_WEBP} pixels; use --format png, or a smaller --size"
        )
    check_export(size)
    transparent = transparent or run.config.transparent
    if form in ("ora", "layers"):
        layers = [*([] if transparent else [_background(run, size)]), *layers_of(single, size)]
        if form == "layers":
            write_layer_folder(layers, size, path)
            return size
        merged = _finished(run, single, size, transparent)
        merged = merged if transparent else torch.cat([merged, torch.ones(1, *size)])
        write_atomically(path, openraster(layers, size, merged))
        return size
    _write(path, form, _finished(run, single, size, transparent), run.config.to_json())
    return size


def export_sheet(run: SavedRun, path: Path, form: Format, size: Size | None, transparent: bool) -> Size:
    """Write all candidates side by side, best first: cells of equal size without gaps, a sprite sheet.

    Args:
        run: the run.
        path: the file to write.
        form: "png" or "webp".
        size: of one cell; with a long side of 256 if None.
        transparent: leave out the background.

    Returns:
        The size of the sheet.
    """
    if form not in ("png", "webp"):
        raise UsageError(f"a sheet has no {form} form; use --format png or webp")
    cell = size or default_size(run, 256)
    columns = math.ceil(math.sqrt(len(run.order)))
    rows = math.ceil(len(run.order) / columns)
    whole = Size(rows * cell.height, columns * cell.width)
    if form == "webp" and max(whole) > LONGEST_WEBP:
        raise UsageError(
            f"WebP takes sides of at most {LONGEST_WEBP} pixels; use --format png, or a smaller --size"
        )
    check_export(whole)
    transparent = transparent or run.config.transparent
    empty = torch.zeros(4, *cell) if transparent else run.background.behind(cell).expand(3, *cell)
    sheet = empty.repeat(1, rows, columns)
    for index in range(len(run.order)):
        top, left = index // columns * cell.height, index % columns * cell.width
        picture = _finished(run, run.candidate(index + 1), cell, transparent)
        sheet[:, top : top + cell.height, left : left + cell.width] = picture
    _write(path, form, sheet, run.config.to_json())
    return whole


def default_size(run: SavedRun, side: int | None = None) -> Size:
    """Return the size the run itself exports, or one of the same shape with this longer side."""
    if side is None and run.config.size is not None:
        return run.config.size
    canvas = run.config.size or run.renderer.canvas
    factor = (side or DEFAULT_SIDE) / max(canvas)
    return Size(max(1, round(canvas.height * factor)), max(1, round(canvas.width * factor)))


def _background(run: SavedRun, size: Size) -> Layer:
    """Return what is behind the picture as a layer."""
    behind = run.background.behind(size).expand(3, *size)
    return Layer("background", torch.cat([behind, torch.ones(1, *size)]), 0, 0)


def _finished(run: SavedRun, single: Renderer, size: Size, transparent: bool) -> Picture:
    canvas = render_picture(single, size)
    return run.background.masked(canvas)[0] if transparent else run.background.opaque(canvas)[0]


def _write(path: Path, form: Format, picture: Picture, configuration: str) -> None:
    if form == "png":
        write_png(path, picture, configuration)
        return
    buffer = io.BytesIO()
    to_pillow(picture).save(buffer, "WEBP", lossless=True, exact=True, xmp=xmp_packet(configuration))
    write_atomically(path, buffer.getvalue())


@dataclass(frozen=True)
class SavedRun:
    """A run as its checkpoint has it.

    Args:
        folder: the run's folder.
        config: its description.
        renderer: all candidates.
        order: indices of the candidates, best first.
        background: what is behind and around the picture.
        step: number of steps it has made.
        inputs: fingerprints of the local files it began with.
    """

    folder: Path
    config: RunConfig
    renderer: Renderer
    order: list[int]
    background: Background
    step: int
    inputs: Mapping[str, str]

    def candidate(self, rank: int) -> Renderer:
        """Return one candidate, 1 for the best.

        Raises:
            UsageError: there are not so many.
        """
        if not 1 <= rank <= len(self.order):
            raise UsageError(
                f"there is no candidate {rank}; the run has {len(self.order)}, so give 1 to {len(self.order)}"
            )
        return self.renderer.candidate(self.order[rank - 1])
