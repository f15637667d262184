"""The entry point: imports the commands, and turns errors of the command line into one line.

Nothing here imports torch before a command needs it, so that `artgen --help` is quick.
"""

from __future__ import annotations

import codecs
import os
import sys

import typer

# The order of these imports is the order of the commands in `artgen --help`.
# isort: off
from artgen.cli import paint as paint
from artgen.cli import edit as edit
from artgen.cli import steer as steer
from artgen.cli import export as export
from artgen.cli import runs as runs
from artgen.cli import look as look
from artgen.cli import assets as assets

# isort: on
from artgen.cli.app import app
from artgen.cli.messages import (
    INTERRUPTED,
    ClickException,
    report_error,
    report_fault,
    set_up_log,
    usage_message,
)


def main() -> None:
    """Run the command line; an invalid one is one line on stderr and exit status 2."""
    _use_utf_8()
    set_up_log()
    try:
        status = app(standalone_mode=False)
    except ClickException as error:
        report_error(usage_message(error), as_json="--json" in sys.argv)
        status = 2
    except typer.Abort:
        status = INTERRUPTED
    except OSError as error:  # of stdout; commands report those of their files
        report_error(f"{error.strerror or error}; check where the output goes")
        status = 1
    except Exception as error:
        report_fault(error)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


def _use_utf_8() -> None:
    """Start again in Python's UTF-8 mode if the locale is ASCII, in which prompts and paths could not be read."""
    is_ascii = codecs.lookup(sys.getfilesystemencoding()).name == "ascii"
    if is_ascii and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
