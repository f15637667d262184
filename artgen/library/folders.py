"""Finding the folders of runs: those in a folder, and those in the folders of its batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from artgen.library.files import Stamp, stamp_of

LEVELS = 2
"""Levels of folders that are searched: runs, and batches of runs."""


FILES_OF_A_RUN = frozenset({"run.json", "config.yaml", "checkpoint.safetensors"})
"""A folder with one of these is that of a run."""


@dataclass(frozen=True)
class FoundRun:
    """A folder with the files of a run.

    Args:
        name: its path, from the folder that was searched.
        path: its path.
        report: stamp of its run.json, None without one.
        configuration: stamp of its config.yaml, None without one.
        files: names of the plain files in it.
    """

    name: str
    path: Path
    report: Stamp | None
    configuration: Stamp | None
    files: frozenset[str]


Entries = Mapping[str, os.DirEntry[str]]
"""What is in a folder, by name."""


def find_runs(root: Path) -> Iterator[FoundRun]:
    """Yield the runs in a folder and in its sub-folders, or only the folder itself if it is a run.

    A folder of a run is not searched for further runs. Links to folders are not followed, and folders that
    cannot be read are skipped.
    """
    yield from _search(str(root), "", LEVELS)


def _search(path: str, name: str, levels: int) -> Iterator[FoundRun]:
    """Yield the run in a folder, or those in its sub-folders.

    Args:
        path: the folder's.
        name: the folder's path from the one that was given.
        levels: number of levels of sub-folders to search.
    """
    entries = _scan(path)
    if not FILES_OF_A_RUN.isdisjoint(entries):
        yield _found(path, name, entries)
        return
    if not levels:
        return

    prefix = f"{name}/" if name else ""
    for entry in entries.values():
        is_hidden = entry.name.startswith(".")
        if not is_hidden and entry.is_dir(follow_symlinks=False):
            yield from _search(entry.path, prefix + entry.name, levels - 1)


def _scan(path: str) -> dict[str, os.DirEntry[str]]:
    """Return what is in a folder, nothing if it cannot be read."""
    try:
        with os.scandir(path) as entries:
            return {entry.name: entry for entry in entries}
    except OSError:
        return {}


def _found(path: str, name: str, entries: Entries) -> FoundRun:
    """Return the run in a folder."""
    plain = [entry.name for entry in entries.values() if entry.is_file(follow_symlinks=False)]
    return FoundRun(
        name, Path(path), _stamp(entries, "run.json"), _stamp(entries, "config.yaml"), frozenset(plain)
    )


def _stamp(entries: Entries, name: str) -> Stamp | None:
    """Return the stamp of whatever has a name, None if nothing has; links are not followed."""
    if name not in entries:
        return None
    try:
        return stamp_of(entries[name].stat(follow_symlinks=False))
    except OSError:
        return None
