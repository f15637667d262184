"""A run's folder: a safe name, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import datetime
import fnmatch
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from artgen import locks
from artgen.config import RunConfig
from artgen.errors import RunError, UsageError
from artgen.files import write_atomically
from artgen.library.root import runs_root

OUTPUTS = (
    "checkpoint.previous.safetensors",
    "checkpoint.safetensors",
    "image.*",
    "candidate-*.png",
    "level-*",
    "sketch.png",
    "run.json",
    "metrics.jsonl",
    "timelapse.*",
    "tiles/tile-*.previous.safetensors",
    "tiles/tile-*.safetensors",
    "turns/*.safetensors",
    "branches/*/checkpoint*.safetensors",
    "branches/*/config.yaml",
)
"""Files that a run writes besides its configuration, by pattern.

Older checkpoints come first: if their removal is interrupted, the newest one is still there.
"""
CONFIGURATION = "config.yaml"
"""Name of the file of the configuration in a run's folder."""
_WRITTEN = (*OUTPUTS, CONFIGURATION, "frames/*.png")
"""Files that a run writes, by pattern."""
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")
"""Name of a file that `write_atomically` has not moved into place yet."""
LONGEST_SLUG = 48
"""Longest part of a folder's name that comes from the prompt, in characters."""


def slug(text: str) -> str:
    """Return a file name made of a-z, 0-9 and `-` for any text.

    Example:
        >>> slug("../../A blue rabbit:2")
        'a-blue-rabbit-2'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-") or "picture"


def make_folder(wanted: Path | None, prompt: str, seed: int, force: bool) -> Path:
    """Create and return the folder of a new run.

    Args:
        wanted: the run's own folder, or None for `<date>-<slug>-<seed>` in `runs_root()`.
        prompt: gives the slug.
        seed: the run's seed.
        force: use `wanted` even if it holds files; files of a run are replaced.

    Raises:
        UsageError: `wanted` is not empty, or no folder.
        RunError: it cannot be created.
    """
    if wanted is not None:
        if wanted.exists() and not wanted.is_dir():
            raise UsageError(f"{wanted} is a file; give --out a folder")
        if wanted.is_dir() and any(wanted.iterdir()) and not force:
            raise UsageError(
                f"{wanted} is not empty; choose another --out, or replace what is there with --force"
            )
        folder = wanted
    else:
        folder = _free_name(runs_root() / f"{datetime.date.today():%Y-%m-%d}-{slug(prompt)}-{seed}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RecursionError) as error:  # pathlib makes the folders above by calling itself
        reason = getattr(error, "strerror", None) or "too many folders in each other"
        raise RunError(
            f"{str(folder)[:200]}: cannot be written ({reason}); choose another --out or --runs"
        ) from None
    return folder


def prepare_folder(folder: Path, config: RunConfig) -> None:
    """Remove what an earlier run left in a folder, and write the configuration of the new one."""
    clear_outputs(folder)
    write_configuration(folder, config)


def write_configuration(folder: Path, config: RunConfig) -> None:
    """Write the configuration of a run."""
    write_atomically(folder / CONFIGURATION, config.to_yaml().encode())


def clear_outputs(folder: Path) -> None:
    """Remove what an earlier run left in a folder that is used again; other files stay."""
    for pattern in OUTPUTS:
        for path in folder.glob(pattern):
            path.unlink()


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of a run that was killed while it wrote; other hidden files stay.

    Args:
        folder: of the run, in which no other process writes.
    """
    for part in (folder, folder / "tiles", folder / "frames"):
        if part.is_symlink() and part != folder:
            continue
        for path in part.glob(".*"):
            match = _TEMPORARY.fullmatch(path.name)
            if match is None or path.is_symlink() or not path.is_file():
                continue
            written = (path.parent / match[1]).relative_to(folder).as_posix()
            if any(fnmatch.fnmatchcase(written, pattern) for pattern in _WRITTEN):
                path.unlink(missing_ok=True)


def _free_name(folder: Path) -> Path:
    """Return the folder, or with the first free suffix `-2`, `-3` ..."""
    candidate, number = folder, 1
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock a folder while a run writes into it; see `artgen.locks.claimed`.

    What an earlier run left because it was killed while it wrote is removed.

    Raises:
        RunError: another process has the lock.
    """
    with locks.claimed(folder):
        remove_temporary_files(folder)
        yield
