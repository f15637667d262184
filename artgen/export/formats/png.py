"""PNG, with the configuration in its metadata."""

from __future__ import annotations

from pathlib import Path

from artgen.export.formats.base import Export, ExportFormat, formats
from artgen.export.png import write_png


@formats.register("png")
class Png(ExportFormat):
    """A lossless picture that `artgen rerun` can repeat."""

    suffix = ".png"
    supports_sheet = True

    def write(self, export: Export, path: Path) -> None:
        """Write the picture and the configuration that made it."""
        write_png(path, export.picture(), export.configuration)
