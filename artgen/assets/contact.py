"""Contact sheets: all patches of a set, or some of every set, in one picture to look at."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from artgen.assets.sets import Patch
from artgen.errors import UsageError
from artgen.files import write_atomically

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""Pillow's name of a sheet's format by the end of its name."""
_CHECK = ((200, 200, 200), (228, 228, 228))


def contact_sheet(
    patches: Sequence[Patch], columns: int = 10, side: int = 96, names: bool = True
) -> Image.Image:
    """Return an RGB picture of all patches on a chequered ground.

    Args:
        patches: the patches.
        columns: patches per row.
        side: longest side of each in pixels.
        names: write each patch's name below it.
    """
    cell, foot = side + 8, 14 if names else 0
    columns = min(columns, len(patches))
    rows = math.ceil(len(patches) / columns)
    sheet = Image.new("RGB", (columns * cell, rows * (cell + foot)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, patch in enumerate(patches):
        left, top = index % columns * cell, index // columns * (cell + foot)
        _chequer(draw, left, top, cell)
        image = Image.fromarray(patch.pixels)
        image.thumbnail((side, side))
        sheet.paste(image, (left + (cell - image.width) // 2, top + (cell - image.height) // 2), image)
        if names:
            draw.text((left + 3, top + cell), patch.name[:18], fill="black")
    return sheet


def overview(sets: Mapping[str, Sequence[Patch]], columns: int = 14, side: int = 48) -> Image.Image:
    """Return an RGB picture with a row for each set: its name, then some of its patches.

    Args:
        sets: patches by the set's name.
        columns: patches per row, taken evenly from the set.
        side: longest side of each in pixels.
    """
    title, cell = 72, side + 8
    sheet = Image.new("RGB", (title + columns * cell, len(sets) * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (name, patches) in enumerate(sets.items()):
        shown = [patches[i * len(patches) // columns] for i in range(min(columns, len(patches)))]
        draw.text((4, row * cell + cell // 2 - 6), name, fill="black")
        sheet.paste(contact_sheet(shown, columns, side, names=False), (title, row * cell))
    return sheet


def require_new_sheet(path: Path, force: bool) -> None:
    """Check the file of a contact sheet before the work begins.

    Args:
        path: the file.
        force: whether it may replace a file.

    Raises:
        UsageError: it is neither a PNG nor a JPEG, or a file is there.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a contact sheet is a .png or .jpg file; choose such a name")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists; choose another name, or replace it with --force")


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a contact sheet.

    Raises:
        RunError: it cannot be written.
    """
    content = io.BytesIO()
    sheet.save(content, FORMATS[path.suffix.lower()])
    write_atomically(path, content.getvalue())


def _chequer(draw: ImageDraw.ImageDraw, left: int, top: int, cell: int, step: int = 13) -> None:
    for row in range(0, cell, step):
        for column in range(0, cell, step):
            box = (left + column, top + row, left + column + step - 1, top + row + step - 1)
            draw.rectangle(box, fill=_CHECK[(row + column) // step % 2])
