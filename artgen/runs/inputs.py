"""The files outside its folder that a run opens, known again by their content.

The folder of a run may come from a stranger. The files it names are then whatever is at these paths on this
machine. A checkpoint records what its run opened; going on, exporting,
editing and promoting open the same content without asking, and anything else only with
the user's consent (`--yes`). A picture records nothing, so that repeating it always asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from artgen.errors import InputError, UsageError
from artgen.files import file_digest
from artgen.named_files import user_path

MISSING = "missing"
"""Stands for the content of what is not there, which nobody can open."""
MOST_NAMED = 5
"""Most files that an error names."""


def fingerprints(paths: Iterable[str]) -> dict[str, str]:
    """Return a SHA-256 of each path: of a file, or of the files directly in a folder.

    Each path is taken as it is written, commas included. Pipes, devices, empty files and files that cannot
    be read are left out.
    """
    found = {path: _fingerprint(path) for path in paths}
    return {path: digest for path, digest in found.items() if digest is not None}


def require_known(paths: Iterable[str], recorded: Mapping[str, str], owner: Path) -> None:
    """Refuse to open files that are not those a run began with.

    Args:
        paths: what the run's configuration names. A path without a record is not opened.
        recorded: fingerprints from when the run began; empty for what records none.
        owner: the run's folder or picture, for the message.

    Raises:
        UsageError: one of them is another, or was never recorded.
    """
    unknown = [path for path in dict.fromkeys(paths) if not _is_known(path, recorded)]
    if unknown:
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        raise UsageError(
            f"{owner} names local files that are not known to be those it began with: "
            f"{', '.join(unknown[:MOST_NAMED])}{more}; add --yes if they may be opened as they are now"
        )


def _is_known(path: str, recorded: Mapping[str, str]) -> bool:
    """Return whether a path has the content that was recorded for it; nothing is read without a record."""
    return path in recorded and _fingerprint(path) == recorded[path]


def _fingerprint(path: str) -> str | None:
    try:
        digests = [_content(place) for place in _places(path)]
    except (InputError, OSError, ValueError, RuntimeError):
        return None
    return None if None in digests else hashlib.sha256("".join(map(str, digests)).encode()).hexdigest()


def _places(path: str) -> list[Path]:
    """Return where a path may lead: some of the code that opens it expands `~`."""
    return [Path(path), user_path(path)] if path.startswith("~") else [Path(path)]


def _content(path: Path) -> str | None:
    """Return a digest of a file, or of the files in a folder; None for anything else and for an empty file."""
    if path.is_file():
        # A file of /proc has no size, and reading it may never end.
        return _file_digest(path) if path.stat().st_size else None
    if path.is_dir():
        below = sorted(each for each in path.iterdir() if each.is_file())
        listed = "".join(f"{each.name}\0{_file_digest(each)}\n" for each in below)
        return hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()
    return None if path.exists() else MISSING


def _file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, of nothing if it has no size."""
    if not path.stat().st_size:
        return hashlib.sha256().hexdigest()
    return file_digest(path)
