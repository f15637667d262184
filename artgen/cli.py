"""`artgen`: words in, pictures out. Configuration in, snapshots out; no logic of its own.

Nothing here imports torch before a command needs it, so that `artgen --help` is quick.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Annotated

import typer

from artgen import __version__, cli_edit, cli_export, cli_look, cli_paint
from artgen.cli_options import PaintByDefault
from artgen.console import INTERRUPTED, WrittenWrong, print_line, report_error, set_up_log, written_wrong

app = typer.Typer(
    cls=PaintByDefault,
    name="artgen",
    help='Turns words into pictures made of things you can name and edit: artgen "a blue rabbit"',
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
    """Take the options that come before any command."""


for part in (cli_paint, cli_edit, cli_export, cli_look):
    part.register(app)

if importlib.util.find_spec("artgen.assets_cli") is not None:
    from artgen.assets_cli import assets_app

    app.add_typer(assets_app, name="assets", rich_help_panel="Look")


def main() -> None:
    """Run the command line; what is written wrong is one line on stderr, and exit status 2."""
    set_up_log()
    try:
        status = app(standalone_mode=False)
    except WrittenWrong as error:
        report_error(written_wrong(error), as_json="--json" in sys.argv)
        status = 2
    except typer.Abort:
        status = INTERRUPTED
    sys.exit(status if isinstance(status, int) else 0)
