"""Patch sets: loading, checking, making."""

from artgen.assets.sets import Patch, PatchSet, find, load_patches, load_set, shipped_names

__all__ = ["Patch", "PatchSet", "find", "load_patches", "load_set", "shipped_names"]
