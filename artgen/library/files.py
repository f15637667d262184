"""Reading the files of runs that may come from anyone: plain files only, limited in size and in depth."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from artgen.plain_json import read_json

LARGEST_REPORT = 1 << 22
"""Largest run.json in bytes."""
LARGEST_CONFIGURATION = 1 << 17
"""Largest config.yaml in bytes. A run may have a larger one, but reading 1 MB of YAML takes several seconds."""

Stamp = tuple[int, int, int]
"""Time of change in nanoseconds, size in bytes and inode of a file; a file that is replaced gets another one."""


class DamagedError(Exception):
    """A file of a run that cannot be read; the message names the file and the reason."""


def file_stamp(path: str) -> Stamp | None:
    """Return the stamp of whatever has this path, None if nothing has; links are not followed."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def is_plain_file(path: str | Path) -> bool:
    """Return whether a path is a file; links are not followed."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def read_bytes(path: Path, largest: int) -> bytes:
    """Return the content of a plain file.

    Args:
        path: the file; a link is refused, and a pipe is not waited for.
        largest: most bytes to read.

    Raises:
        DamagedError: it is not a plain file, is larger, or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_BINARY", 0)

    try:
        if not is_plain_file(path):  # a device might do something when it is opened
            raise DamagedError(f"{path.name} is not a plain file")
        with os.fdopen(os.open(path, flags), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DamagedError(f"{path.name} is not a plain file")
            if status.st_size > largest:
                raise DamagedError(f"{path.name} is larger than {largest} bytes")
            return file.read(status.st_size) or b""  # room for `largest` bytes would take long to make
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read ({error.strerror})") from None


def read_end(path: Path, length: int) -> bytes:
    """Return the last bytes of a plain file, nothing if it cannot be read."""
    if not is_plain_file(path):
        return b""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb", buffering=0) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - length))
            return file.read(length) or b""
    except OSError:
        return b""


def read_report(folder: Path) -> dict[str, Any]:
    """Return the content of a run's run.json.

    Raises:
        DamagedError: it is not a JSON object of reasonable size and depth.
    """
    return _mapping(_read_json(folder / "run.json", LARGEST_REPORT), "run.json")


def read_index(path: Path, largest: int) -> dict[str, Any]:
    """Return the content of an index file.

    Raises:
        DamagedError: it is not a JSON object of reasonable size and depth.
    """
    return _mapping(_read_json(path, largest), path.name)


def read_configuration(folder: Path) -> dict[str, Any]:
    """Return the content of a run's config.yaml.

    Raises:
        DamagedError: it is not a mapping in plain YAML.
    """
    from artgen.config.yaml import read_yaml  # imports pydantic, which a list of finished runs does not need

    content = read_bytes(folder / "config.yaml", LARGEST_CONFIGURATION)
    try:
        values = read_yaml(content.decode())
    except UnicodeDecodeError:
        raise DamagedError("config.yaml is not UTF-8 text") from None
    except ValueError as error:
        raise DamagedError(f"config.yaml is {error}") from None
    return _mapping(values, "config.yaml")


def _mapping(values: Any, name: str) -> dict[str, Any]:
    """Return values that were read from a file if they are a mapping of names to values."""
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise DamagedError(f"{name} is not a mapping of names to values")
    return values


def _read_json(path: Path, largest: int) -> Any:
    """Return the value of a JSON file.

    Raises:
        DamagedError: it is not JSON of reasonable size and depth.
    """
    content = read_bytes(path, largest)
    try:
        return read_json(content)
    except UnicodeDecodeError:
        raise DamagedError(f"{path.name} is not UTF-8 text") from None
    except ValueError as error:
        raise DamagedError(f"{path.name} is {error}") from None
