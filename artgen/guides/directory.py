"""A guide's directory, read through a strict schema. No torch.

A directory may come from a stranger. open_clip's own reader trusts the configuration: it picks the weights
from several files, pickles included, and passes arguments to tokenizers that can run Python files of the
directory. Here only known keys are accepted, every size is bounded, and the file names are fixed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from artgen.config import options_from
from artgen.errors import InputError, UsageError
from artgen.files import file_digest, read_file
from artgen.guides.directory_schema import GuideConfig, Names, Painting
from artgen.plain_json import read_json

Model = TypeVar("Model", bound=BaseModel)

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
NAMES = "names.json"
PAINTING = "painting.json"
LARGEST_JSON = 1 << 20
"""Largest JSON file of a directory, in bytes."""


@dataclass(frozen=True)
class GuideDirectory:
    """What a guide's directory contains, checked.

    Args:
        config: the model and its preprocessing.
        weights: the safetensors file.
        names: the guide's own distractors.
        painting: the settings for painting.
        digest: SHA-256 over all files that decide a result.
        weights_digest: SHA-256 of the weights file.
    """

    config: GuideConfig
    weights: Path
    names: tuple[str, ...]
    painting: Painting
    digest: str
    weights_digest: str


def read_directory(directory: Path) -> GuideDirectory:
    """Read an open_clip directory: its configuration, and `names.json` and `painting.json` if they are there.

    Raises:
        InputError: a file is missing or invalid, or it is unclear which weights are meant.
    """
    if not (directory / CONFIG).is_file():
        raise InputError(f"{directory}: needs {CONFIG} and {WEIGHTS}; check the path after '='")
    weights = find_weights(directory)

    # Each file is read once, so that what is hashed is what is used.
    contents = {name: _read(directory / name) for name in (CONFIG, NAMES, PAINTING)}
    config = _checked(GuideConfig, contents[CONFIG], directory / CONFIG)
    names = _checked(Names, contents[NAMES], directory / NAMES, key="names")
    painting = _checked(Painting, contents[PAINTING], directory / PAINTING)

    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items() if data is not None}
    digests["weights"] = weights_digest = file_digest(weights)
    listed = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    digest = hashlib.sha256(listed.encode()).hexdigest()
    return GuideDirectory(config, weights, tuple(names.names), painting, digest, weights_digest)


def tokenizer_name(directory: Path) -> str | None:
    """Return the tokenizer on a hub that a guide's directory asks for, None for CLIP's own.

    Raises:
        InputError: the configuration is invalid.
    """
    data = _read(directory / CONFIG)
    if data is None:
        return None
    return _checked(GuideConfig, data, directory / CONFIG).model_cfg.text_cfg.hf_tokenizer_name


def find_weights(directory: Path) -> Path:
    """Return the weights file of a directory: `open_clip_model.safetensors`, else its only safetensors file.

    Raises:
        InputError: there is none, or there are several.
    """
    named = directory / WEIGHTS
    if named.is_file():
        return named
    found = sorted(path for path in directory.glob("*.safetensors") if path.is_file())
    if len(found) > 1:
        candidates = ", ".join(path.name for path in found[:5])
        more = ", …" if len(found) > 5 else ""
        raise InputError(
            f"{directory}: contains {len(found)} weights files ({candidates}{more}); "
            f"rename the right one to {WEIGHTS}"
        )
    if not found:
        raise InputError(
            f"{directory}: needs {WEIGHTS}; other formats are not read, because pickles can run code"
        )
    return found[0]


def _read(path: Path) -> bytes | None:
    """Return the content of a JSON file, None if it is missing."""
    if not path.exists():
        return None
    return read_file(path, LARGEST_JSON, "check that it is the right file")


def _checked(model: type[Model], data: bytes | None, path: Path, key: str | None = None) -> Model:
    """Return JSON as a model; missing keys have the model's defaults.

    Args:
        model: its schema.
        data: the file's content, None if it is missing.
        path: the file, for messages.
        key: the model's only field if the file is not an object but that field's value.
    """
    try:
        values = {} if data is None else read_json(data)
    except ValueError as error:
        raise InputError(f"{path}: is {str(error)[:100]}; write it again") from None
    if key is not None and data is not None:
        values = {key: values}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected an object, got {type(values).__name__}; write {{…}}")
    try:
        return options_from(model, values, str(path))
    except UsageError as error:
        raise InputError(str(error)) from None
