"""A renderer in one file: a coarse grid of colours, blended smoothly."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from artgen.renderers.base import ParameterGroup, Renderer, RendererOptions, renderers
from artgen.types import Canvas, Size, Window


class PlainOptions(RendererOptions):
    """Options of the plain renderer; each field is a command-line option."""

    knots: int = Field(12, ge=2, le=256, description="colours along each side")


@renderers.register("plain")
class Plain(Renderer):
    """A grid of colours with bilinear blending between them."""

    Options = PlainOptions

    def init(self, population: int, generator: torch.Generator) -> None:
        """Create candidates that start near light grey."""
        shape = (population, 3, self.options.knots, self.options.knots)
        noise = torch.randn(shape, generator=generator)
        self.colour = nn.Parameter((0.8 + 0.05 * noise).clamp(0, 1))

    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Return [P, 4, H, W] premultiplied RGBA of the whole picture or of a window."""
        down = blending_weights(size.height, self.options.knots).to(self.colour)  # [H, K]
        across = blending_weights(size.width, self.options.knots).to(self.colour)  # [W, K]
        if window is not None:
            down = down[window.top : window.bottom]
            across = across[window.left : window.right]

        colour = down @ self.colour @ across.T  # [P, 3, H, W]
        opaque = torch.ones_like(colour[:, :1])
        return torch.cat([colour, opaque], dim=1)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the one group: colours, with their learning rate and mutation strength."""
        return [ParameterGroup("colour", ["colour"], learning_rate=0.05, mutation=0.02)]

    @torch.no_grad()
    def project_(self) -> None:
        """Clamp colours to [0, 1]. The engine calls this after each step."""
        self.colour.clamp_(0, 1)


def blending_weights(pixels: int, knots: int) -> Tensor:
    """Return [pixels, knots]: how much each knot contributes to each pixel; rows sum to 1."""
    centres = (torch.arange(pixels) + 0.5) / pixels * (knots - 1)
    distances = (centres[:, None] - torch.arange(knots)).abs()
    return (1 - distances).clamp(min=0)
