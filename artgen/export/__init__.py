"""Finished pictures as files: PNG, WebP, SVG, layers, films."""
