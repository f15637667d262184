"""A renderer's options as options of the command line; pydantic validates their values later."""

from __future__ import annotations

import functools
from typing import Any

import typer

from artgen.cli.declaring import DeclaredOption, click_parameters, describe

PREFIX = "renderer_option_"
"""Start of the names of click's parameters, which keeps them apart from those of `paint`."""


@functools.cache
def renderer_parameters(renderer: str, taken: frozenset[str]) -> tuple[Any, ...]:
    """Return click's parameters for the options of a renderer. This imports the renderers, and torch.

    Args:
        renderer: its name.
        taken: options of the command, such as `--palette`, that must not be declared again.

    Raises:
        UsageError: there is no such renderer.
    """
    from artgen.renderers import renderers

    fields = renderers.get(renderer).Options.model_fields
    free = {name: field for name, field in fields.items() if flag_of(name) not in taken}
    panel = f"Options of the renderer {renderer}"
    return tuple(click_parameters(_declared(name, field, panel) for name, field in free.items()))


def _declared(name: str, field: Any, panel: str) -> DeclaredOption:
    """Return a renderer's option; its value is text, or true or false for a switch."""
    kind: Any = bool | None if field.annotation is bool else str | None
    info = typer.Option("/".join(_flags(name, field)), rich_help_panel=panel)

    describe(info, field)
    return DeclaredOption(PREFIX + name, kind, info, None, None)


def flag_of(name: str) -> str:
    """Return a field of a renderer's options as typed on the command line: `--min-scale`."""
    return f"--{name.replace('_', '-')}"


def _flags(name: str, field: Any) -> list[str]:
    """Return an option as typed on the command line; for a switch, also the form that turns it off."""
    flag = flag_of(name)
    if field.annotation is bool:
        return [flag, f"--no-{flag.removeprefix('--')}"]
    return [flag]


def field_of(parameter: Any) -> str:
    """Return the field of the renderer's options that one of click's parameters sets."""
    return str(parameter.name).removeprefix(PREFIX)


def renderers_with(flag: str) -> list[str]:
    """Return the names of the renderers that have an option, sorted."""
    from artgen.renderers import renderers

    found = []
    for renderer in renderers.names():
        fields = renderers.get(renderer).Options.model_fields
        if any(flag in _flags(name, field) for name, field in fields.items()):
            found.append(renderer)
    return found
