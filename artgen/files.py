"""Opening and writing files safely."""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from pathlib import Path

from artgen.errors import InputError, RunError


def require_plain_file(path: Path) -> None:
    """Refuse pipes and devices, which could block or never end; a missing file passes.

    Raises:
        InputError: the path is neither a file nor a folder.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path}: is a pipe or a device; save its content to a file, and give that")


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
            raise RunError(f"{target}: is not a plain file, so it is not replaced; choose another --out")

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


def make_part_folder(folder: Path) -> None:
    """Create a folder inside a run's folder.

    Raises:
        RunError: it cannot be created, or is a link to somewhere else.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be created ({error.strerror}); remove what is there") from None
    if folder.is_symlink():
        raise RunError(f"{folder}: is a link, which is not followed; remove it")


def file_name(text: str) -> str:
    """Return a name that is safe as part of a file name on any system.

    Example:
        >>> file_name("patch 3: ../Été")
        'patch-3-ete'
    """
    ascii_ = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_).strip("-")[:60] or "layer"


def shipped_folder(kind: str) -> Path:
    """Return the installed folder of the assets of one kind ("patches", "palettes", "presets")."""
    try:
        import artgen_assets
    except ModuleNotFoundError:  # run from a checkout that is not installed
        import artgen

        return Path(str(artgen.__file__)).parent.parent / "assets" / kind
    return Path(str(artgen_assets.__file__)).parent / kind
