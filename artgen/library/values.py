"""Values of JSON data that may come from anyone, each of a known type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from artgen.library.files import DamagedError

MOST_STEPS = 1_000_000_000
"""No run has more steps."""
LARGEST_LOSS = 1e300
"""A larger loss counts as one that is not finite."""


def text_in(values: Mapping[str, Any], key: str) -> str | None:
    """Return a text, None without one.

    Raises:
        DamagedError: the value is something else.
    """
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise DamagedError(f"{key!r} is not a text")
    return value


def texts_in(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of texts, empty without one.

    Raises:
        DamagedError: the value is something else.
    """
    value = values.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise DamagedError(f"{key!r} is not a list of texts")
    for each in value:
        if not isinstance(each, str):
            raise DamagedError(f"{key!r} is not a list of texts")
    return tuple(value)


def number_in(values: Mapping[str, Any], key: str, largest: int = MOST_STEPS) -> int | None:
    """Return a whole number of at least 0, None without one.

    Raises:
        DamagedError: the value is something else.
    """
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise DamagedError(f"{key!r} is not a whole number from 0 to {largest}")
    return value


def losses_in(values: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Return the losses, None for one that is not finite; empty without any.

    Raises:
        DamagedError: they are not a list of numbers.
    """
    value = values.get("losses")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise DamagedError("'losses' is not a list of numbers")

    found: list[float | None] = []
    for loss in value:
        if loss is None:
            found.append(None)
            continue
        if not isinstance(loss, int | float) or isinstance(loss, bool):
            raise DamagedError("'losses' is not a list of numbers")
        # NaN fails the comparison too; an integer can be too large for a float.
        found.append(float(loss) if abs(loss) < LARGEST_LOSS else None)
    return tuple(found)


def time_in(values: Mapping[str, Any], key: str) -> datetime | None:
    """Return a time in UTC, None without one.

    Raises:
        DamagedError: the value is something else.
    """
    text = text_in(values, key)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise DamagedError(f"{key!r} is not a time") from None


def cells_in(values: Mapping[str, Any], key: str) -> list[str]:
    """Return the texts of a grid that are not empty, row by row.

    Raises:
        DamagedError: the value is something else.
    """
    grid = values.get(key)
    if grid is None:
        return []
    if not isinstance(grid, list):
        raise DamagedError(f"{key!r} is not a list of rows")

    cells: list[str] = []
    for row in grid:
        cells += texts_in({key: row}, key)
    return [cell for cell in cells if cell]
