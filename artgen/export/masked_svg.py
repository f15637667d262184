"""Vector pictures with a mask: the areas that must not change are embedded as pixels."""

from __future__ import annotations

import torch

from artgen.geometry import Size
from artgen.images import data_uri
from artgen.renderers.background import Background


def with_mask(svg: str, background: Background, size: Size) -> str:
    """Return the document with the mask, over the picture that is kept; unchanged without a mask.

    Args:
        svg: a document of this size.
        background: mask and kept picture, embedded as PNG.
        size: in pixels.
    """
    if background.mask is None:
        return svg

    # `free` is the mask as alpha: what of a white picture is left. `kept` is what shows without a picture.
    blank = torch.zeros(1, 4, *size)
    white = torch.ones(1, 4, *size)
    free = Background(torch.ones(3, 1, 1), background.mask).masked(white)[0, 3:]
    kept = background.masked(blank)[0]

    inner = svg[svg.index("<svg") :]
    frame = f'width="{size.width}" height="{size.height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame} viewBox="0 0 {size.width} {size.height}">\n'
        f'<mask id="artgen-changes"><image {frame} href="{data_uri(free.expand(3, -1, -1))}"/></mask>\n'
        f'<image {frame} href="{data_uri(kept)}"/>\n'
        f'<g mask="url(#artgen-changes)">\n{inner}</g>\n</svg>\n'
    )
