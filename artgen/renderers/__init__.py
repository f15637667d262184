"""Renderers: parameters to image, differentiably. One file each."""

from artgen.renderers.base import Renderer, RendererOptions, renderers

__all__ = ["Renderer", "RendererOptions", "renderers"]
