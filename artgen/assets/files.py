"""Reading pictures and archives that nobody has checked yet.

Everything here works on bytes in memory with caps that hold before anything is decoded,
and raises `InputError` with one line that names the file.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from artgen.assets.limits import MAX_FILES, MAX_SET_BYTES, PixelBudget, require_small_archive
from artgen.errors import InputError
from artgen.files import read_file
from artgen.jpeg import require_few_scans

Pixels = UInt8[np.ndarray, "_ _ 4"]
"""Straight (not premultiplied) RGBA of 8 bits."""

MAX_SIDE = 4096
"""Longest side of a patch in pixels."""
MIN_SIDE = 4
"""Shortest side that the visible part of a patch may have, in pixels."""
MAX_NAME = 500
"""Longest name of a file in an archive, with its folders."""
MAX_BYTES = 32 * 2**20
"""Largest single file in a patch set."""
PATCH_FORMATS = {".png": "PNG", ".webp": "WEBP"}
PICTURE_FORMATS = PATCH_FORMATS | {".jpg": "JPEG", ".jpeg": "JPEG"}


class FolderFiles(Mapping[str, bytes]):
    """The regular files directly in a folder, read when asked for; links out of it are refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        path = self._folder / name
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise InputError(f"{path}: links to a file outside its folder; copy the file there instead")
        return read_file(path, MAX_BYTES, "make it smaller")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class ZipFiles(Mapping[str, bytes]):
    """The files of a zip archive, read in memory; nothing is unpacked to the disk.

    Raises:
        InputError: not a zip, too many or too large files, encrypted ones, an uncommon method
            of compression, or names that lead out of the archive.
    """

    def __init__(self, path: Path) -> None:
        require_small_archive(path)
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
            entries = [entry for entry in self._archive.infolist() if not entry.is_dir()]
        except Exception as error:  # zipfile raises nearly anything on damaged archives
            raise InputError(f"{path}: not a zip archive, or a damaged one ({_one_line(error)})") from None
        if len(entries) > MAX_FILES:
            raise InputError(f"{path}: {len(entries)} files in one archive; at most {MAX_FILES} are read")
        if sum(entry.file_size for entry in entries) > MAX_SET_BYTES:
            raise InputError(f"{path}: more than {MAX_SET_BYTES:,} bytes in all its files; divide the set")
        for entry in entries:
            self._check(entry)
        depth = {PurePosixPath(entry.filename).parent for entry in entries}
        top = depth.pop() if len(depth) == 1 else PurePosixPath()
        self._entries = {str(PurePosixPath(entry.filename).relative_to(top)): entry for entry in entries}

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        if len(name) > MAX_NAME:
            raise InputError(f"{self._path}: {_shown(name)} is a name of more than {MAX_NAME} characters")
        if name.startswith("/") or ":" in name or "\\" in name or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{self._path}: contains {_shown(name)}, which leads out of the archive; refused"
            )
        if entry.file_size > MAX_BYTES:
            raise InputError(f"{self._path}: {name!r} has {entry.file_size:,} bytes; at most {MAX_BYTES:,}")
        if entry.flag_bits & 1:
            raise InputError(f"{self._path}: {name!r} is encrypted; pack it without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{self._path}: {name!r} is compressed by a method other than deflate; pack it as an ordinary zip"
            )

    def __getitem__(self, name: str) -> bytes:
        entry = self._entries[name]
        try:
            with self._archive.open(entry) as file:
                data = file.read(MAX_BYTES + 1)
        except Exception as error:  # as above
            raise InputError(f"{self._path}: {_shown(name)} is damaged ({_one_line(error)})") from None
        if len(data) > MAX_BYTES:
            raise InputError(f"{self._path}: {name!r} is larger than the archive states; refused")
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


def decode_patch(data: bytes, name: str, budget: PixelBudget | None = None) -> Pixels:
    """Decode a patch: PNG or WebP, 8 bits, one frame, with an alpha channel.

    Args:
        data: the file.
        name: name of the file in messages.
        budget: limits the pixels of the whole set.

    Returns:
        [h, w, 4] straight RGBA, cropped to its visible part.

    Raises:
        InputError: anything else, too large, completely transparent or damaged.
    """
    pixels = decode_picture(data, name, PATCH_FORMATS, budget=budget)
    if pixels.shape[2] == 3:
        raise InputError(f"{name}: has no alpha channel; cut out its subject first with 'artgen assets make'")
    return crop_to_alpha(pixels, name)


def decode_picture(
    data: bytes,
    name: str,
    formats: Mapping[str, str] = PICTURE_FORMATS,
    max_side: int = MAX_SIDE,
    budget: PixelBudget | None = None,
) -> UInt8[np.ndarray, "_ _ channels"]:
    """Decode a still picture of 8 bits.

    Args:
        data: the file.
        name: name of the file in messages.
        formats: Pillow's names of the formats allowed, as values.
        max_side: longest side in pixels, checked before decoding.
        budget: limits the pixels of the whole set; None for a picture by itself.

    Returns:
        [h, w, 4] straight RGBA, or [h, w, 3] RGB if it has no alpha channel.

    Raises:
        InputError: another format, too large, CMYK, 16 bits, animated or damaged.
    """
    try:
        with Image.open(io.BytesIO(data), formats=sorted(set(formats.values()))) as image:
            _check_header(image, data, name, max_side)
            if budget is not None:
                budget.spend(*image.size)
            image.load()
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            return np.array(image.convert("RGBA" if has_alpha else "RGB"))
    except InputError:
        raise
    except Image.UnidentifiedImageError:
        known = ", ".join(sorted(set(formats.values())))
        raise InputError(f"{name}: not a picture of a known format ({known})") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, MemoryError) as error:
        raise InputError(f"{name}: damaged picture ({_one_line(error)})") from None
    except Image.DecompressionBombError:
        raise InputError(f"{name}: too many pixels; at most {max_side} x {max_side}") from None


def _check_header(image: Image.Image, data: bytes, name: str, max_side: int) -> None:
    width, height = image.size
    if max(width, height) > max_side:
        raise InputError(
            f"{name}: {width} x {height} pixels; at most {max_side} x {max_side}, make it smaller"
        )
    if image.format == "JPEG":
        require_few_scans(data, image.size, name)
    if getattr(image, "n_frames", 1) > 1:
        raise InputError(f"{name}: is animated; save one frame of it")
    if image.mode == "CMYK":
        raise InputError(f"{name}: is CMYK; convert it to RGB")
    deep_png = image.format == "PNG" and len(data) > 24 and data[24] == 16
    if deep_png or image.mode.startswith(("I", "F")):
        raise InputError(f"{name}: has 16 bits or more per channel; save it with 8")


def crop_to_alpha(pixels: Pixels, name: str) -> Pixels:
    """Cut off the transparent margins.

    Raises:
        InputError: completely transparent, or less than `MIN_SIDE` pixels are left.
    """
    covered = pixels[..., 3] > 0
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    if not len(rows):
        raise InputError(f"{name}: is completely transparent; give a picture with something in it")
    cropped = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if min(cropped.shape[:2]) < MIN_SIDE:
        height, width = cropped.shape[:2]
        raise InputError(f"{name}: covers only {width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE}")
    return np.ascontiguousarray(cropped)


def _shown(name: str) -> str:
    """Return the beginning of a name in quotes, for messages."""
    return repr(name[:100])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
