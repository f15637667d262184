"""Limits on a patch set as a whole, checked before anything is unpacked or decoded."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

from artgen.errors import InputError
from artgen.files import open_file

MAX_FILES = 5000
"""Most files in a patch set."""
MAX_SET_BYTES = 2**30
"""Most bytes in all files of an archive, unpacked; also the largest archive."""
MAX_SET_PIXELS = 200_000_000
"""Most pixels in all pictures of a set, 800 MB of memory; 5,000 patches of 200 x 200 pixels."""

_MAX_DIRECTORY = 8 * 2**20
"""Largest table of contents of an archive in bytes; each file takes 46 and its name."""
_TAIL = 2**16 + 100
"""The end record of an archive starts within so many bytes of its end."""


class PixelBudget:
    """Adds up the pixels of a set's pictures.

    Args:
        owner: the set, for the message.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._spent = 0

    def spend(self, width: int, height: int) -> None:
        """Count a picture that is about to be decoded.

        Raises:
            InputError: all of them together have too many pixels.
        """
        self._spent += width * height
        if self._spent > MAX_SET_PIXELS:
            raise InputError(
                f"{self._owner}: its pictures have more than {MAX_SET_PIXELS:,} pixels together; "
                "make them smaller, or divide the set"
            )


def require_small_archive(path: Path) -> None:
    """Check a zip archive before Python reads its table of contents, which takes far more memory.

    Raises:
        InputError: not a plain file, or too large.
    """
    with open_file(path, MAX_SET_BYTES, "divide it") as file:
        sizes = list(_directory_sizes(file))
    if max(sizes, default=0) > _MAX_DIRECTORY:
        raise InputError(f"{path}: contains too many files; at most {MAX_FILES:,} are read")


def _directory_sizes(file: io.BufferedReader) -> Iterator[int]:
    """Yield what an archive's end records state as the size of its table of contents.

    There is a record of 32 bits, and for large archives one of 64 bits, which lies before it or where a
    third record says.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read()

    for place in _places(tail, b"PK\5\6"):
        yield int.from_bytes(tail[place + 12 : place + 16], "little")
    for place in _places(tail, b"PK\6\6"):
        yield int.from_bytes(tail[place + 40 : place + 48], "little")
    for place in _places(tail, b"PK\6\7"):
        record = int.from_bytes(tail[place + 8 : place + 16], "little")
        file.seek(min(record + 40, size))
        yield int.from_bytes(file.read(8), "little")


def _places(content: bytes, part: bytes) -> Iterator[int]:
    """Yield where a part occurs in some bytes."""
    place = content.find(part)
    while place >= 0:
        yield place
        place = content.find(part, place + 1)
