"""SVG: the picture as shapes, for Inkscape, Illustrator and browsers."""

from __future__ import annotations

from pathlib import Path

from artgen.export.formats.base import Export, ExportFormat, formats
from artgen.files import write_atomically


@formats.register("svg")
class Svg(ExportFormat):
    """A vector picture, from renderers that can draw one."""

    suffix = ".svg"
    renders_pixels = False

    def write(self, export: Export, path: Path) -> None:
        """Write the document as UTF-8."""
        write_atomically(path, export.svg().encode())
