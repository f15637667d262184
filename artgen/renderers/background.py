"""What is behind and around the painted picture: background, mask, transparency."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from artgen.config import RunConfig
from artgen.images import parse_colour, read_opaque, read_picture
from artgen.named_files import background_file
from artgen.types import Canvas, Image, PerCandidate, Size

CHECKS = (2, 12)
"""Least and greatest number of squares along the shorter side of a random background."""

Mask = Float[Tensor, "1 1 mask_height mask_width"]
Kept = Float[Tensor, "1 4 kept_height kept_width"]


@dataclass(frozen=True)
class Background:
    """Where the painted picture lies, and which parts of it may change.

    Args:
        colour: [3, 1, 1] background, or [3, h, w] a picture behind, of any size.
        mask: [1, 1, h, w] 1 where the picture may change, 0 where it stays; None for all.
        kept: [1, 4, h, w] premultiplied RGBA of what stays; None for the background.
        transparent: whether the finished picture keeps its alpha.
        clear: part of the picture that should be clear, if transparent.
    """

    colour: Tensor
    mask: Mask | None = None
    kept: Kept | None = None
    transparent: bool = False
    clear: float = 0.0

    def masked(self, canvas: Canvas) -> Canvas:
        """Return premultiplied RGBA with what may not change put over what was painted."""
        if self.mask is None:
            return canvas
        size = Size(*canvas.shape[-2:])
        free = _resized(self.mask, size).to(canvas)
        if self.kept is None:
            return canvas * free
        return canvas * free + _resized(self.kept, size).to(canvas) * (1 - free)

    def behind(self, size: Size) -> Tensor:
        """Return the background for a picture of this size: [3, 1, 1], or [3, H, W] if it is a picture."""
        return self.colour if self.colour.shape[1:] == (1, 1) else _resized(self.colour[None], size)[0]

    def opaque(self, canvas: Canvas) -> Image:
        """Return [P, 3, H, W] on the background."""
        return on_background(self.masked(canvas), self.behind(Size(*canvas.shape[-2:])).to(canvas))

    def finished(self, canvas: Canvas) -> Float[Tensor, "population channels height width"]:
        """Return the picture to export: RGB on the background, or premultiplied RGBA if transparent."""
        return self.masked(canvas) if self.transparent else self.opaque(canvas)

    def judged(self, canvas: Canvas, generators: Sequence[torch.Generator]) -> Image:
        """Return [P, 3, H, W] as the guides and losses see it.

        Transparent pictures are seen on random backgrounds, so that what shows through
        means nothing, and what is to be seen must be opaque (Jain et al. 2022, "Zero-shot
        text-guided object generation with Dream Fields", section 3.3).

        Args:
            canvas: [P, 4, H, W] premultiplied.
            generators: one per candidate, only drawn from if transparent.
        """
        if not self.transparent:
            return self.opaque(canvas)
        backgrounds = random_backgrounds(Size(*canvas.shape[-2:]), generators).to(canvas, non_blocking=True)
        return on_background(self.masked(canvas), backgrounds)

    def opacity_excess(self, canvas: Canvas) -> PerCandidate:
        """Return by how much the opaque part of each picture is too large, in [0, 1].

        The transmittance loss of Dream Fields, eq. (6): `max(0, clear - mean(1 - alpha))`.
        """
        return (self.clear - (1 - canvas[:, 3]).mean(dim=(1, 2))).clamp(min=0)


def on_background(canvas: Canvas, background: Tensor) -> Image:
    """Return [P, 3, H, W]: premultiplied RGBA put on a [3, 1, 1], [3, H, W] or [P, 3, H, W] background."""
    return canvas[:, :3] + (1 - canvas[:, 3:]) * background


def random_backgrounds(size: Size, generators: Sequence[torch.Generator]) -> Image:
    """Return [P, 3, H, W] chequerboards of two random colours, their squares of random size and place."""
    draws = torch.stack([torch.rand(9, generator=generator) for generator in generators])
    colours = draws[:, :6].view(-1, 2, 3, 1, 1)
    squares = CHECKS[0] + (CHECKS[1] - CHECKS[0]) * draws[:, 6].view(-1, 1, 1)
    side = min(size) / squares
    down = (torch.arange(size.height).view(1, -1, 1) / side + draws[:, 7].view(-1, 1, 1)).floor()
    across = (torch.arange(size.width).view(1, 1, -1) / side + draws[:, 8].view(-1, 1, 1)).floor()
    odd = (down + across).remainder(2)[:, None]
    return colours[:, 0] * odd + colours[:, 1] * (1 - odd)


def make_background(config: RunConfig, device: torch.device | str = "cpu") -> Background:
    """Return the background that a configuration describes.

    Raises:
        InputError: a picture or a colour of no use.
    """
    colour = _background(config.background).to(device)
    mask = kept = None
    if config.mask is not None:
        mask = read_opaque(config.mask).mean(dim=1, keepdim=True).to(device)
        kept = _kept_picture(config)
        kept = kept.to(device) if kept is not None else None
    return Background(colour, mask, kept, config.transparent, config.clear)


def is_picture(background: str) -> bool:
    """Return whether a background is the name of a file, not of a colour."""
    return background_file(background) is not None


def _background(named: str) -> Tensor:
    """Return [3, 1, 1] of a colour, or [3, h, w] of a picture on white."""
    return read_opaque(named)[0] if is_picture(named) else parse_colour(named).view(3, 1, 1)


def _kept_picture(config: RunConfig) -> Kept | None:
    """Return the picture that shows where the mask is black: the start, else the target."""
    for path in (config.init, config.target):
        if path is not None and Path(path).suffix.lower() != ".svg" and Path(path).is_file():
            straight = read_picture(path)
            return torch.cat([straight[:, :3] * straight[:, 3:], straight[:, 3:]], dim=1)
    return None


@functools.lru_cache(maxsize=4)
def _resized(picture: Tensor, size: Size) -> Tensor:
    """Return [1, C, H, W] of this size, in [0, 1]."""
    if picture.shape[-2:] == size:
        return picture
    return functional.interpolate(picture, size, mode="bilinear", antialias=True).clamp(0, 1)
