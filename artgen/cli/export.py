"""`artgen export`: a run's pictures in other sizes and formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.app import app
from artgen.cli.messages import print_answer, reported
from artgen.cli.shared import Json, Yes, nonempty_path
from artgen.export.formats import format_of, formats

_FORMATS = ", ".join(formats.file_names())


@app.command(rich_help_panel="Paint")
def export(
    run: Annotated[Path, typer.Argument(parser=nonempty_path, help="Folder of a run, or a picture in it.")],
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size in pixels; with --sheet, of one picture on it.")
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", help=f"One of {_FORMATS}; default: by the suffix of --out."),
    ] = None,
    transparent: Annotated[bool, typer.Option("--transparent", help="Omit the background.")] = False,
    candidate: Annotated[int, typer.Option(help="Rank of the candidate; 1 is the best.")] = 1,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="All candidates in one picture (a sprite sheet).")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", parser=nonempty_path, help="Default: in the folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write a run's picture at any size and format: artgen export RUN --size 4096x4096."""
    with reported(as_json):
        from artgen.config.values import size_option
        from artgen.errors import UsageError
        from artgen.export.files import export_run, export_sheet
        from artgen.runs.saved import open_run

        wanted_size = size_option(size) if size is not None else None
        by_suffix = format_of(out) if format_name is None and out is not None and out.suffix else "png"
        name = format_name or by_suffix
        suffix = formats.get(name).suffix

        opened = open_run(run, open_files=yes)
        path = out or opened.folder / f"{_file_stem(sheet, candidate, size)}{suffix}"
        if path.exists() and not force:
            raise UsageError(f"{path} already exists; choose another --out, or replace it with --force")

        if sheet:
            made = export_sheet(opened, path, name, wanted_size, transparent)
        else:
            made = export_run(opened, path, name, wanted_size, transparent, candidate)
        facts = {"file": path, "width": made.width, "height": made.height}
        print_answer(facts, [f"{path}  {made.width}x{made.height}"], as_json)


def _file_stem(sheet: bool, candidate: int, size: str | None) -> str:
    """Return the name, without suffix, of a file that is written into the run's folder."""
    if sheet:
        stem = "sheet"
    elif candidate == 1:
        stem = "export"
    else:
        stem = f"export-{candidate}"
    return f"{stem}-{size.lower()}" if size else stem
