"""The commands that paint nothing: `guides`, `renderers`, `palettes`, `presets`, `classify`, `score`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artgen.cli.app import app
from artgen.cli.messages import print_answer, print_json, print_line, print_text, reported
from artgen.cli.renderer_options import flag_of
from artgen.cli.shared import Json, nonempty_path
from artgen.option_fields import option_fields

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
            print_text(describe_guide(name))
            return

        found = list_guides()
        lines = [f"{guide}  {', '.join(tags)}".rstrip() for guide, tags in found.items()]
        print_answer(found, lines, as_json)


@app.command(rich_help_panel="Look")
def renderers(
    name: Annotated[str | None, typer.Argument(help="Show this renderer's options.")] = None,
    as_json: Json = False,
) -> None:
    """List the renderers, or the options of one."""
    with reported(as_json):
        from artgen.renderers import renderers as registry

        names = [name] if name is not None else registry.names()
        found = {each: registry.get(each) for each in names}
        if as_json:
            print_json({each: kind.Options.model_json_schema() for each, kind in found.items()})
            return

        for each, kind in found.items():
            print_line(f"{each}  {(kind.__doc__ or '').strip().splitlines()[0]}")
            if name is not None:
                print_text("\n".join(_option_lines(kind)))


def _option_lines(kind: type[Renderer]) -> Iterator[str]:
    """Yield a line for each option of a renderer, and for its defaults of the common options."""
    for field in option_fields(kind.Options).values():
        yield f"  {flag_of(field.name):24} {field.help} (default {field.default_text or field.default})"
    yield f"  {'--population':24} candidates optimised side by side (default {kind.default_population})"
    for name, weight in kind.default_losses.items():
        yield f"  {f'--loss {name}=WEIGHT':24} for pictures from words (default {weight})"


@app.command(rich_help_panel="Look")
def palettes(as_json: Json = False) -> None:
    """List the palettes for --palette, with their licences and colours."""
    with reported(as_json):
        from artgen.palettes import hex_name, load_palette, shipped_names

        facts: dict[str, Any] = {}
        lines: list[str] = []
        for name in shipped_names():
            palette = load_palette(name)
            colours = [hex_name(colour) for colour in palette.colours.tolist()]
            facts[name] = palette.credit() | {"colours": colours}
            lines.append(f"{name:12} {palette.licence}: {' '.join(colours)}")
        print_answer(facts, lines, as_json)


@app.command(rich_help_panel="Look")
def presets(as_json: Json = False) -> None:
    """List the presets for --preset, with their purpose."""
    with reported(as_json):
        from artgen.config.presets import describe_presets

        found = describe_presets()
        lines = [f"{name}  {description}" for name, description in found.items()]
        print_answer(found, lines, as_json)


@app.command(rich_help_panel="Look")
def classify(
    image: Annotated[Path, typer.Argument(parser=nonempty_path, help="A picture.")],
    labels: Annotated[str, typer.Option(help="Texts to choose from, separated by commas.")],
    guide: Annotated[str, typer.Option("--guide", "-g", help="NAME, NAME:TAG or NAME=FILE.")] = "doodle",
    as_json: Json = False,
) -> None:
    """Classify a picture: the probability a guide gives each label."""
    with reported(as_json):
        from artgen.guides.loading import load_guide
        from artgen.images import read_opaque
        from artgen.probes.classify import classify as probabilities

        result = probabilities(load_guide(guide), read_opaque(image), _texts(labels))
        lines = [f"{probability:7.1%}  {label}" for label, probability in result.items()]
        print_answer(result, lines, as_json)


@app.command(rich_help_panel="Look")
def score(
    picture: Annotated[Path, typer.Argument(parser=nonempty_path, help="A picture, or the folder of a run.")],
    guide: Annotated[str, typer.Option("--guide", "-g", help="A guide that did not paint the picture.")],
    prompt: Annotated[
        str | None, typer.Argument(help="What it should show; default: the prompt of the run.")
    ] = None,
    distractors: Annotated[
        str | None,
        typer.Option(help="Texts to rank it among, separated by commas; default: the guide's names."),
    ] = None,
    same: Annotated[bool, typer.Option("--same", help="Allow the guide that painted the picture.")] = False,
    as_json: Json = False,
) -> None:
    """Score a picture with another guide: cosine with its prompt, and the prompt's rank among other texts."""
    with reported(as_json):
        from artgen.probes.score import score_picture

        others = None if distractors is None else _texts(distractors)
        result: dict[str, Any] = score_picture(picture, prompt, guide, others, same)
        place = f"rank {result['rank']} of {result['among']}"
        lines = [f"cosine {result['cosine']:.4f}  {place}  {result['prompt']}"]
        lines += [f"       {cosine:.4f}  {name}" for name, cosine in result["nearest"].items()]
        print_answer(result, lines, as_json)


def _texts(joined: str) -> list[str]:
    """Return texts that are separated by commas."""
    return [text.strip() for text in joined.split(",") if text.strip()]
