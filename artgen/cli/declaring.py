"""Groups of options, declared as dataclasses: the configuration keys they set, and their click parameters."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_type_hints

import typer
from rich.markup import escape
from typer.models import OptionInfo

from artgen.cli.values import get_dotted, put_dotted
from artgen.config import RunConfig
from artgen.option_fields import OptionField, option_field
from artgen.option_kinds import FieldKind

METAVARS: Mapping[FieldKind, str] = MappingProxyType(
    {
        "int": "INTEGER",
        "float": "NUMBER",
        "aspect": "W:H",
        "size": "WxH",
        "file": "FILE",
        "background": "COLOUR|FILE",
        "weights": "NAME=WEIGHT",
    }
)
"""What the help shows for a value of a kind; `TEXT` for all others."""


@dataclass(frozen=True)
class Sets:
    """Marks an option with the configuration key it sets.

    Args:
        key: dotted name of the key.
        read: turns the option's text into the key's value; takes the text and the option's name.
    """

    key: str
    read: Callable[[Any, str], Any] | None = None


@dataclass(frozen=True)
class DeclaredOption:
    """One field of a group of options.

    Args:
        name: of the field.
        type: what a given value is, `list[str] | None` for an option that can be repeated.
        info: how typer shows it.
        default: value if it is not given.
        sets: the configuration key it sets, None for an option that only controls the command.
    """

    name: str
    type: Any
    info: Any
    default: Any
    sets: Sets | None

    @property
    def flag(self) -> str:
        """The option as typed on the command line, for messages."""
        return f"--{self.name.replace('_', '-')}"

    def apply(self, value: Any, values: dict[str, Any]) -> None:
        """Set this option's key of a configuration.

        An option that can be repeated adds to what is there, any other replaces it.

        Args:
            value: as parsed; None if the option was not given.
            values: of the configuration, changed in place.

        Raises:
            UsageError: the value cannot be read.
        """
        if self.sets is None or value is None:
            return
        if isinstance(value, list | tuple):
            value = list(value)
        if self.sets.read is not None:
            value = self.sets.read(value, self.flag)

        before = get_dotted(values, self.sets.key)
        if isinstance(value, list) and isinstance(before, list):
            value = [*before, *value]
        elif isinstance(value, dict) and isinstance(before, dict):
            value = {**before, **value}
        put_dotted(values, self.sets.key, value, self.flag)


@functools.cache
def declared_options(groups: tuple[type, ...]) -> tuple[DeclaredOption, ...]:
    """Return the options of some groups, in the order of declaration."""
    options: list[DeclaredOption] = []
    for group in groups:
        hints = get_type_hints(group, include_extras=True)
        options += [_declared(group, field, hints[field.name]) for field in dataclasses.fields(group)]
    return tuple(options)


def _declared(group: type, field: Any, hint: Any) -> DeclaredOption:
    """Return the option that a field of a group declares."""
    kind, info, *marks = get_args(hint)
    panel = (group.__doc__ or "").rstrip(".")

    sets = next((mark for mark in marks if isinstance(mark, Sets)), None)
    if sets is None and field.name in RunConfig.model_fields:
        sets = Sets(field.name)

    info = copy.copy(info)
    if isinstance(info, OptionInfo):
        info.rich_help_panel = panel
    if sets is not None:
        describe(info, option_field(RunConfig, sets.key))

    return DeclaredOption(field.name, kind, info, field.default, sets)


def describe(info: Any, field: OptionField) -> None:
    """Take what an option's declaration leaves open from a field: help text, default, choices.

    Args:
        info: typer's option, changed in place.
        field: what it sets.
    """
    if info.help is None:
        default = field.default_text
        info.help = _as_sentence(field.help)
        info.help += f" Default: {escape(default)}." if default else ""

    if info.metavar is None:
        info.metavar = _metavar(field)


def _metavar(field: OptionField) -> str | None:
    """Return what the help shows for a value; None leaves it to typer."""
    if field.kind == "bool":
        return None
    if field.kind == "choice":
        return "|".join(field.choices)
    return METAVARS.get(field.kind, "TEXT")


def _as_sentence(description: str) -> str:
    """Return a description as a sentence; its brackets are escaped, as rich would read them as markup."""
    sentence = description[:1].upper() + description[1:]
    if sentence and not sentence.endswith((".", "…")):
        sentence += "."
    return escape(sentence)


def click_parameters(options: Iterable[DeclaredOption]) -> list[Any]:
    """Return click's parameters for declared options.

    typer builds them from a function's signature, so a function with that signature is
    put together here.
    """
    signature = inspect.Signature([_as_parameter(option) for option in options])

    def declared(**values: Any) -> None:
        """Stand for a function with these options."""

    declared.__signature__ = signature  # type: ignore[attr-defined]
    declared.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}

    app = typer.Typer(add_completion=False)
    app.command()(declared)
    return list(typer.main.get_command(app).params)


def _as_parameter(option: DeclaredOption) -> inspect.Parameter:
    annotation: Any = Annotated[option.type, option.info]
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=annotation
    )
