"""The folder in which new runs get their own folders."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

VARIABLE = "ARTGEN_RUNS"
"""Environment variable that names the folder."""
DEFAULT = "runs"
"""The folder without it, below the current one."""

_chosen: ContextVar[Path | None] = ContextVar("artgen_runs", default=None)


def runs_root() -> Path:
    """Return the folder in which new runs get their own folders.

    It is the one chosen by `runs_in`, or else the one in the environment variable `ARTGEN_RUNS`, or else
    `runs` below the current folder.

    Example:
        >>> with runs_in(Path("sketches")):
        ...     runs_root().name
        'sketches'
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    return Path(os.environ.get(VARIABLE, "").strip() or DEFAULT)


@contextlib.contextmanager
def runs_in(folder: Path | None) -> Iterator[None]:
    """Put the folders of runs that start within this block into another folder; None changes nothing.

    The choice applies to the current thread only. A run has started when its first event was asked for.

    Example:
        >>> with runs_in(Path("sketches")):                                # doctest: +SKIP
        ...     paint(RunConfig(prompts="a blue rabbit"))
    """
    if folder is None:
        yield
        return
    token = _chosen.set(folder)
    try:
        yield
    finally:
        _chosen.reset(token)
