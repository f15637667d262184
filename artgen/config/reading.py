"""Reading a configuration: YAML or JSON text, files, and one-line errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from artgen.config.sections import CutoutOptions as CutoutOptions
from artgen.config.sections import OptimiserOptions as OptimiserOptions
from artgen.config.sections import SnapshotOptions as SnapshotOptions
from artgen.config.sections import Sorted as Sorted
from artgen.config.sections import TimelapseOptions as TimelapseOptions
from artgen.config.yaml import read_yaml
from artgen.errors import UsageError, did_you_mean
from artgen.files import read_text
from artgen.plain_json import read_json

Model = TypeVar("Model", bound=BaseModel)

LARGEST_CONFIG = 1 << 20
"""Largest configuration file in bytes."""


def load_mapping(text: str) -> dict[str, Any]:
    """Read a YAML or JSON mapping.

    Raises:
        UsageError: it is too large, not a mapping, or not plain YAML (see `read_yaml`).
    """
    if len(text) > LARGEST_CONFIG:
        raise UsageError(
            f"the configuration has {len(text)} characters; shorten it to at most {LARGEST_CONFIG}"
        )

    values = _read_json(text)
    if values is None:
        try:
            values = read_yaml(text)
        except ValueError as error:
            raise UsageError(f"the configuration is {error}") from None

    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError("the configuration must be a mapping of names to values, such as 'steps: 200'")
    return values


def _read_json(text: str) -> Any:
    """Return the value of JSON text, None if the text is not a JSON object; YAML would read `1e-9` as text."""
    try:
        return read_json(text) if text.lstrip().startswith("{") else None
    except ValueError:
        return None


def load_config_file(path: Path) -> dict[str, Any]:
    """Read a configuration file as a mapping, for merging before validation.

    Raises:
        InputError: the file cannot be read, or is larger than `LARGEST_CONFIG`.
        UsageError: its content is invalid.
    """
    return load_mapping(read_text(path, LARGEST_CONFIG, "check the path of the configuration"))


def options_from(model: type[Model], values: Mapping[str, Any], owner: str) -> Model:
    """Validate options against a pydantic model with one-line errors.

    Args:
        model: the options' class.
        values: option names to values.
        owner: the owner of the options, for the message ("renderer pixel").

    Raises:
        UsageError: an option is unknown or a value is invalid.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(f"{owner}: {one_line_error(error, model)}") from None


def one_line_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first problem as one line that names the key, the value and the cure."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    name = ".".join(part if part.isprintable() else repr(part) for part in path)

    if first["type"] == "extra_forbidden":
        return f"unknown key {name!r}{did_you_mean(path[-1], _fields_at(model, path[:-1]))}"

    message = first["msg"].removeprefix("Value error, ")
    if not path:
        return message
    shown = repr(first["input"])
    return f"{name}: {message[:1].lower()}{message[1:]} (got {shown[:60]})"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the names of the fields at a path of nested models, none if there is no model at that path."""
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
