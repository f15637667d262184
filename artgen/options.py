"""What all options of artgen have in common: unknown keys and wrong types are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, field_validator


class Options(BaseModel):
    """Frozen options; numbers may be written as text, but `true` is no number.

    Pydantic takes `true` for 1 unless it is strict, and strict it refuses the text that
    the command line hands over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: Any, info: Any) -> Any:
        field = cls.model_fields[str(info.field_name)]
        if _holds_switch(value) and _is_numeric(field.annotation):
            raise ValueError("true and false are no numbers; write a number")
        return value


def _holds_switch(value: Any) -> bool:
    """Return whether a value, or one below it, is true or false."""
    below = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return isinstance(value, bool) or any(isinstance(each, bool) for each in below)


def _is_numeric(annotation: Any) -> bool:
    """Return whether a type has numbers in it, and no place for true and false."""
    parts = _plain_types(annotation)
    return bool(parts & {int, float}) and not parts & {bool, Any}


def _plain_types(annotation: Any) -> set[Any]:
    """Return the types that a type is made of: `{int, None}` for `int | None`."""
    parts = get_args(annotation)
    if not parts:
        return {annotation}
    return {
        plain for part in parts for plain in _plain_types(part) if isinstance(plain, type) or plain is Any
    }
