"""`artgen`: words in, pictures out. Configuration in, snapshots out; no logic of its own.

Nothing here imports torch before a command needs it, so that `artgen --help` is quick.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artgen import __version__
from artgen.cli_options import RENDERER_OPTIONS, PaintByDefault, PaintCommand, parse_weights, set_dotted
from artgen.console import INTERRUPTED, Interruption, ProgressBar, print_json, reported

if TYPE_CHECKING:
    from artgen.config import RunConfig
    from artgen.engine.run import RunResult

app = typer.Typer(
    cls=PaintByDefault,
    name="artgen",
    help='Turns words into pictures made of things you can name and edit: artgen "a blue rabbit"',
    epilog=(
        "Common options of paint: --renderer pixel|strokes|collage  --guide NAME[:TAG]  --steps N  --seed N  "
        "--canvas WxH  --size WxH  --aspect W:H  --cutouts N  --init FILE  --target FILE  --config FILE  "
        "--set key=value  --out DIR  --json  --quiet. All of them: artgen paint --help"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The run's own folder; default runs/<date>-…")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in --out.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"artgen {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that come before any command."""


@app.command(cls=PaintCommand, rich_help_panel="Paint")
def paint(
    context: typer.Context,
    prompts: Annotated[list[str] | None, typer.Argument(metavar="PROMPT...", help="What to paint.")] = None,
    renderer: Annotated[
        str | None, typer.Option("--renderer", "-r", help="pixel, strokes, collage …; see artgen renderers.")
    ] = None,
    guide: Annotated[
        list[str] | None, typer.Option("--guide", "-g", help="NAME, NAME:TAG or NAME=FILE, @WEIGHT; repeatable.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", "-n", help="Optimisation steps.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds instead.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", "-s", help="Random when not given.")] = None,
    population: Annotated[int | None, typer.Option(help="Candidates optimised side by side.")] = None,
    canvas: Annotated[str | None, typer.Option(metavar="WxH", help="Size that is optimised.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Size of image.png; default side 1024.")] = None,
    aspect: Annotated[str | None, typer.Option(metavar="W:H", help="Shape of the picture.")] = None,
    cutouts: Annotated[int | None, typer.Option(help="Views shown to the guide at each step.")] = None,
    init: Annotated[str | None, typer.Option(metavar="FILE", help="Picture or SVG to start from.")] = None,
    target: Annotated[str | None, typer.Option(metavar="FILE", help="Picture to fit.")] = None,
    background: Annotated[str | None, typer.Option(help="Colour behind the picture.")] = None,
    template: Annotated[list[str] | None, typer.Option(help="'a drawing of {}'; several are averaged.")] = None,
    loss: Annotated[list[str] | None, typer.Option(metavar="NAME=WEIGHT", help="Add a loss; repeatable.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML or JSON to begin with.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the configuration.")
    ] = None,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Paint a picture: artgen "a blue rabbit:2 | photo:-0.5". The renderer's own options are taken too."""
    with reported(as_json):
        given = {
            "prompts": prompts,
            "renderer": renderer,
            "guides": guide,
            "steps": steps,
            "seconds": seconds,
            "seed": seed,
            "population": population,
            "canvas": canvas,
            "size": size,
            "aspect": aspect,
            "init": init,
            "target": target,
            "background": background,
            "templates": template,
        }
        values = _merge(config, given, cutouts, loss or [], context.meta[RENDERER_OPTIONS], assignments or [])
        from artgen.config import RunConfig

        _run_and_report(RunConfig.make(values), out, force, as_json, quiet)


def _merge(
    file: Path | None,
    given: dict[str, Any],
    cutouts: int | None,
    weights: list[str],
    own: dict[str, Any],
    assignments: list[str],
) -> dict[str, Any]:
    """Return the configuration's values: the file's, then the options', then `--set`'s."""
    from artgen.config import load_config_file

    values = load_config_file(file) if file is not None else {}
    values |= {key: value for key, value in given.items() if value}
    if given["seed"] is not None:
        values["seed"] = given["seed"]
    if cutouts is not None:
        values["cutouts"] = {**values.get("cutouts", {}), "count": cutouts}
    if weights:
        values["losses"] = {**values.get("losses", {}), **parse_weights(weights, "--loss")}
    if own:
        values["options"] = {**values.get("options", {}), **own}
    for assignment in assignments:
        set_dotted(values, assignment)
    return values


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


@app.command(rich_help_panel="Paint")
def resume(
    run: Annotated[Path, typer.Argument(help="Folder of a run that was stopped or killed.")],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run; it ends with the same bits as one that was never stopped."""
    with reported(as_json):
        with Interruption() as interruption, ProgressBar(interruption, quiet or as_json) as progress:
            from artgen.engine.run import resume as go_on

            result = go_on(run, listen=progress, should_stop=interruption.requested)
        _report(result, as_json, quiet)


@app.command(rich_help_panel="Paint")
def rerun(
    picture: Annotated[Path, typer.Argument(help="A PNG that artgen made.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Open the local files the picture names.")] = False,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Paint a picture again, with the configuration in its metadata."""
    with reported(as_json):
        from artgen.config import RunConfig
        from artgen.errors import UsageError
        from artgen.export.png import read_configuration

        config = RunConfig.from_text(read_configuration(picture))
        files = config.local_files()
        if files and not yes:
            raise UsageError(f"{picture} names local files: {', '.join(files)}; add --yes if they may be opened")
        _run_and_report(config, out, force, as_json, quiet)


@app.command(rich_help_panel="Look")
def guides(
    name: Annotated[str | None, typer.Argument(help="Show this guide's model card.")] = None,
    as_json: Json = False,
) -> None:
    """List the guides, or show one."""
    with reported(as_json):
        from artgen.guides.listing import describe_guide, list_guides

        if name is not None:
            typer.echo(describe_guide(name))
        elif as_json:
            print_json(list_guides())
        else:
            for entry, tags in list_guides().items():
                typer.echo(f"{entry}  {', '.join(tags)}".rstrip())


@app.command(rich_help_panel="Look")
def renderers(
    name: Annotated[str | None, typer.Argument(help="Show this renderer's options.")] = None,
    as_json: Json = False,
) -> None:
    """List the renderers, or one renderer's own options."""
    with reported(as_json):
        from artgen.renderers import renderers as registry

        names = [name] if name is not None else registry.names()
        found = {each: registry.get(each) for each in names}
        if as_json:
            print_json({each: kind.Options.model_json_schema() for each, kind in found.items()})
            return
        for each, kind in found.items():
            typer.echo(f"{each}  {(kind.__doc__ or '').strip().splitlines()[0]}")
            for key, field in kind.Options.model_fields.items() if name is not None else ():
                option = f"--{key.replace('_', '-')}"
                typer.echo(f"  {option:24} {field.description or ''} (default {field.get_default()})")


@app.command(rich_help_panel="Look")
def classify(
    image: Annotated[Path, typer.Argument(help="A picture.")],
    labels: Annotated[str, typer.Option(help="Texts to choose from, divided by commas.")],
    guide: Annotated[str, typer.Option("--guide", "-g", help="NAME, NAME:TAG or NAME=FILE.")] = "doodle",
    as_json: Json = False,
) -> None:
    """Say which of some texts a guide thinks a picture shows, with probabilities."""
    with reported(as_json):
        from artgen.guides.base import load_guide
        from artgen.guides.zero_shot import classify as probabilities
        from artgen.images import read_opaque

        texts = [label.strip() for label in labels.split(",") if label.strip()]
        result = probabilities(load_guide(guide), read_opaque(image), texts)
        if as_json:
            print_json(result)
            return
        for label, probability in result.items():
            typer.echo(f"{probability:7.1%}  {label}")


if importlib.util.find_spec("artgen.assets_cli") is not None:
    from artgen.assets_cli import assets_app

    app.add_typer(assets_app, name="assets", rich_help_panel="Look")


def main() -> None:
    """Run the command line."""
    app()
