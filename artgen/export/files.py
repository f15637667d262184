"""Exporting a run: one candidate, or all of them as a sheet, in any format and at any size."""

from __future__ import annotations

from pathlib import Path

from artgen.errors import UsageError
from artgen.export.contents import CandidateExport, SheetExport
from artgen.export.formats import Export, ExportFormat, formats
from artgen.export.saved_run import SavedRun
from artgen.geometry import Size
from artgen.memory import check_export

CELL_SIDE = 256
"""Longer side of a sheet's cells in pixels, unless the user names a size."""


def export_run(
    run: SavedRun, path: Path, format_name: str, size: Size | None, transparent: bool, rank: int
) -> Size:
    """Write one candidate.

    Args:
        run: the run.
        path: the file to write, or the folder for formats that write one.
        format_name: of a registered format.
        size: in pixels; None for the run's own size.
        transparent: leave out the background.
        rank: which candidate; 1 is the best.

    Returns:
        The size of the picture.

    Raises:
        UsageError: no such format, the renderer cannot provide what it needs, or the picture is too large.
    """
    file_format = formats.get(format_name)()
    transparent = transparent or run.config.transparent

    export = CandidateExport(run, rank, size or run.default_size(), transparent)
    _write(file_format, format_name, export, path)
    return export.size


def export_sheet(run: SavedRun, path: Path, format_name: str, size: Size | None, transparent: bool) -> Size:
    """Write all candidates side by side, best first, in cells of equal size without gaps: a sprite sheet.

    Args:
        run: the run.
        path: the file to write.
        format_name: of a registered format that supports sheets.
        size: of one cell in pixels; None for a longer side of 256.
        transparent: leave out the background.

    Returns:
        The size of the sheet.

    Raises:
        UsageError: no such format, it cannot hold a sheet, or the sheet is too large.
    """
    file_format = formats.get(format_name)()
    if not file_format.supports_sheet:
        suited = " or ".join(name for name in formats.names() if formats.get(name).supports_sheet)
        raise UsageError(f"the format {format_name} cannot hold a sheet; use --format {suited}")
    transparent = transparent or run.config.transparent

    export = SheetExport(run, size or run.default_size(CELL_SIDE), transparent)
    _write(file_format, format_name, export, path)
    return export.size


def _write(file_format: ExportFormat, name: str, export: Export, path: Path) -> None:
    """Write a picture after checking that it fits into the format and into memory.

    Raises:
        UsageError: it does not fit.
    """
    size, limit = export.size, file_format.longest_side
    if limit is not None and max(size) > limit:
        raise UsageError(
            f"{size.width}x{size.height}: the format {name} stores sides of at most {limit} pixels; "
            "use --format png, or a smaller --size"
        )
    if file_format.renders_pixels:
        check_export(size)
    file_format.write(export, path)
