"""How the command line reads values: `key=value` assignments, weights, and grids of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from artgen.config.yaml import read_yaml
from artgen.errors import InputError, UsageError
from artgen.files import read_text

LARGEST_GRID = 1 << 20
"""Largest text file with a grid of prompts, in bytes."""


def set_dotted(values: dict[str, Any], assignment: str) -> None:
    """Apply one `--set key.subkey=value`; the value is read as YAML.

    Raises:
        UsageError: there is no `=`, the key lies below a plain value, or the value is not YAML.

    Example:
        >>> values = {}
        >>> set_dotted(values, "optimiser.rate=0.5"); values
        {'optimiser': {'rate': 0.5}}
        >>> set_dotted(values, "palette=#112233"); values["palette"]
        '#112233'
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UsageError(
            f"--set {assignment[:80]!r}: expected key=value; write for example --set optimiser.rate=0.5"
        )

    try:
        # To YAML `#` starts a comment; in a value that starts with it, it is a colour.
        value = text.strip() if text.lstrip().startswith("#") else read_yaml(text)
    except ValueError as error:
        raise UsageError(
            f"--set {assignment[:80]!r}: {error} (put text with such characters in quotes)"
        ) from None

    put_dotted(values, key.strip(), value, f"--set {assignment[:80]!r}")


def put_dotted(values: dict[str, Any], key: str, value: Any, option: str) -> None:
    """Set the value of a dotted key in nested dictionaries, creating those on the way.

    Args:
        values: changed in place.
        key: such as `cutouts.count`.
        value: the new value.
        option: named in the error message.

    Raises:
        UsageError: the key lies below a plain value.
    """
    *path, last = key.split(".")
    section = values
    for part in path:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            raise UsageError(
                f"{option}: {part!r} is a plain value without keys below it; set {part!r} itself"
            )
    section[last] = value


def get_dotted(values: dict[str, Any], key: str) -> Any:
    """Return the value of a dotted key, or None."""
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def parse_weights(assignments: Sequence[str], option: str) -> dict[str, float]:
    """Read `name=weight` pairs.

    Args:
        assignments: the pairs.
        option: named in the error message.

    Raises:
        UsageError: a pair is not a name and a number.

    Example:
        >>> parse_weights(["smoothness=0.1"], "--loss")
        {'smoothness': 0.1}
    """
    weights = {}
    for assignment in assignments:
        name, _, number = assignment.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise UsageError(
                f"{option} {assignment[:80]!r}: expected NAME=WEIGHT; write for example smoothness=0.1"
            ) from None
    return weights


def read_steering_file(value: str, option: str) -> list[dict[str, Any]]:
    """Return the turns in a steering file.

    Args:
        value: name of the file.
        option: named in the error message.

    Raises:
        UsageError: `value` is empty, or the file has another content.
        InputError: the file cannot be read.
    """
    from artgen.config.steering import read_steering

    if not value.strip():
        raise UsageError(f"{option} is empty; give the name of a YAML file with turns")
    return read_steering(Path(value))


def read_grid_file(value: str, option: str) -> str:
    """Return a grid of texts, from a file if `value` names one, else `value` itself.

    Rows are separated by ` / ` or line breaks, cells by `;`.

    Args:
        value: the grid, or the name of a text file.
        option: named in the error message.

    Raises:
        UsageError: `value` is empty.
        InputError: `value` names a file that cannot be read.
    """
    if not value.strip():
        raise UsageError(f"{option} is empty; give the prompts, or the name of a text file with them")
    if ";" in value:
        return value

    path = Path(value)
    try:
        if path.suffix.lower() != ".txt" and not path.is_file():
            return value
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return value
    try:
        return read_text(path, LARGEST_GRID, "give a text file, or the prompts")
    except InputError as error:
        raise InputError(f"{option} {error}") from None
