"""The commands that paint: `paint`, `resume`, `rerun`, `promote`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artgen.cli_options import (
    ARGUMENTS,
    RENDERER_OPTIONS,
    ContextCommand,
    PaintCommand,
    configuration_values,
    current_context,
    parse_paint_arguments,
)
from artgen.console import INTERRUPTED, Interruption, ProgressBar, print_json, reported

if TYPE_CHECKING:
    from artgen.config import RunConfig
    from artgen.engine.report import RunResult

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The run's own folder; default runs/<date>-…")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in --out.")]


def paint(
    prompts: Annotated[list[str] | None, typer.Argument(metavar="PROMPT...", help="What to paint.")] = None,
    renderer: Annotated[
        str | None, typer.Option("--renderer", "-r", help="pixel, strokes, collage …; see artgen renderers.")
    ] = None,
    guide: Annotated[
        list[str] | None,
        typer.Option("--guide", "-g", help="NAME, NAME:TAG or NAME=FILE, @WEIGHT; repeatable."),
    ] = None,
    preset: Annotated[str | None, typer.Option("--preset", "-p", help="draft, normal, best …")] = None,
    steps: Annotated[int | None, typer.Option("--steps", "-n", help="Optimisation steps.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds instead.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", "-s", help="Random when not given.")] = None,
    population: Annotated[int | None, typer.Option(help="Candidates optimised side by side.")] = None,
    canvas: Annotated[str | None, typer.Option(metavar="WxH", help="Size that is optimised.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size of image.png; default side 1024.")
    ] = None,
    aspect: Annotated[str | None, typer.Option(metavar="W:H", help="Shape of the picture.")] = None,
    cutouts: Annotated[int | None, typer.Option(help="Views shown to the guide at each step.")] = None,
    init: Annotated[
        str | None, typer.Option(metavar="FILE", help="Picture, SVG or run folder to start from.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="FILE", help="Picture to fit.")] = None,
    style: Annotated[str | None, typer.Option(metavar="FILE", help="Picture whose style is wanted.")] = None,
    mask: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="White may change, black stays as in --init or --target."),
    ] = None,
    palette: Annotated[
        str | None,
        typer.Option(help="'#0b1020,white,…', a .gpl, .hex or .pal file, or a name (artgen palettes)."),
    ] = None,
    background: Annotated[str | None, typer.Option(help="Colour behind the picture.")] = None,
    transparent: Annotated[
        bool | None, typer.Option("--transparent", help="Leave parts clear, and export the alpha.")
    ] = None,
    wrap: Annotated[
        bool | None, typer.Option("--wrap", help="Make a picture that tiles without a seam.")
    ] = None,
    template: Annotated[
        list[str] | None, typer.Option(help="'a drawing of {}'; several are averaged.")
    ] = None,
    loss: Annotated[
        list[str] | None, typer.Option(metavar="NAME=WEIGHT", help="Add a loss; repeatable.")
    ] = None,
    timelapse: Annotated[str | None, typer.Option(help="mp4, gif, both or none: the run's film.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML or JSON to begin with.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the configuration.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="1-8", help="One run for each of these seeds, and a contact sheet.")
    ] = None,
    prompt_file: Annotated[
        Path | None,
        typer.Option(
            "--prompts", metavar="FILE", help="One run for each line: a prompt, and options of its own."
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Paint a picture: artgen "a blue rabbit:2 | photo:-0.5". The renderer's own options are taken too."""
    with reported(as_json):
        from artgen.config import RunConfig

        context = current_context()
        if seeds is not None or prompt_file is not None:
            from artgen.cli_batch import paint_many

            paint_many(context.meta[ARGUMENTS], context.params)
            return
        values = configuration_values(context.params, context.meta[RENDERER_OPTIONS])
        _run_and_report(RunConfig.make(values), out, force, as_json, quiet)


def _run_and_report(config: RunConfig, out: Path | None, force: bool, as_json: bool, quiet: bool) -> None:
    with Interruption() as interruption, ProgressBar(interruption, quiet or as_json) as progress:
        from artgen.engine.run import paint as run

        result = run(config, out, force=force, listen=progress, should_stop=interruption.requested)
    _report(result, as_json, quiet)


def _report(result: RunResult, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(result))
    elif not quiet:
        typer.echo(f"{result.picture}  (seed {result.seed}, loss {result.loss:.4f}, {result.seconds:.1f} s)")
    if result.reason == "stopped":
        raise typer.Exit(INTERRUPTED)


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of a run or a batch that was stopped or killed.")],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Open local files it names that it did not begin with.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run, or a batch; it ends with the same bits as one that was never stopped."""
    with reported(as_json):
        from artgen.batch.jobs import is_batch

        if is_batch(run):
            from artgen.cli_batch import resume_many

            resume_many(run, yes, as_json, quiet)
            return
        with Interruption() as interruption, ProgressBar(interruption, quiet or as_json) as progress:
            from artgen.engine.run import resume as go_on

            result = go_on(run, open_files=yes, listen=progress, should_stop=interruption.requested)
        _report(result, as_json, quiet)


def rerun(
    picture: Annotated[Path, typer.Argument(help="A PNG or WebP that artgen made.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Open the local files the picture names.")] = False,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Paint a picture again, with the configuration in its metadata; an edited one from its beginning."""
    with reported(as_json):
        from artgen.config import RunConfig
        from artgen.errors import UsageError
        from artgen.export.metadata import read_configuration

        config = RunConfig.from_text(read_configuration(picture))
        files = config.local_files()
        if files and not yes:
            raise UsageError(
                f"{picture} names local files: {', '.join(files)}; add --yes if they may be opened"
            )
        _run_and_report(config, out, force, as_json, quiet)


def promote(
    sheet: Annotated[Path, typer.Argument(help="Contact sheet of a batch (sheet.png), or its folder.")],
    number: Annotated[int, typer.Argument(help="Number of the picture on the sheet.")],
) -> None:
    """Go on from one picture of a contact sheet; all options of paint: artgen promote SHEET 3 --preset best."""
    arguments = current_context().args
    as_json = "--json" in arguments
    with reported(as_json):
        from artgen.batch.sheet import find_run
        from artgen.config import RunConfig

        folder = find_run(sheet, number)
        merged = ["--config", str(folder / "config.yaml"), "--population", "1", *arguments]
        params, own = parse_paint_arguments(merged)
        values: dict[str, Any] = configuration_values(params, own)
        values["init"] = params["init"] or str(folder)
        values["edited"] = None
        out = Path(params["out"]) if params["out"] else None
        _run_and_report(RunConfig.make(values), out, params["force"], as_json, params["quiet"])


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(cls=PaintCommand, rich_help_panel="Paint")(paint)
    for command in (resume, rerun):
        app.command(rich_help_panel="Paint")(command)
    extra = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command(cls=ContextCommand, rich_help_panel="Paint", context_settings=extra)(promote)
