"""Limits on a patch set as a whole, checked before anything is unpacked or decoded."""

from __future__ import annotations

import struct
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
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()

    if _directory_size(tail) > _MAX_DIRECTORY:
        raise InputError(f"{path}: contains too many files; at most {MAX_FILES:,} are read")


def _directory_size(tail: bytes) -> int:
    """Return the size of the table of contents that the last bytes of an archive state, 0 without one."""
    largest = 0
    for signature, offset, layout in ((b"PK\5\6", 12, "<L"), (b"PK\6\6", 40, "<Q")):
        start = tail.rfind(signature)
        stated = tail[start + offset : start + offset + struct.calcsize(layout)]
        if start >= 0 and len(stated) == struct.calcsize(layout):
            largest = max(largest, struct.unpack(layout, stated)[0])
    return largest
