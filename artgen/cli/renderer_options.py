"""A renderer's options as options of the command line; pydantic validates their values later."""

from __future__ import annotations

import functools
from typing import Any

import typer

from artgen.cli.declaring import DeclaredOption, click_parameters, describe
from artgen.option_fields import OptionField, option_fields

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

    fields = option_fields(renderers.get(renderer).Options).values()
    free = [field for field in fields if flag_of(field.name) not in taken]
    basic_first = sorted(free, key=lambda field: field.advanced)
    return tuple(click_parameters(_declared(field, renderer) for field in basic_first))


def _declared(field: OptionField, renderer: str) -> DeclaredOption:
    """Return a renderer's option; its value is text, or true or false for a switch."""
    kind: Any = bool | None if field.kind == "bool" else str | None
    start = "More options" if field.advanced else "Options"
    info = typer.Option("/".join(_flags(field)), rich_help_panel=f"{start} of the renderer {renderer}")

    describe(info, field)
    return DeclaredOption(PREFIX + field.name, kind, info, None, None)


def flag_of(name: str) -> str:
    """Return a field of a renderer's options as typed on the command line: `--min-scale`."""
    return f"--{name.replace('_', '-')}"


def _flags(field: OptionField) -> list[str]:
    """Return an option as typed on the command line; for a switch, also the form that turns it off."""
    flag = flag_of(field.name)
    if field.kind == "bool":
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
        fields = option_fields(renderers.get(renderer).Options).values()
        if any(flag in _flags(field) for field in fields):
            found.append(renderer)
    return found
