"""The commands that paint: `paint`, `resume`, `rerun`, `promote`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import artgen
from artgen.cli.messages import reported
from artgen.cli.paint_options import PAINT, takes
from artgen.cli.parsing import (
    ARGUMENTS,
    RENDERER_OPTIONS,
    ContextCommand,
    PaintCommand,
    configuration_values,
    current_context,
    parse_paint_arguments,
)
from artgen.cli.shared import Force, Json, Out, Quiet, Yes, run_and_report, written_path

if TYPE_CHECKING:
    from artgen.config import RunConfig
    from artgen.engine.events import EventStream
    from artgen.runs.report import RunResult


@takes(*PAINT)
def paint(**options: Any) -> None:
    """Paint a picture: artgen "a blue rabbit:2 | photo:-0.5". The renderer's own options are taken too."""
    with reported(options["as_json"]):
        from artgen.config import RunConfig

        context = current_context()
        if options["seeds"] is not None or options["prompt_file"] is not None:
            from artgen.cli.batch import paint_many

            paint_many(context.meta[ARGUMENTS], options)
            return
        config = RunConfig.make(configuration_values(options, context.meta[RENDERER_OPTIONS]))
        _run(config, options["out"], options)


def _run(config: RunConfig, out: Path | None, options: Mapping[str, Any]) -> None:
    work = functools.partial(_paint, config, out, force=options["force"])
    run_and_report(work, options["as_json"], options["quiet"])


def _paint(*what: Any, **how: Any) -> EventStream[RunResult]:
    """Start to paint; torch is imported here, while the progress bar shows that something happens."""
    return artgen.painting(*what, **how)


def resume(
    run: Annotated[
        Path,
        typer.Argument(parser=written_path, help="Folder of a run or a batch that was stopped or killed."),
    ],
    yes: Yes = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run, or a batch; it ends with the same bits as one that was never stopped."""
    with reported(as_json):
        from artgen.batch.jobs import is_batch

        if is_batch(run):
            from artgen.cli.batch import resume_many

            resume_many(run, yes, as_json, quiet)
            return
        run_and_report(functools.partial(_resume, run, open_files=yes), as_json, quiet)


def _resume(*what: Any, **how: Any) -> EventStream[RunResult]:
    """Continue a run; torch is imported here, while the progress bar shows that something happens."""
    return artgen.resuming(*what, **how)


def rerun(
    picture: Annotated[Path, typer.Argument(parser=written_path, help="A PNG or WebP that artgen made.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Open the local files the picture names.")] = False,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Paint a picture again, with the configuration in its metadata; an edited one from its beginning."""
    with reported(as_json):
        from artgen.config import RunConfig
        from artgen.export.metadata import read_configuration
        from artgen.runs.inputs import require_known

        config = RunConfig.from_text(read_configuration(picture))
        if not yes:
            require_known(config.local_files(), {}, picture)
        _run(config, out, {"force": force, "as_json": as_json, "quiet": quiet})


def promote(
    sheet: Annotated[
        Path, typer.Argument(parser=written_path, help="Contact sheet of a batch (sheet.png), or its folder.")
    ],
    number: Annotated[int, typer.Argument(help="Number of the picture on the sheet.")],
    yes: Yes = False,
) -> None:
    """Go on from one picture of a contact sheet; all options of paint: artgen promote SHEET 3 --preset best."""
    arguments = [word for word in current_context().args if word not in ("--yes", "-y")]
    yes = yes or len(arguments) < len(current_context().args)
    as_json = "--json" in arguments
    with reported(as_json):
        from artgen.batch.sheet import find_run
        from artgen.config import RunConfig

        folder = find_run(sheet, number)
        merged = ["--config", str(folder / "config.yaml"), "--population", "1", *arguments]
        params, own = parse_paint_arguments(merged)
        values: dict[str, Any] = configuration_values(params, own)
        values["init"] = params["init"] if params["init"] is not None else str(folder)
        values["edited"] = None
        config = RunConfig.make(values)
        work = functools.partial(
            _promote, folder, config, params["out"], open_files=yes, force=params["force"]
        )
        run_and_report(work, params["as_json"], params["quiet"])


def _promote(*what: Any, **how: Any) -> EventStream[RunResult]:
    """Continue a run of a batch; torch is imported here, while the progress bar shows that something happens."""
    from artgen.batch.promote import promoting

    return promoting(*what, **how)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(cls=PaintCommand, rich_help_panel="Paint")(paint)
    for command in (resume, rerun):
        app.command(rich_help_panel="Paint")(command)
    extra = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command(cls=ContextCommand, rich_help_panel="Paint", context_settings=extra)(promote)
