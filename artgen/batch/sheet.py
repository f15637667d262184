"""Contact sheets: the pictures of a batch with captions, and which run each cell is of."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from artgen.errors import ArtgenError, InputError, UsageError
from artgen.export.metadata import read_entry
from artgen.files import write_atomically
from artgen.geometry import Size
from artgen.images import read_opaque, to_pillow
from artgen.plain_json import read_json

METADATA_KEY = "artgen-sheet"
"""The PNG text entry that holds the cells as JSON."""
LONGEST_METADATA = 1 << 24
CELL = 256
"""Side of a picture on the sheet in pixels."""
MARGIN = 12
CAPTION = 40
"""Height of a caption in pixels: number and seed, and the words."""
FONT_SIZE = 14
INK, FAINT, PAPER = "#111111", "#666666", "#ffffff"
_FOLDER = re.compile(r"\d{3,5}-[a-z0-9-]{1,100}")

CellFacts = Mapping[str, Any]


def write_sheet(folder: Path, name: str, cells: Sequence[CellFacts]) -> Path | None:
    """Write a contact sheet of a batch's pictures; its metadata names the run of each cell.

    Args:
        folder: the batch's folder.
        name: of the sheet.
        cells: number, text, status, folder and seed of each run.

    Returns:
        The sheet, or None if no run has a picture.
    """
    pictures = {cell["number"]: _thumbnail(folder, cell) for cell in cells}
    if not any(pictures.values()):
        return None
    columns = math.ceil(math.sqrt(len(cells)))
    rows = math.ceil(len(cells) / columns)
    step = (CELL + MARGIN, CELL + CAPTION + MARGIN)
    sheet = Pillow.new("RGB", (columns * step[0] + MARGIN, rows * step[1] + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, cell in enumerate(cells):
        left = MARGIN + index % columns * step[0]
        top = MARGIN + index // columns * step[1]
        picture = pictures[cell["number"]]
        if picture is not None:
            sheet.paste(picture, (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2))
        else:
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), outline=FAINT)
            draw.text((left + 8, top + 8), cell["status"], INK, _font())
        _draw_caption(draw, left, top + CELL + 4, cell)
    information = PngInfo()
    information.add_itxt(
        METADATA_KEY, json.dumps({"cells": [dict(cell) for cell in cells]}, ensure_ascii=False)
    )
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", pnginfo=information)
    path = folder / name
    write_atomically(path, buffer.getvalue())
    return path


def find_run(sheet: Path, number: int) -> Path:
    """Return the folder of the run that is shown in a cell.

    Args:
        sheet: a contact sheet, or the folder it is in.
        number: the cell's, as written in its caption.

    Raises:
        InputError: no contact sheet, or a damaged one.
        UsageError: no such cell, or one without a run.
    """
    path = sheet / "sheet.png" if sheet.is_dir() else sheet
    cells = {cell.get("number"): cell for cell in _read_cells(path)}
    if number not in cells:
        raise UsageError(
            f"{path} has no picture {number}; it has {', '.join(str(each) for each in cells)[:200]}"
        )
    name = cells[number].get("folder")
    if not isinstance(name, str) or not _FOLDER.fullmatch(name):
        raise UsageError(
            f"picture {number} of {path} has no run ({cells[number].get('status')}); choose another"
        )
    folder = path.parent / name
    if not (folder / "config.yaml").is_file():
        raise InputError(f"{folder}: the run is not there; keep the sheet in the folder of its batch")
    return folder


def _read_cells(path: Path) -> list[CellFacts]:
    text = read_entry(path, METADATA_KEY, "give sheet.png of a batch, or its folder")
    try:
        if text is None or len(text) > LONGEST_METADATA:
            raise ValueError
        cells = read_json(text)["cells"]
        if not all(isinstance(cell, dict) and isinstance(cell.get("number"), int) for cell in cells):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is not a contact sheet of artgen; give sheet.png of a batch") from None
    return cells


def _thumbnail(folder: Path, cell: CellFacts) -> Pillow.Image | None:
    if cell["folder"] is None or cell["status"] in ("failed", "not started"):
        return None
    try:
        picture = to_pillow(read_opaque(folder / cell["folder"] / "image.png")[0])
    except ArtgenError:
        return None
    height, width = Size(picture.height, picture.width).scaled_to(CELL)
    enlarged = max(picture.size) < CELL
    sampling = Pillow.Resampling.NEAREST if enlarged else Pillow.Resampling.BOX
    return picture.resize((width, height), sampling)


def _draw_caption(draw: ImageDraw.ImageDraw, left: int, top: int, cell: CellFacts) -> None:
    seed = "" if cell["seed"] is None else f"   seed {cell['seed']}"
    draw.text((left, top), f"{cell['number']}{seed}", INK, _font())
    draw.text((left, top + 18), _shortened(draw, str(cell["text"])), FAINT, _font())


def _shortened(draw: ImageDraw.ImageDraw, text: str) -> str:
    """Return as much of the text as fits below a picture."""
    text = text[:200]
    if draw.textlength(text, _font()) <= CELL:
        return text
    while text and draw.textlength(f"{text}…", _font()) > CELL:
        text = text[:-1]
    return f"{text}…"


def _font() -> Any:
    return ImageFont.load_default(FONT_SIZE)
