"""The runs in a folder: what was painted, with what, and what became of it. No torch."""

from artgen.library.card import STATES, RunCard, State
from artgen.library.listing import runs
from artgen.library.query import select
from artgen.library.root import runs_in, runs_root
from artgen.locks import is_running

__all__ = ["STATES", "RunCard", "State", "is_running", "runs", "runs_in", "runs_root", "select"]
