"""The base class of all options: unknown keys and wrong types are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, field_validator


class Options(BaseModel):
    """Frozen options; numbers may be given as text, but `true` is not a number.

    In its lax mode pydantic reads `true` as 1. In its strict mode it refuses text, which is
    what the command line passes on. So this class is lax, and refuses `true` itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_switch_for_number(cls, value: object, info: Any) -> object:
        field = cls.model_fields[str(info.field_name)]
        if _contains_switch(value) and _is_numeric(field.annotation):
            raise ValueError("true and false are not numbers; write a number")
        return value


def _contains_switch(value: object) -> bool:
    """Return whether a value, or an item of it, is true or false."""
    if isinstance(value, Mapping):
        return any(isinstance(item, bool) for item in value.values())
    if isinstance(value, list | tuple):
        return any(isinstance(item, bool) for item in value)
    return isinstance(value, bool)


def _is_numeric(annotation: object) -> bool:
    """Return whether a type accepts numbers, but neither true nor false."""
    types = _plain_types(annotation)
    return bool(types & {int, float}) and not types & {bool, Any}


def _plain_types(annotation: object) -> set[object]:
    """Return the types that a type is composed of: `{int, NoneType}` for `int | None`."""
    parts = get_args(annotation)
    if not parts:
        return {annotation}

    types: set[object] = set()
    for part in parts:
        types |= _plain_types(part)
    return {plain for plain in types if isinstance(plain, type) or plain is Any}
