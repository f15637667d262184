"""The command line: `artgen "a blue rabbit"`."""

from artgen.cli.app import app
from artgen.cli.entry import main

__all__ = ["app", "main"]
