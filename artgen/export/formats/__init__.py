"""Formats of exported pictures: PNG, WebP, SVG, OpenRaster, folders of layers. One file each."""

from artgen.export.formats.base import Export, ExportFormat, format_of, formats

__all__ = ["Export", "ExportFormat", "format_of", "formats"]
