"""Renderers: from parameters to pictures, differentiably. One package or file each."""

from artgen.renderers.base import Renderer, RendererOptions, renderers

__all__ = ["Renderer", "RendererOptions", "renderers"]
