"""Renderers: from parameters to pictures, differentiably. Each is a package or file of its own."""

from artgen.renderers.base import Renderer, RendererOptions, renderers

__all__ = ["Renderer", "RendererOptions", "renderers"]
