"""The options of `artgen paint`, each declared once; a group is a panel of `artgen paint --help`.

To add an option that sets a key of the configuration, add a field here. A field with the name
of a key sets that key; any other names its key: `Annotated[..., typer.Option(), Sets("cutouts.count")]`.
Its help text, default and metavar follow from the key in `RunConfig` unless they are given here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.declaring import Sets
from artgen.cli.shared import Force, Json, Out, Quiet, Runs, nonempty_path
from artgen.cli.values import parse_weights, read_grid_file, read_steering_file

Text = str | None
Texts = list[str] | None


@dataclass(frozen=True)
class PromptOptions:
    """What to paint."""

    prompts: Annotated[Texts, typer.Argument(metavar="PROMPT...")] = None
    target: Annotated[Text, typer.Option()] = None
    style: Annotated[Text, typer.Option()] = None
    template: Annotated[Texts, typer.Option(), Sets("templates")] = None
    composition: Annotated[
        Text,
        typer.Option(metavar="FILE|TEXT"),
        Sets("composition", read=read_grid_file),
    ] = None


@dataclass(frozen=True)
class ModelOptions:
    """Model, renderer, palette."""

    renderer: Annotated[
        Text, typer.Option("--renderer", "-r", help="pixel, strokes or collage; see artgen renderers.")
    ] = None
    guide: Annotated[Texts, typer.Option("--guide", "-g"), Sets("guides")] = None
    palette: Annotated[Text, typer.Option()] = None


@dataclass(frozen=True)
class CanvasOptions:
    """Canvas."""

    canvas: Annotated[Text, typer.Option()] = None
    size: Annotated[Text, typer.Option()] = None
    aspect: Annotated[Text, typer.Option()] = None
    init: Annotated[Text, typer.Option(help="Picture, SVG or run folder to start from.")] = None
    mask: Annotated[Text, typer.Option()] = None
    background: Annotated[Text, typer.Option()] = None
    transparent: Annotated[bool | None, typer.Option("--transparent/--no-transparent")] = None
    wrap: Annotated[bool | None, typer.Option("--wrap/--no-wrap")] = None


@dataclass(frozen=True)
class TileOptions:
    """Large collages, tile by tile."""

    tiles: Annotated[Text, typer.Option(metavar="CxR")] = None
    tile_prompts: Annotated[
        Text,
        typer.Option(metavar="FILE|TEXT"),
        Sets("tile_prompts", read=read_grid_file),
    ] = None
    tile_patches: Annotated[
        Text,
        typer.Option(metavar="FILE|TEXT"),
        Sets("tile_patches", read=read_grid_file),
    ] = None


@dataclass(frozen=True)
class OptimisationOptions:
    """Optimisation."""

    preset: Annotated[
        Text, typer.Option("--preset", "-p", help="draft, normal or best; see artgen presets.")
    ] = None
    steps: Annotated[int | None, typer.Option("--steps", "-n")] = None
    seconds: Annotated[float | None, typer.Option()] = None
    cutouts: Annotated[int | None, typer.Option(), Sets("cutouts.count")] = None
    population: Annotated[int | None, typer.Option()] = None
    seed: Annotated[int | None, typer.Option("--seed", "-s", help="Random if not given.")] = None
    loss: Annotated[
        Texts,
        typer.Option(),
        Sets("losses", read=parse_weights),
    ] = None
    steering: Annotated[
        Text,
        typer.Option(metavar="FILE", help="YAML file with changes at given steps (turns)."),
        Sets("steering", read=read_steering_file),
    ] = None


@dataclass(frozen=True)
class BatchOptions:
    """Many pictures at once."""

    seeds: Annotated[
        Text, typer.Option(metavar="1-8", help="One run for each of these seeds, and a contact sheet.")
    ] = None
    prompt_file: Annotated[
        Path | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            parser=nonempty_path,
            help="One run for each line: a prompt, then options for this run.",
        ),
    ] = None


@dataclass(frozen=True)
class OutputOptions:
    """Output."""

    out: Out = None
    runs: Runs = None
    force: Force = False
    as_json: Json = False
    quiet: Quiet = False


@dataclass(frozen=True)
class FilmOptions:
    """Output."""

    timelapse: Annotated[Text, typer.Option(), Sets("timelapse.kind")] = None


@dataclass(frozen=True)
class ConfigurationOptions:
    """Configuration."""

    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", parser=nonempty_path, help="YAML or JSON file to start with."
        ),
    ] = None
    assignments: Annotated[
        Texts,
        typer.Option("--set", metavar="KEY=VALUE", help="Set any key of the configuration; repeatable."),
    ] = None


RUN_OPTIONS: tuple[type, ...] = (
    PromptOptions,
    ModelOptions,
    CanvasOptions,
    TileOptions,
    OptimisationOptions,
    FilmOptions,
    ConfigurationOptions,
)
"""Options of one run, in the order of the help; a line of a batch may give these."""

WHOLE_BATCH_OPTIONS: tuple[type, ...] = (OutputOptions, BatchOptions)
"""Options that apply to all runs of a batch together."""
