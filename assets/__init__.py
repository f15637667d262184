"""Patch sets with licences, and presets."""
