"""A limit on progressive JPEG: each of its scans goes over the whole picture, and a file may have thousands."""

from __future__ import annotations

from artgen.errors import InputError

MOST_SCANS = 200
"""Most scans of one picture; encoders write 1 to 20."""
MOST_SCANNED_PIXELS = 2_000_000_000
"""Most pixels times scans, some 10 seconds of decoding; 20 scans at 100 megapixels."""

_START_OF_SCAN = b"\xff\xda"


def require_few_scans(data: bytes, size: tuple[int, int], name: str) -> None:
    """Refuse a JPEG that takes far longer to decode than its size suggests.

    Args:
        data: the file.
        size: width and height in pixels.
        name: name of the file in messages.

    Raises:
        InputError: it has too many scans.
    """
    scans = data.count(_START_OF_SCAN)
    if scans > MOST_SCANS or scans * size[0] * size[1] > MOST_SCANNED_PIXELS:
        raise InputError(
            f"{name}: a JPEG with {scans} scans, too many for {size[0]} x {size[1]} pixels; save it again as PNG"
        )
