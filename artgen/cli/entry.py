"""`artgen`: words in, pictures out. Configuration in, snapshots out; no logic of its own.

Nothing here imports torch before a command needs it, so that `artgen --help` is quick.
"""

from __future__ import annotations

import sys

import typer

from artgen.cli import edit as cli_edit
from artgen.cli import export as cli_export
from artgen.cli import look as cli_look
from artgen.cli import paint as cli_paint
from artgen.cli.app import app
from artgen.cli.assets import assets_app
from artgen.cli.messages import INTERRUPTED, WrittenWrong, report_error, set_up_log, written_wrong

for part in (cli_paint, cli_edit, cli_export, cli_look):
    part.register(app)

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
