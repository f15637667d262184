"""The command line application; each command registers with `@app.command` in a file of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from artgen import __version__
from artgen.cli.messages import print_line


class PaintByDefault(TyperGroup):
    """A group of commands whose default is `paint`: `artgen "a blue rabbit"`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Prepend `paint` unless the first word is a command or an option of the group."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] not in self.commands and args[0] not in own:
            args = ["paint", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PaintByDefault,
    name="artgen",
    help='Turn words into pictures made of elements you can edit: artgen "a blue rabbit"',
    epilog=(
        "Common options of paint: --renderer pixel|strokes|collage  --guide NAME[:TAG]  --preset draft|normal|best  "
        "--steps N  --seed N  --seeds 1-8  --prompts FILE  --canvas WxH  --size WxH  --aspect W:H  --cutouts N  "
        "--init FILE  --target FILE  --timelapse mp4|gif|both|none  --config FILE  --set key=value  --out DIR  "
        "--json  --quiet. All of them: artgen paint --help"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(wanted: bool) -> bool:
    if wanted:
        print_line(f"artgen {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Accept the options that stand before any command."""
