"""OpenRaster: one file with one layer per element, for GIMP, Krita and MyPaint."""

from __future__ import annotations

from pathlib import Path

import torch

from artgen.export.formats.base import Export, ExportFormat, formats
from artgen.export.layers import openraster
from artgen.files import write_atomically


@formats.register("ora")
class Ora(ExportFormat):
    """A layered picture in one file, from renderers that have layers."""

    suffix = ".ora"

    def write(self, export: Export, path: Path) -> None:
        """Write the layers, and the merged picture that viewers show."""
        layers = export.layers()
        merged = export.picture()  # [3 or 4, H, W]
        if not export.transparent:
            opaque = torch.ones(1, *export.size)
            merged = torch.cat([merged, opaque])

        write_atomically(path, openraster(layers, export.size, merged))
