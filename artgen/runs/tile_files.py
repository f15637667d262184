"""Where the checkpoints of tiles are in the folder of a run."""

from __future__ import annotations

from pathlib import Path

from artgen.runs.checkpoint import has_checkpoint

TILES = "tiles"
"""Folder of the tiles' checkpoints in the folder of a run."""


def tile_checkpoint(folder: Path, index: int) -> Path:
    """Return the path of a tile's checkpoint, tiles counted from 0."""
    return folder / TILES / f"tile-{index + 1:03d}.safetensors"


def is_tiled(folder: Path) -> bool:
    """Return whether a folder holds a run that was painted tile by tile."""
    return has_checkpoint(tile_checkpoint(folder, 0))
