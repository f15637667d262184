"""Checkpoints: everything a run needs to continue and end with the same bits, as safetensors.

The file holds named tensors and one JSON object (one metadata key, since safetensors
does not keep the order of several). Nothing in it depends on the time of day or on how
long the run took, except for runs limited by `--seconds`.

The JSON object begins with a SHA-256 of the whole file, computed with zeros in the
place of the checksum itself. It is verified before anything in the file is used. The
checkpoint before the newest one is kept beside it, in case the newest one is damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from artgen.errors import InputError
from artgen.files import open_file, require_plain_file, write_atomically
from artgen.plain_json import read_json

CHECKPOINT = "checkpoint.safetensors"
"""Name of the file in a run's folder."""
FORMAT = 2
"""Version of the file's layout."""
WITHOUT_CHECKSUM = 1
"""The version before, which is still read."""

_CHECKSUM = "sha256"
_ZEROS = b"0" * 64
_MARK = b'{\\"sha256\\": \\"'
"""What comes before the checksum, as JSON within JSON."""
_BEGINNING = 1 << 12
"""The checksum is within so many bytes of the beginning of the file."""
_CHUNK = 1 << 20
"""Bytes that are read at a time."""


@dataclass(frozen=True)
class Checkpoint:
    """A run at one step.

    Args:
        facts: JSON values: configuration, step, number formats, versions.
        tensors: by group ("renderer", "optimiser", "streams", "evolution", "loop", "sketch"), then name.
        notice: why it is not the newest one, which is missing or damaged; None if it is the newest.
    """

    facts: Mapping[str, Any]
    tensors: Mapping[str, Mapping[str, Tensor]]
    notice: str | None = None


class _ChecksumError(ValueError):
    """The content of a file does not match its checksum."""


class _DamagedError(InputError):
    """A file that is missing or damaged, so that an older one may take its place.

    Args:
        what: is wrong with which file.
        cure: what to do if there is no older one.
    """

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}; {cure}")
        self.what = what


def previous_checkpoint(path: Path) -> Path:
    """Return where the checkpoint before the newest one is kept.

    Example:
        >>> previous_checkpoint(Path("checkpoint.safetensors")).name
        'checkpoint.previous.safetensors'
    """
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def has_checkpoint(path: Path) -> bool:
    """Return whether there is a checkpoint, or the one before it."""
    return path.is_file() or previous_checkpoint(path).is_file()


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and the one before it, if they are there."""
    previous_checkpoint(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, and keep the one that was there as the previous one.

    A damaged file is replaced and not kept: the previous one may be the only intact one.

    Raises:
        RunError: it cannot be written; the older ones stay.
    """
    keep = previous_checkpoint(path) if _is_intact(path) else None
    write_atomically(path, _serialised(checkpoint), keep)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: no such file, damaged, or not a checkpoint of artgen.
    """
    try:
        return _load(path)
    except _DamagedError as error:
        previous = previous_checkpoint(path)
        if not previous.is_file():
            raise
        raise InputError(
            f"{error.what}; artgen resume continues the run from {previous.name}, which is beside it"
        ) from None


def load_newest(path: Path) -> Checkpoint:
    """Read a checkpoint, or the one before it if that one is missing or damaged; its `notice` says so.

    Args:
        path: of the newest one.

    Raises:
        InputError: neither can be used.
    """
    try:
        return _load(path)
    except _DamagedError as error:
        previous = previous_checkpoint(path)
        if not previous.is_file():
            raise
        notice = f"{error.what}; the run continues from the checkpoint before it"

    older = _load(previous)
    return Checkpoint(older.facts, older.tensors, notice)


def _serialised(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as a file's content, with its checksum."""
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous().clone(memory_format=torch.contiguous_format)
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    facts = json.dumps({**checkpoint.facts, "format": FORMAT}, sort_keys=True)

    # The checksum goes first, where no text of the run can come before it.
    with_zeros = json.dumps({_CHECKSUM: _ZEROS.decode()})[:-1] + ", " + facts[1:]
    content = save(flat, metadata={"artgen": with_zeros})

    start = content.index(_MARK) + len(_MARK)
    checksum = hashlib.sha256(content).hexdigest().encode()
    return content[:start] + checksum + content[start + len(checksum) :]


def _load(path: Path) -> Checkpoint:
    """Read one file.

    Raises:
        _DamagedError: it is missing or damaged.
        InputError: it is of another version, or a device.
    """
    facts = _checked_facts(path)
    with _damage_reported(path), safe_open(path, framework="pt") as file:
        flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict

    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        group, _, rest = name.partition("/")
        grouped.setdefault(group, {})[rest] = tensor
    return Checkpoint(facts, grouped)


def _checked_facts(path: Path) -> dict[str, Any]:
    """Return the facts in a file whose checksum is right; see `_load` for the errors."""
    require_plain_file(path)
    with _damage_reported(path):
        with safe_open(path, framework="pt") as file:
            facts = read_json((file.metadata() or {})["artgen"])
        if not isinstance(facts, dict):
            raise ValueError("the facts are not a JSON object")
        if facts.get("format") != WITHOUT_CHECKSUM:
            _verify(path)

    if facts.get("format") not in (FORMAT, WITHOUT_CHECKSUM):
        raise InputError(f"{path}: a checkpoint of another artgen version; run it there, or start again")
    facts.pop(_CHECKSUM, None)
    return facts


def _verify(path: Path) -> None:
    """Compare a file with the checksum in it.

    Raises:
        _ChecksumError: it has none, or does not match.
    """
    with open_file(path) as file:
        beginning = file.read(_BEGINNING)
        start = beginning.find(_MARK) + len(_MARK)
        stored = beginning[start : start + len(_ZEROS)]

        digest = hashlib.sha256(beginning[:start] + _ZEROS + beginning[start + len(_ZEROS) :])
        while chunk := file.read(_CHUNK):
            digest.update(chunk)

    if stored != digest.hexdigest().encode():
        raise _ChecksumError("its checksum does not match")


@contextlib.contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into one error.

    Raises:
        _DamagedError: the file is missing or damaged.
    """
    try:
        yield
    except FileNotFoundError:
        raise _DamagedError(f"{path}: no checkpoint here", "give the folder of a run") from None
    except (SafetensorError, KeyError, ValueError, OSError, MemoryError) as error:
        reason = str(error) if isinstance(error, _ChecksumError) else type(error).__name__
        what = f"{path}: not an intact artgen checkpoint ({reason})"
        raise _DamagedError(what, "start the run again") from None


def _is_intact(path: Path) -> bool:
    """Return whether a file is there and can be used."""
    try:
        _checked_facts(path)
    except InputError:
        return False
    return True
