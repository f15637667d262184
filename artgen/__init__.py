"""Words into pictures made of things you can name and edit: pixels, strokes, patches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from artgen.threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from artgen.config import RunConfig
    from artgen.errors import ArtgenError
    from artgen.guides.base import Guide
    from artgen.guides.loading import load_guide
    from artgen.renderers.base import Renderer
    from artgen.runs.paint import paint, painting, resume, resuming

__version__ = "0.1.0"
__all__ = [
    "ArtgenError",
    "Guide",
    "Renderer",
    "RunConfig",
    "load_guide",
    "paint",
    "painting",
    "resume",
    "resuming",
]

_HOMES = {
    "ArtgenError": "artgen.errors",
    "Guide": "artgen.guides.base",
    "Renderer": "artgen.renderers.base",
    "RunConfig": "artgen.config",
    "load_guide": "artgen.guides.loading",
    "paint": "artgen.runs.paint",
    "painting": "artgen.runs.paint",
    "resume": "artgen.runs.paint",
    "resuming": "artgen.runs.paint",
}

let_waiting_threads_sleep()  # before anything in artgen imports torch


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `artgen --help` needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'artgen' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
