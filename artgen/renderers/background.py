"""What lies behind and around the painted picture: background, mask, transparency."""

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
from artgen.devices import send
from artgen.images import parse_colour, read_opaque, read_picture
from artgen.named_files import background_file
from artgen.renderers.compositing import put_over
from artgen.types import Canvas, Image, PerCandidate, Size

FEWEST_SQUARES = 2
"""Least number of squares along the shorter side of a random background."""
MOST_SQUARES = 12
"""Greatest number of squares along the shorter side of a random background."""

Mask = Float[Tensor, "1 1 mask_height mask_width"]
Kept = Float[Tensor, "1 4 kept_height kept_width"]


@dataclass(frozen=True)
class Background:
    """What the painted picture lies on, and which parts of it may change.

    Args:
        colour: [3, 1, 1] background, or [3, h, w] a picture behind, of any size.
        mask: [1, 1, h, w] 1 where the picture may change, 0 where it stays; None if all may change.
        kept: [1, 4, h, w] premultiplied RGBA of the part that stays; None to show the background there.
        transparent: whether the finished picture keeps its alpha.
        clear: fraction of the picture that should be clear, if transparent.
    """

    colour: Tensor
    mask: Mask | None = None
    kept: Kept | None = None
    transparent: bool = False
    clear: float = 0.0

    def masked(self, canvas: Canvas) -> Canvas:
        """Return premultiplied RGBA [P, 4, H, W] in which the part that stays replaces what was painted."""
        if self.mask is None:
            return canvas

        size = Size(*canvas.shape[-2:])
        free = _resized(self.mask, size).to(canvas)  # [1, 1, H, W]
        if self.kept is None:
            return canvas * free

        kept = _resized(self.kept, size).to(canvas)  # [1, 4, H, W]
        return canvas * free + kept * (1 - free)

    def behind(self, size: Size) -> Tensor:
        """Return the background for a picture of this size: [3, 1, 1], or [3, H, W] if it is a picture."""
        if self.colour.shape[1:] == (1, 1):
            return self.colour
        return _resized(self.colour[None], size)[0]  # [3, H, W]

    def opaque(self, canvas: Canvas) -> Image:
        """Return [P, 3, H, W] on the background."""
        behind = self.behind(Size(*canvas.shape[-2:])).to(canvas)
        return put_over(self.masked(canvas), behind)

    def finished(self, canvas: Canvas) -> Float[Tensor, "population channels height width"]:
        """Return the picture to export: RGB on the background, or premultiplied RGBA if transparent."""
        return self.masked(canvas) if self.transparent else self.opaque(canvas)

    def judged(self, canvas: Canvas, generators: Sequence[torch.Generator]) -> Image:
        """Return [P, 3, H, W] for the guides and losses.

        Transparent pictures are put on random backgrounds. A pattern that shows through then
        carries no meaning, so whatever should be seen must be opaque (Jain et al. 2022,
        "Zero-shot text-guided object generation with Dream Fields", section 3.3).

        Args:
            canvas: [P, 4, H, W] premultiplied.
            generators: one per candidate, used only if transparent.
        """
        if not self.transparent:
            return self.opaque(canvas)

        size = Size(*canvas.shape[-2:])
        backgrounds = send(random_backgrounds(size, generators), canvas.device).to(canvas)  # [P, 3, H, W]
        return put_over(self.masked(canvas), backgrounds)

    def opacity_excess(self, canvas: Canvas) -> PerCandidate:
        """Return [P] by how much the opaque fraction of each picture is too large, in [0, 1].

        The transmittance loss of Dream Fields, eq. (6): `max(0, clear - mean(1 - alpha))`.
        """
        transmittance = (1 - canvas[:, 3]).mean(dim=(1, 2))  # [P]
        return (self.clear - transmittance).clamp(min=0)


def random_backgrounds(size: Size, generators: Sequence[torch.Generator]) -> Image:
    """Return [P, 3, H, W] chequerboards of two random colours, with squares of random size and position.

    Args:
        size: of the pictures.
        generators: one per candidate.
    """
    draws = torch.stack([torch.rand(9, generator=generator) for generator in generators])  # [P, 9]
    colours = draws[:, :6].view(-1, 2, 3, 1, 1)  # [P, 2, 3, 1, 1]
    squares = FEWEST_SQUARES + (MOST_SQUARES - FEWEST_SQUARES) * draws[:, 6].view(-1, 1, 1)  # [P, 1, 1]
    side = min(size) / squares

    row = torch.arange(size.height).view(1, -1, 1)  # [1, H, 1]
    column = torch.arange(size.width).view(1, 1, -1)  # [1, 1, W]
    down = (row / side + draws[:, 7].view(-1, 1, 1)).floor()  # [P, H, 1]
    across = (column / side + draws[:, 8].view(-1, 1, 1)).floor()  # [P, 1, W]

    odd = (down + across).remainder(2)[:, None]  # [P, 1, H, W]
    return colours[:, 0] * odd + colours[:, 1] * (1 - odd)


def make_background(config: RunConfig, device: torch.device | str = "cpu") -> Background:
    """Return the background that a configuration describes.

    Raises:
        InputError: a picture cannot be read, or a colour is invalid.
    """
    colour = _read_background(config.background).to(device)
    if config.mask is None:
        return Background(colour, transparent=config.transparent, clear=config.clear)

    mask = read_opaque(config.mask).mean(dim=1, keepdim=True).to(device)  # [1, 1, h, w]
    kept = _kept_picture(config)
    if kept is not None:
        kept = kept.to(device)
    return Background(colour, mask, kept, config.transparent, config.clear)


def is_picture(background: str) -> bool:
    """Return whether a background names a file instead of a colour."""
    return background_file(background) is not None


def _read_background(name: str) -> Tensor:
    """Return [3, 1, 1] of a colour, or [3, h, w] of a picture on white."""
    if is_picture(name):
        return read_opaque(name)[0]
    return parse_colour(name).view(3, 1, 1)


def _kept_picture(config: RunConfig) -> Kept | None:
    """Return the picture shown where the mask is black: the initial picture, else the target."""
    for path in (config.init, config.target):
        if path is not None and Path(path).suffix.lower() != ".svg" and Path(path).is_file():
            straight = read_picture(path)  # [1, 4, h, w]
            colour, alpha = straight[:, :3], straight[:, 3:]
            return torch.cat([colour * alpha, alpha], dim=1)
    return None


@functools.lru_cache(maxsize=4)
def _resized(picture: Tensor, size: Size) -> Tensor:
    """Return [1, C, H, W] of this size, in [0, 1]."""
    if picture.shape[-2:] == size:
        return picture
    return functional.interpolate(picture, size, mode="bilinear", antialias=True).clamp(0, 1)
