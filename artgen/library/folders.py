"""Finding the folders of runs: those in a folder, and those in the folders of its batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artgen.library.card import FILMS, PICTURE
from artgen.library.files import Stamp, file_stamp, is_plain_file

LEVELS = 2
"""Levels of folders that are searched: runs, and batches of runs."""


LOOKED_FOR = (PICTURE, *FILMS)
"""Files whose presence is noted."""


@dataclass(frozen=True)
class FoundRun:
    """A folder with the files of a run.

    Args:
        name: its path, from the folder that was searched.
        path: its path.
        report: stamp of its run.json, None without one.
        configuration: stamp of its config.yaml, None without one.
        files: those of `LOOKED_FOR` that are in it as plain files.
    """

    name: str
    path: Path
    report: Stamp | None
    configuration: Stamp | None
    files: tuple[str, ...]


def find_runs(root: Path) -> Iterator[FoundRun]:
    """Yield the runs in a folder and in its sub-folders, or only the folder itself if it is a run.

    A folder of a run is not searched for further runs. Links to folders are not followed, and folders that
    cannot be read are skipped.
    """
    yield from _search(str(root), "", LEVELS)


def _search(path: str, name: str, levels: int) -> Iterator[FoundRun]:
    """Yield the run in a folder, or those in its sub-folders.

    Args:
        path: the folder's; a text, because thousands of `Path` objects take long to make.
        name: the folder's path from the one that was given.
        levels: number of levels of sub-folders to search.
    """
    run = _run_in(path, name)
    if run is not None:
        yield run
        return
    if not levels:
        return

    prefix = f"{name}/" if name else ""
    for each in _subfolders(path):
        yield from _search(f"{path}/{each}", prefix + each, levels - 1)


def _run_in(path: str, name: str) -> FoundRun | None:
    """Return the run whose folder this is, None if it is not that of a run."""
    report = file_stamp(f"{path}/run.json")
    configuration = file_stamp(f"{path}/config.yaml")
    if report is None and configuration is None and file_stamp(f"{path}/checkpoint.safetensors") is None:
        return None

    files = tuple(each for each in LOOKED_FOR if is_plain_file(f"{path}/{each}"))
    return FoundRun(name, Path(path), report, configuration, files)


def _subfolders(path: str) -> list[str]:
    """Return the names of the folders in a folder, without hidden ones and links."""
    names: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                is_hidden = entry.name.startswith(".")
                if entry.is_dir(follow_symlinks=False) and not is_hidden:
                    names.append(entry.name)
    except OSError:
        return names
    return names
