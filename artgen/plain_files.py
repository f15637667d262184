"""Which files are opened at all."""

from __future__ import annotations

from pathlib import Path

from artgen.errors import InputError


def require_plain_file(path: Path) -> None:
    """Refuse pipes and devices, which may never begin or never end; what is not there passes.

    Raises:
        InputError: something is there that is neither a file nor a folder.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path}: is a pipe or a device; save its content to a file, and give that")
