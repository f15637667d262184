"""Opening and writing files safely.

Every file that artgen reads is opened by `open_file` or read by `read_file` and `read_text`. A library that
opens a path itself is called after `require_plain_file`. A test checks that no other code opens files.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tempfile
import unicodedata
from pathlib import Path

from artgen.errors import InputError, RunError

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
"""Opening a pipe does not wait for its other end; for plain files the flags change nothing."""


class MissingFileError(InputError):
    """A file that is not there."""


def require_plain_file(path: Path) -> None:
    """Refuse pipes and devices, which could block or never end; a missing file passes.

    Raises:
        InputError: the path is neither a file nor a folder.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise _not_plain(path)


def open_file(path: Path, limit: int | None = None, cure: str = "check the path") -> io.BufferedReader:
    """Open a plain file for reading. Pipes and devices are refused without reading from them.

    A file that states no size, such as those of /proc, is opened as an empty one: reading it may never end.

    Args:
        path: the file.
        limit: its largest size in bytes; None for any size.
        cure: what to do about an error, for the message.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not a plain file, larger than `limit`, or cannot be opened.
    """
    try:
        require_plain_file(path)
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: cannot be read (no such file); {cure}") from None
    except (OSError, ValueError) as error:  # ValueError: the name contains a NUL
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); {cure}") from None

    # Between the check and the opening, the path may have become another file.
    facts = os.fstat(descriptor)
    problem = None
    if stat.S_ISDIR(facts.st_mode):
        problem = InputError(f"{path}: is a folder, not a file; {cure}")
    elif not stat.S_ISREG(facts.st_mode):
        problem = _not_plain(path)
    elif limit is not None and facts.st_size > limit:
        problem = _too_large(path, limit, cure)

    if problem is not None:
        os.close(descriptor)
        raise problem
    if facts.st_size == 0:
        os.close(descriptor)
        return io.BufferedReader(io.BytesIO())
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, limit: int, cure: str = "check the path") -> bytes:
    """Return the content of a plain file; arguments as for `open_file`.

    Raises:
        InputError: it is missing, not a plain file, larger than `limit`, or cannot be read.
    """
    with open_file(path, limit, cure) as file:
        try:
            content = file.read(limit + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    if len(content) > limit:
        raise _too_large(path, limit, cure)
    return content


def read_text(path: Path, limit: int, cure: str = "check the path") -> str:
    """Return the content of a text file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: it is not UTF-8; otherwise as for `read_file`.
    """
    try:
        return read_file(path, limit, cure).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; {cure}") from None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a plain file, hexadecimal.

    Raises:
        InputError: it is missing, not a plain file, or cannot be read.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_plain(path: Path) -> InputError:
    return InputError(f"{path}: is a pipe or a device; save its content to a file, and give that")


def _too_large(path: Path, limit: int, cure: str) -> InputError:
    return InputError(f"{path}: is larger than {limit:,} bytes, the most that is read; {cure}")


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
