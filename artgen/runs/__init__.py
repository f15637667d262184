"""Everything that has a folder: painting, tiling, checkpoints, editing."""
