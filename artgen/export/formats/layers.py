"""A folder with one PNG per layer, and a JSON file that describes them."""

from __future__ import annotations

from pathlib import Path

from artgen.export.formats.base import Export, ExportFormat, formats
from artgen.export.layers import write_layer_folder


@formats.register("layers")
class Layers(ExportFormat):
    """The layers as separate pictures, from renderers that have layers."""

    suffix = ".layers"
    writes_folder = True

    def write(self, export: Export, path: Path) -> None:
        """Write `0000-NAME.png` and so on, and `layers.json`."""
        write_layer_folder(export.layers(), export.size, path)
