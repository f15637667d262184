"""The commands that paint: `paint`, `resume`, `rerun`, `promote`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.app import app
from artgen.cli.messages import reported
from artgen.cli.parsing import PaintCommand, PromoteCommand, promoted_request
from artgen.cli.request import PaintRequest
from artgen.cli.shared import (
    Force,
    Json,
    Out,
    Quiet,
    Runs,
    Yes,
    import_later,
    new_runs_in,
    nonempty_path,
    run_and_report,
)

_painting = import_later("artgen.runs.paint:painting")
_resuming = import_later("artgen.runs.paint:resuming")
_promoting = import_later("artgen.batch.promote:promoting")


@app.command(cls=PaintCommand, rich_help_panel="Paint")
def paint(context: typer.Context) -> None:
    """Paint a picture: artgen "a blue rabbit:2 | photo:-0.5". The renderer's options are accepted too."""
    request: PaintRequest = context.obj
    with reported(request.as_json), new_runs_in(request.runs, request.out):
        from artgen.config import RunConfig

        if request.seeds is not None or request.prompt_file is not None:
            from artgen.cli.batch import paint_many

            paint_many(request)
            return

        config = RunConfig.make(request.values())
        work = functools.partial(_painting, config, request.out, force=request.force)
        run_and_report(work, request.as_json, request.quiet)


@app.command(rich_help_panel="Paint")
def resume(
    run: Annotated[
        Path,
        typer.Argument(parser=nonempty_path, help="Folder of a run or batch that was stopped or killed."),
    ],
    yes: Yes = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue a run or a batch; the result has the same bits as that of one that was never stopped."""
    with reported(as_json):
        from artgen.batch.jobs import is_batch

        if is_batch(run):
            from artgen.cli.batch import resume_many

            resume_many(run, yes, as_json, quiet)
            return

        run_and_report(functools.partial(_resuming, run, open_files=yes), as_json, quiet)


@app.command(rich_help_panel="Paint")
def rerun(
    picture: Annotated[
        Path, typer.Argument(parser=nonempty_path, help="A PNG or WebP file that artgen wrote.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Open the local files the picture names.")] = False,
    branch: Annotated[
        int | None,
        typer.Option(min=0, metavar="STEP", help="Leave out the changes that were made from this step on."),
    ] = None,
    out: Out = None,
    runs: Runs = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Paint a picture again with the configuration in its metadata; an edited one from its first step."""
    with reported(as_json), new_runs_in(runs, out):
        from artgen.config import RunConfig
        from artgen.export.metadata import read_configuration
        from artgen.runs.inputs import CONSENT, AllowedInputs

        config = RunConfig.from_text(read_configuration(picture))
        if not yes:
            AllowedInputs(downloads=True, cure=CONSENT).require(config, str(picture))
        if branch is not None:
            config = config.without_turns_from(branch)
        run_and_report(
            functools.partial(_painting, config, out, force=force),
            as_json,
            quiet,
        )


@app.command(cls=PromoteCommand, rich_help_panel="Paint")
def promote(
    context: typer.Context,
    sheet: Annotated[
        Path,
        typer.Argument(parser=nonempty_path, help="Contact sheet of a batch (sheet.png), or its folder."),
    ],
    number: Annotated[int, typer.Argument(help="Number of the picture on the sheet.")],
    yes: Yes = False,
) -> None:
    """Continue one picture of a contact sheet, with any option of paint: artgen promote SHEET 3 --preset best."""
    request: PaintRequest = context.obj
    with reported(request.as_json), new_runs_in(request.runs, request.out):
        from artgen.batch.sheet import find_run
        from artgen.config import RunConfig

        folder = find_run(sheet, number)
        request = request.over(promoted_request(folder))
        values = request.values()
        values["init"] = request.given().get("init", str(folder))
        values["edited"] = None

        config = RunConfig.make(values)
        work = functools.partial(
            _promoting,
            folder,
            config,
            request.out,
            open_files=yes,
            force=request.force,
        )
        run_and_report(work, request.as_json, request.quiet)
