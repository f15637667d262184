"""A run's folder: a safe name, and files that are written whole or not at all."""

from __future__ import annotations

import datetime
import os
import re
import tempfile
import unicodedata
from pathlib import Path

from artgen.errors import RunError, UsageError

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
)
"""Files that a run writes besides its configuration, by pattern.

Older checkpoints come first: if their removal is interrupted, the newest one is still there.
"""
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


def write_atomically(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Write a file beside its name and move it into place.

    Args:
        path: the file.
        content: its new content.
        keep: where the file that is replaced is moved; None to discard it. If the process is
            killed between the two moves, the old content is at `keep` and nothing is at `path`.

    Raises:
        RunError: the disk is full, the folder cannot be written, or there is a folder or a device;
            what was there stays.
    """
    for target in (path, keep):
        if target is not None and target.exists() and not target.is_file():
            raise RunError(f"{target}: is no plain file, so it is not replaced; choose another --out")

    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = error.strerror or error
        raise RunError(
            f"{path}: cannot be written ({reason}); free some space or choose another --out"
        ) from None


def make_folder(wanted: Path | None, prompt: str, seed: int, force: bool) -> Path:
    """Create and return the folder of a new run.

    Args:
        wanted: the run's own folder, or None for `runs/<date>-<slug>-<seed>`.
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
        folder = _free_name(Path("runs") / f"{datetime.date.today():%Y-%m-%d}-{slug(prompt)}-{seed}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RecursionError) as error:  # pathlib makes the folders above by calling itself
        reason = getattr(error, "strerror", None) or "too many folders in each other"
        raise RunError(f"{str(folder)[:200]}: cannot be written ({reason}); choose another --out") from None
    return folder


def make_part_folder(folder: Path) -> None:
    """Create a folder inside a run's folder.

    Raises:
        RunError: it cannot be created, or is a link to somewhere else.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror}); remove what is there") from None
    if folder.is_symlink():
        raise RunError(f"{folder}: is a link, which is not followed; remove it")


def clear_outputs(folder: Path) -> None:
    """Remove what an earlier run left in a folder that is used again; other files stay."""
    for pattern in OUTPUTS:
        for path in folder.glob(pattern):
            path.unlink()


def _free_name(folder: Path) -> Path:
    """Return the folder, or with the first free suffix `-2`, `-3` ..."""
    candidate, number = folder, 1
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate
