"""Contact sheets: all patches of a set in one picture, to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from artgen.assets.sets import Patch

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


def _chequer(draw: ImageDraw.ImageDraw, left: int, top: int, cell: int, step: int = 13) -> None:
    for row in range(0, cell, step):
        for column in range(0, cell, step):
            box = (left + column, top + row, left + column + step - 1, top + row + step - 1)
            draw.rectangle(box, fill=_CHECK[(row + column) // step % 2])
