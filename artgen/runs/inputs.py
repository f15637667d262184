"""The files outside its folder that a run opens, known again by their content.

A run's folder may come from a stranger, and the files it names are then whatever lies
there on this machine. A checkpoint records what its run opened; going on, exporting,
editing and promoting open the same content without asking, and anything else only with
the user's consent (`--yes`). A picture records nothing, so that repeating it always asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from artgen.errors import UsageError

MISSING = "missing"
"""Stands for the content of what is not there, which nobody can open."""
MOST_NAMED = 5
"""Most files that an error names."""


def fingerprints(paths: Iterable[str]) -> dict[str, str]:
    """Return a SHA-256 of what lies at each path: a file, a folder's own files, or several divided by commas.

    What is no file and no folder (a pipe, a device) is left out, and so is what cannot be read.
    """
    found = {path: _fingerprint(path) for path in paths}
    return {path: digest for path, digest in found.items() if digest is not None}


def require_known(paths: Iterable[str], recorded: Mapping[str, str], owner: Path) -> None:
    """Refuse to open files that are not those a run began with.

    Args:
        paths: what the run's configuration names.
        recorded: fingerprints from when the run began; empty for what records none.
        owner: the run's folder or picture, for the message.

    Raises:
        UsageError: one of them is another, or was never recorded.
    """
    unknown = [path for path in dict.fromkeys(paths) if _fingerprint(path) != recorded.get(path, "")]
    if unknown:
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        raise UsageError(
            f"{owner} names local files that are not known to be those it began with: "
            f"{', '.join(unknown[:MOST_NAMED])}{more}; add --yes if they may be opened as they are now"
        )


def _fingerprint(text: str) -> str | None:
    try:
        parts = [text] if Path(text).exists() else [part.strip() for part in text.split(",")]
        places = [place for part in parts for place in _places(part)]
        digests = [_content(place) for place in places]
    except (OSError, ValueError, RuntimeError):
        return None
    return None if None in digests else hashlib.sha256("".join(map(str, digests)).encode()).hexdigest()


def _places(part: str) -> list[Path]:
    """Return where a path may lead: some of those who open it take `~` for the user's own folder."""
    return [Path(part), Path(part).expanduser()] if part.startswith("~") else [Path(part)]


def _content(path: Path) -> str | None:
    """Return a digest of a file, or of the files in a folder; None for anything else."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if path.is_dir():
        below = sorted(each for each in path.iterdir() if each.is_file())
        listed = "".join(f"{each.name}\0{_content(each)}\n" for each in below)
        return hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()
    return None if path.exists() else MISSING
