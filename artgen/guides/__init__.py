"""Guides: models that say how well a picture fits the words."""

from artgen.guides.base import Guide, guides, load_guide

__all__ = ["Guide", "guides", "load_guide"]
