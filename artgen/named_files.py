"""Which local files the values of a configuration name. No torch.

A run may come from a stranger, so what it opens is checked before it is opened. Each function here is used
by the check (`RunConfig.local_files`) and by the code that opens the file, so that the two agree.
"""

from __future__ import annotations

from pathlib import Path

PALETTE_SUFFIXES = (".gpl", ".hex", ".pal")
"""Palette files that are read: GIMP, one `rrggbb` a line, and JASC or RIFF."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""File endings by which a background without a folder is recognised as a picture."""


def patch_set_names(text: str) -> list[str]:
    """Return the patch sets that a text names, separated by commas.

    Example:
        >>> patch_set_names("animals, sets/mine.zip,")
        ['animals', 'sets/mine.zip']
    """
    parts = [part.strip() for part in text.split(",")]
    return [part for part in parts if part]


def palette_file(text: str) -> str | None:
    """Return the palette file that a text names, None for colours and for the name of a shipped palette."""
    text = text.strip()
    return text if Path(text).suffix.lower() in PALETTE_SUFFIXES else None


def background_file(text: str) -> str | None:
    """Return the picture that a background names, None for a colour."""
    return text if Path(text).suffix.lower() in PICTURE_SUFFIXES or "/" in text else None


def user_path(text: str) -> Path:
    """Return a path with `~` as the user's own folder; `~somebody` stays as written if nobody is called so."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def looks_like_path(text: str) -> bool:
    """Return whether a text is written as a path."""
    return text.startswith("~") or "/" in text or "\\" in text or Path(text).suffix != ""


def may_be_file(text: str) -> bool:
    """Return whether a text is written as a path, or something of that name lies in the working folder."""
    if looks_like_path(text):
        return True
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False
