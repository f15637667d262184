"""Guides: models that score how well a picture fits the words."""

from artgen.guides.base import Guide, guides
from artgen.guides.loading import load_guide

__all__ = ["Guide", "guides", "load_guide"]
