"""Distance to a palette: every pixel should have one of its colours."""

from __future__ import annotations

from artgen.errors import UsageError
from artgen.losses.base import LossContext, losses
from artgen.palettes import nearest_colours
from artgen.types import Image, PerCandidate


@losses.register("palette")
def palette(image: Image, context: LossContext) -> PerCandidate:
    """Return the mean squared difference to the palette's nearest colour, in [0, 1].

    Mean over pixels and channels of `(x - c)^2`, where c is the colour nearest to x. It
    is found without a gradient: where it changes, both are equally far.

    Source: pixray's palette loss.

    Raises:
        UsageError: the run has no palette.
    """
    if context.palette is None:
        raise UsageError("the loss 'palette' needs colours; give --palette (colours, a file, or a name)")
    colours = context.palette.to(image)
    pixels = image.permute(0, 2, 3, 1)
    nearest = colours.index_select(0, nearest_colours(pixels.reshape(-1, 3), colours))
    return (pixels - nearest.view_as(pixels)).square().mean(dim=(1, 2, 3))
