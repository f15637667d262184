"""What a user interface needs to know about an option: its kind, range, step, default and help. No torch.

An option is declared once, as a field of an `Options` class. The command line and other interfaces ask
`option_fields` for the facts they show, so that nothing is derived twice.

`json_schema_extra` of a field can declare `step`, the distance of two positions of a slider, and `advanced`,
whether the option is listed under "more options". A class can declare `advanced` for all its fields.
"""

from __future__ import annotations

import functools
import inspect
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from artgen.option_kinds import FieldKind, Kind
from artgen.options import Options

Number = int | float

SLIDER_POSITIONS = 100
"""A slider has at least this many positions, unless its field declares a step."""
FINEST_STEP = 1e-4
"""Smallest step that is derived from a range and a default."""

_KINDS: Mapping[Any, FieldKind] = types.MappingProxyType(
    {
        bool: "bool",
        int: "int",
        float: "float",
        str: "text",
        tuple[str, ...]: "texts",
        tuple[int, ...]: "numbers",
        dict[str, float]: "weights",
    }
)
"""Kinds of plain types; `_kind_of` knows the others."""


@dataclass(frozen=True)
class OptionField:
    """An option as a user interface shows it.

    Args:
        name: of the field.
        kind: what its values are; see `FieldKind`.
        low: smallest value, None if there is none.
        high: largest value, None if there is none.
        low_included: whether `low` itself is valid.
        high_included: whether `high` itself is valid.
        step: distance of two positions of a slider, None if the option is not a number.
        choices: the values of a choice; for other kinds, words with a special meaning.
        default: value if the option is not given; None also if it is required or drawn for each run.
        required: whether it must be given.
        optional: whether None is valid.
        help: what the option does, without a full stop.
        advanced: whether it is listed under "more options".
        options: the class of a section or of a list of sections, None for other kinds.
    """

    name: str
    kind: FieldKind
    low: Number | None = None
    high: Number | None = None
    low_included: bool = True
    high_included: bool = True
    step: Number | None = None
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False
    optional: bool = False
    help: str = ""
    advanced: bool = False
    options: type[Options] | None = None

    @property
    def default_text(self) -> str:
        """The default as a user would write it, empty if there is nothing to show."""
        if isinstance(self.default, tuple):
            return ",".join(map(str, self.default))
        if self.default is None or isinstance(self.default, bool | dict | Options):
            return ""
        return str(self.default)


@functools.cache
def option_fields(options: type[Options]) -> Mapping[str, OptionField]:
    """Return the fields of a class of options by name, in the order of declaration.

    Raises:
        TypeError: a field has a type without a kind.

    Example:
        >>> from artgen.config import CutoutOptions
        >>> count = option_fields(CutoutOptions)["count"]
        >>> count.kind, count.low, count.high, count.default
        ('int', 1, 4096, 16)
    """
    found = {name: _as_option(options, name, field) for name, field in options.model_fields.items()}
    return types.MappingProxyType(found)


def option_field(options: type[Options], key: str) -> OptionField:
    """Return the field of a dotted key.

    Raises:
        KeyError: there is no such field.

    Example:
        >>> from artgen.config import RunConfig
        >>> option_field(RunConfig, "cutouts.count").name
        'count'
    """
    name, dot, rest = key.partition(".")
    field = option_fields(options)[name]
    if not dot:
        return field
    if field.options is None:
        raise KeyError(key)
    return option_field(field.options, rest)


def _as_option(options: type[Options], name: str, field: FieldInfo) -> OptionField:
    """Return the facts of one of pydantic's fields."""
    plain, marks = _take_apart(field.annotation)
    marks += field.metadata
    optional = type(None) in plain
    plain = [part for part in plain if part is not type(None)]

    kind = _kind_of(plain, marks, f"{options.__name__}.{name}")
    section = _section_of(plain)
    extra = _extra(options, field)
    default = None if field.default is PydanticUndefined else field.default
    low, low_included, high, high_included = _range(marks, kind)

    return OptionField(
        name=name,
        kind=kind,
        low=low,
        high=high,
        low_included=low_included,
        high_included=high_included,
        step=extra.get("step", _slider_step(kind, low, high, default)),
        choices=_choices(plain, marks),
        default=default,
        required=field.is_required(),
        optional=optional,
        help=field.description or _first_line(section),
        advanced=bool(extra.get("advanced", False)),
        options=section,
    )


