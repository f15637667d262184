"""The options of `artgen paint`, in groups; each group is a panel of `artgen paint --help`."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer
from typer.models import OptionInfo

from artgen.cli.shared import Force, Json, Out, Quiet, written_path

Command = TypeVar("Command", bound=Callable[..., Any])
Text = str | None
Texts = list[str] | None


@dataclass(frozen=True)
class Subject:
    """What to paint."""

    prompts: Annotated[Texts, typer.Argument(metavar="PROMPT...", help="What to paint.")] = None
    target: Annotated[Text, typer.Option(metavar="FILE", help="Picture to fit.")] = None
    style: Annotated[Text, typer.Option(metavar="FILE", help="Picture whose style is wanted.")] = None
    template: Annotated[Texts, typer.Option(help="'a drawing of {}'; several are averaged.")] = None
    composition: Annotated[
        Text,
        typer.Option(metavar="FILE|TEXT", help="Prompts of 3x3 overlapping regions: 'a ; b ; c / d ; …'."),
    ] = None


@dataclass(frozen=True)
class Means:
    """What with."""

    renderer: Annotated[
        Text, typer.Option("--renderer", "-r", help="pixel, strokes, collage …; see artgen renderers.")
    ] = None
    guide: Annotated[
        Texts, typer.Option("--guide", "-g", help="NAME, NAME:TAG or NAME=FILE, @WEIGHT; repeatable.")
    ] = None
    palette: Annotated[
        Text, typer.Option(help="'#0b1020,white,…', a .gpl, .hex or .pal file, or a name (artgen palettes).")
    ] = None
    loss: Annotated[Texts, typer.Option(metavar="NAME=WEIGHT", help="Add a loss; repeatable.")] = None


@dataclass(frozen=True)
class Ground:
    """What on."""

    canvas: Annotated[Text, typer.Option(metavar="WxH", help="Size that is optimised.")] = None
    size: Annotated[Text, typer.Option(metavar="WxH", help="Size of image.png; default side 1024.")] = None
    aspect: Annotated[Text, typer.Option(metavar="W:H", help="Shape of the picture.")] = None
    init: Annotated[Text, typer.Option(metavar="FILE", help="Picture, SVG or run folder to start from.")] = (
        None
    )
    mask: Annotated[
        Text, typer.Option(metavar="FILE", help="White may change, black stays as in --init or --target.")
    ] = None
    background: Annotated[
        Text, typer.Option(metavar="COLOUR|FILE", help="Colour or picture behind everything.")
    ] = None
    transparent: Annotated[
        bool | None, typer.Option("--transparent", help="Leave parts clear, and export the alpha.")
    ] = None
    wrap: Annotated[bool | None, typer.Option("--wrap", help="Make a picture that tiles without a seam.")] = (
        None
    )


@dataclass(frozen=True)
class Tiles:
    """Large collages, tile by tile."""

    tiles: Annotated[Text, typer.Option(metavar="CxR", help="Paint a large collage tile by tile: 3x2.")] = (
        None
    )
    tile_prompts: Annotated[
        Text,
        typer.Option(metavar="FILE|TEXT", help="A prompt for each tile: 'sun ; clouds / fields ; trees'."),
    ] = None
    tile_patches: Annotated[
        Text, typer.Option(metavar="FILE|TEXT", help="Patch sets for each tile: 'sky ; sky / plants ; '.")
    ] = None


@dataclass(frozen=True)
class Effort:
    """How long."""

    preset: Annotated[Text, typer.Option("--preset", "-p", help="draft, normal, best …")] = None
    steps: Annotated[int | None, typer.Option("--steps", "-n", help="Optimisation steps.")] = None
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds instead.")] = None
    cutouts: Annotated[int | None, typer.Option(help="Views shown to the guide at each step.")] = None
    population: Annotated[int | None, typer.Option(help="Candidates optimised side by side.")] = None
    seed: Annotated[int | None, typer.Option("--seed", "-s", help="Random when not given.")] = None


@dataclass(frozen=True)
class Batch:
    """Many at once."""

    seeds: Annotated[
        Text, typer.Option(metavar="1-8", help="One run for each of these seeds, and a contact sheet.")
    ] = None
    prompt_file: Annotated[
        Path | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            parser=written_path,
            help="One run for each line: a prompt, and options of its own.",
        ),
    ] = None


@dataclass(frozen=True)
class Outcome:
    """What comes out."""

    timelapse: Annotated[Text, typer.Option(help="mp4, gif, both or none: the run's film.")] = None
    out: Out = None
    force: Force = False
    as_json: Json = False
    quiet: Quiet = False


@dataclass(frozen=True)
class Configuration:
    """The whole configuration."""

    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", parser=written_path, help="YAML or JSON to begin with."
        ),
    ] = None
    assignments: Annotated[
        Texts, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the configuration.")
    ] = None


PAINT = (Subject, Means, Ground, Tiles, Effort, Batch, Outcome, Configuration)
"""The groups of options of `artgen paint`, in the order of its help."""


def takes(*groups: type) -> Callable[[Command], Command]:
    """Return a decorator that gives a function of `**options` the fields of these groups as parameters.

    typer reads off a function's signature what the command takes; a signature of forty
    parameters is none to read for a person.
    """

    def give(command: Command) -> Command:
        """Set the signature, and return the command."""
        parameters = [parameter for group in groups for parameter in _parameters(group)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return give


def _parameters(group: Any) -> Iterator[inspect.Parameter]:
    """Yield a group's fields as parameters, its title as their panel."""
    hints = get_type_hints(group, include_extras=True)
    for field in dataclasses.fields(group):
        kind, info = get_args(hints[field.name])
        if isinstance(info, OptionInfo):
            info = copy.copy(info)
            info.rich_help_panel = group.__doc__.rstrip(".")
        annotation: Any = Annotated[kind, info]
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation
        )
