"""Lossless WebP, with the configuration in its metadata."""

from __future__ import annotations

import io
from pathlib import Path

from artgen.export.formats.base import Export, ExportFormat, formats
from artgen.export.metadata import xmp_packet
from artgen.files import write_atomically
from artgen.images import to_pillow


@formats.register("webp")
class Webp(ExportFormat):
    """A lossless picture, smaller than a PNG, that `artgen rerun` can repeat."""

    suffix = ".webp"
    supports_sheet = True
    longest_side = 16383  # WebP stores sides in 14 bits

    def write(self, export: Export, path: Path) -> None:
        """Write the picture and the configuration that made it."""
        picture = to_pillow(export.picture())
        metadata = xmp_packet(export.configuration)

        # Without `exact`, the colours of fully transparent pixels are lost.
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", lossless=True, exact=True, xmp=metadata)
        write_atomically(path, buffer.getvalue())