def _take_apart(annotation: Any) -> tuple[list[Any], list[Any]]:
    """Return the plain types that a type is a union of, and what is annotated to any of them.

    `Annotated[float, Field(gt=0)] | None` gives `[float, NoneType]` and `[Gt(gt=0)]`.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *annotated = get_args(annotation)
        plain, marks = _take_apart(inner)
        for mark in annotated:
            marks += mark.metadata if isinstance(mark, FieldInfo) else [mark]
        return plain, marks

    if origin not in (Union, types.UnionType):
        return [annotation], []
    plain, marks = [], []
    for part in get_args(annotation):
        types_of_part, marks_of_part = _take_apart(part)
        plain += types_of_part
        marks += marks_of_part
    return plain, marks


def _kind_of(plain: list[Any], marks: list[Any], owner: str) -> FieldKind:
    """Return the kind that a type states, or that follows from it.

    Raises:
        TypeError: there is none.
    """
    for mark in reversed(marks):  # the outermost statement counts
        if isinstance(mark, Kind):
            return mark.name

    if len(plain) == 1:
        found = _KINDS.get(plain[0]) or _composed_kind(plain[0])
        if found is not None:
            return found
    raise TypeError(
        f"{owner}: there is no kind of option for the type {' | '.join(map(str, plain))}; "
        'state one, such as Annotated[..., Kind("text")]'
    )


def _composed_kind(plain: Any) -> FieldKind | None:
    """Return the kind of a choice, a mapping or a section, None for any other type."""
    if get_origin(plain) is Literal:
        return "choice"
    if get_origin(plain) is dict:
        return "mapping"
    if _section_of([plain]) is not None:
        return "sections" if get_origin(plain) is tuple else "section"
    return None


def _section_of(plain: list[Any]) -> type[Options] | None:
    """Return the class of nested options, of one section or of a list of them; None for any other type."""
    for part in plain:
        item = get_args(part)[0] if get_origin(part) is tuple else part
        if inspect.isclass(item) and issubclass(item, Options):
            return item
    return None


def _choices(plain: list[Any], marks: list[Any]) -> tuple[str, ...]:
    """Return the values of a choice, or the words of a stated kind."""
    for mark in reversed(marks):
        if isinstance(mark, Kind):
            return mark.words
    if plain and get_origin(plain[0]) is Literal:
        return tuple(map(str, get_args(plain[0])))
    return ()


def _range(marks: list[Any], kind: FieldKind) -> tuple[Number | None, bool, Number | None, bool]:
    """Return the smallest value, whether it is valid, the largest value, and whether it is valid.

    The limits of a whole number are always valid: `gt=0` gives 1.
    """
    low: Any = None
    high: Any = None
    low_included = high_included = True
    for mark in marks:
        if isinstance(mark, annotated_types.Ge):
            low, low_included = mark.ge, True
        elif isinstance(mark, annotated_types.Gt):
            low, low_included = mark.gt, False
        elif isinstance(mark, annotated_types.Le):
            high, high_included = mark.le, True
        elif isinstance(mark, annotated_types.Lt):
            high, high_included = mark.lt, False

    if kind == "int" and not low_included:
        low, low_included = low + 1, True
    if kind == "int" and not high_included:
        high, high_included = high - 1, True
    return low, low_included, high, high_included


def _slider_step(kind: FieldKind, low: Number | None, high: Number | None, default: Any) -> Number | None:
    """Return a step for a slider, None if the option is not a number.

    A whole number has 1. Any other has the largest power of ten that gives the range `SLIDER_POSITIONS`
    positions and meets the default. Without a range, it is a tenth of the default, rounded down to a power
    of ten.
    """
    if kind == "int":
        return 1
    if kind not in ("float", "aspect"):
        return None
    if low is None or high is None:
        return 10.0 ** (math.floor(math.log10(abs(default))) - 1) if default else 1.0

    step = 10.0 ** math.floor(math.log10((high - low) / SLIDER_POSITIONS))
    while default is not None and step > FINEST_STEP and not _meets((default - low) / step):
        step /= 10
    return step


def _meets(positions: float) -> bool:
    """Return whether a number of steps is whole, up to rounding."""
    return math.isclose(positions, round(positions), abs_tol=1e-6)


def _extra(options: type[Options], field: FieldInfo) -> dict[str, Any]:
    """Return what a class and its field declare in `json_schema_extra`; the field's own counts more."""
    found: dict[str, Any] = {}
    for declared in (options.model_config.get("json_schema_extra"), field.json_schema_extra):
        if isinstance(declared, dict):
            found |= declared
    return found


def _first_line(section: type[Options] | None) -> str:
    """Return the first line of a section's docstring, without its full stop."""
    documented = inspect.getdoc(section) if section is not None else None
    return (documented or "").partition("\n")[0].rstrip(".")
