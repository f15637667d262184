"""The commands that only look: `guides`, `renderers`, `presets`, `classify`, `score`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artgen.cli.app import app
from artgen.cli.messages import print_answer, print_json, reported
from artgen.cli.shared import Json, nonempty_path

if TYPE_CHECKING:
    from artgen.renderers.base import Renderer


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
            return
        found = list_guides()
        print_answer(found, (f"{each}  {', '.join(tags)}".rstrip() for each, tags in found.items()), as_json)


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
            for line in _own_options(kind) if name is not None else ():
                typer.echo(line)


def _own_options(kind: type[Renderer]) -> Iterator[str]:
    """Yield a line for each option of a renderer, and for what it prefers of everybody's options."""
    for key, field in kind.Options.model_fields.items():
        option = f"--{key.replace('_', '-')}"
        yield f"  {option:24} {field.description or ''} (default {field.get_default()})"
    yield f"  {'--population':24} candidates optimised side by side (default {kind.default_population})"
    for name, weight in kind.default_losses.items():
        yield f"  {f'--loss {name}=WEIGHT':24} for pictures from words (default {weight})"


@app.command(rich_help_panel="Look")
def palettes(as_json: Json = False) -> None:
    """List the palettes for --palette, with their colours and licences."""
    with reported(as_json):
        from artgen.palettes import hex_name, load_palette, shipped_names

        found = {name: load_palette(name) for name in shipped_names()}
        colours = {
            name: [hex_name(colour) for colour in each.colours.tolist()] for name, each in found.items()
        }
        facts = {name: each.credit() | {"colours": colours[name]} for name, each in found.items()}
        lines = (f"{name:12} {each.licence}: {' '.join(colours[name])}" for name, each in found.items())
        print_answer(facts, lines, as_json)


@app.command(rich_help_panel="Look")
def presets(as_json: Json = False) -> None:
    """List the presets for --preset, with what they are for."""
    with reported(as_json):
        from artgen.config.presets import describe_presets

        found = describe_presets()
        print_answer(found, (f"{name}  {description}" for name, description in found.items()), as_json)


@app.command(rich_help_panel="Look")
def classify(
    image: Annotated[Path, typer.Argument(parser=nonempty_path, help="A picture.")],
    labels: Annotated[str, typer.Option(help="Texts to choose from, divided by commas.")],
    guide: Annotated[str, typer.Option("--guide", "-g", help="NAME, NAME:TAG or NAME=FILE.")] = "doodle",
    as_json: Json = False,
) -> None:
    """Say which of some texts a guide thinks a picture shows, with probabilities."""
    with reported(as_json):
        from artgen.guides.loading import load_guide
        from artgen.images import read_opaque
        from artgen.probes.classify import classify as probabilities

        result = probabilities(load_guide(guide), read_opaque(image), _texts(labels))
        print_answer(result, (f"{each:7.1%}  {label}" for label, each in result.items()), as_json)


@app.command(rich_help_panel="Look")
def score(
    picture: Annotated[Path, typer.Argument(parser=nonempty_path, help="A picture, or the folder of a run.")],
    guide: Annotated[str, typer.Option("--guide", "-g", help="A guide other than the painter's.")],
    prompt: Annotated[str | None, typer.Argument(help="What it should show; a run knows its own.")] = None,
    distractors: Annotated[
        str | None, typer.Option(help="Texts to rank against, divided by commas; default: the guide's names.")
    ] = None,
    same: Annotated[bool, typer.Option("--same", help="Allow the guide that painted it.")] = False,
    as_json: Json = False,
) -> None:
    """Let a guide that did not paint a picture judge it: cosine, and rank among other texts."""
    with reported(as_json):
        from artgen.probes.score import score_picture

        others = None if distractors is None else _texts(distractors)
        result: dict[str, Any] = score_picture(picture, prompt, guide, others, same)
        place = f"rank {result['rank']} of {result['among']}"
        lines = [f"cosine {result['cosine']:.4f}  {place}  {result['prompt']}"]
        lines += [f"       {cosine:.4f}  {name}" for name, cosine in result["nearest"].items()]
        print_answer(result, lines, as_json)


def _texts(written: str) -> list[str]:
    """Return texts that are divided by commas."""
    return [text.strip() for text in written.split(",") if text.strip()]
