"""Making and writing new patch sets."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from PIL import Image

from artgen.assets.contact import contact_sheet
from artgen.assets.files import MAX_BYTES, Pixels, decode_picture
from artgen.assets.making import Method, cut, rasterise, resized
from artgen.assets.sets import MANIFEST, Patch, load_set
from artgen.errors import ArtgenError, InputError, UsageError
from artgen.files import file_name, read_file, write_atomically

LARGEST_SOURCE = 20_000
"""Longest side of a picture to cut from, in pixels."""


@dataclass(frozen=True)
class Recipe:
    """How patches are cut.

    Args:
        method: see `artgen.assets.making.cut`.
        side: longest side of the patches in pixels.
        tolerance: least colour difference from the background.
        smallest: least fraction of its picture that a patch covers.
    """

    method: Method = "auto"
    side: int = 192
    tolerance: float = 18.0
    smallest: float = 0.002


def make_set(
    sources: Sequence[Path],
    folder: Path,
    recipe: Recipe,
    title: str,
    licence: str,
    author: str = "",
    skip_bad: bool = False,
) -> list[str]:
    """Cut patches out of pictures and write them as a patch set with a contact sheet.

    Args:
        sources: pictures, SVG files, Arnheim's `.npy` files, or folders of them.
        folder: the folder to write to; must be empty or new.
        recipe: how to cut.
        title: the set's title.
        licence: the set's licence, best as an SPDX identifier.
        author: who made the pictures.
        skip_bad: continue without sources that cannot be used.

    Returns:
        One line for each source left out.

    Raises:
        UsageError: the folder is not empty, or there are no sources.
        InputError: a source cannot be used, or no patch could be cut at all.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: is not empty; choose a new folder")
    files: list[Path] = []
    for source in sources:
        files += _files(source)
    if not files:
        raise UsageError("no pictures to cut patches from; give pictures, or folders of them")
    made: list[tuple[Path, Pixels]] = []
    problems: list[str] = []
    for file in files:
        try:
            made += [(file, resized(patch, recipe.side)) for patch in _cut(file, recipe)]
        except ArtgenError as error:
            if not skip_bad:
                raise InputError(f"{error} (--skip-bad to continue without it)") from None
            problems.append(str(error))
    if not made:
        raise InputError(f"no patch could be cut from {len(files)} files; first problem: {problems[0]}")
    _write(made, folder, {"title": title, "licence": licence, **({"author": author} if author else {})})
    return problems


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        known = {".png", ".webp", ".jpg", ".jpeg", ".svg"}
        return sorted(file for file in source.iterdir() if file.suffix.lower() in known)
    return [source]


def _cut(file: Path, recipe: Recipe) -> list[Pixels]:
    if file.suffix.lower() == ".npy":
        return [patch.pixels for patch in load_set(file).patches]
    data = read_file(file, MAX_BYTES, "make it smaller")
    if file.suffix.lower() == ".svg":
        return [rasterise(data, str(file), recipe.side)]
    pixels = decode_picture(data, str(file), max_side=LARGEST_SOURCE // 2)
    return cut(pixels, recipe.method, str(file), recipe.tolerance, recipe.smallest)


def _write(made: Sequence[tuple[Path, Pixels]], folder: Path, head: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries: dict[str, dict[str, str]] = {}
    patches = []
    for number, (file, pixels) in enumerate(made):
        name = f"{file_name(file.stem)}-{number:03d}.png"
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
        write_atomically(folder / name, buffer.getvalue())
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        entries[name] = {"name": file.stem[:200], "source": file.name[:200], "sha256": digest}
        patches.append(Patch(file.stem, folder.name, pixels))
    text = yaml.safe_dump({**head, "patches": entries}, sort_keys=False, allow_unicode=True)
    write_atomically(folder / MANIFEST, text.encode())
    sheet = io.BytesIO()
    contact_sheet(patches).save(sheet, "JPEG", quality=90)
    write_atomically(folder / "contact.jpg", sheet.getvalue())
