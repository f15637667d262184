"""Where the patches of a collage start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from artgen.types import Image

if TYPE_CHECKING:
    from artgen.renderers.collage import Collage


@torch.no_grad()
def mosaic(renderer: Collage, picture: Image, generator: torch.Generator) -> None:
    """Lay the patches on a jittered lattice, coloured and chosen like the picture below them."""
    population, count = renderer.patch.shape
    place = renderer.translation
    device = place.device
    height, width = renderer.canvas
    columns = max(1, round((count * width / height) ** 0.5))
    rows = -(-count // columns)
    cell = torch.arange(count, device=device)
    lattice = torch.stack([(cell % columns + 0.5) / columns, (cell // columns + 0.5) / rows], -1) * 2 - 1
    jitter = torch.rand(place.shape, generator=generator, device=generator.device).to(device) - 0.5
    share = lattice + jitter * lattice.new_tensor([2 / columns, 2 / rows])
    place.copy_(share * place.new_tensor([width, height]) / (2 * min(height, width)))
    small = functional.interpolate(
        picture.to(place), (4 * rows, 4 * columns), mode="bilinear", antialias=True
    )
    wanted = functional.grid_sample(
        small, share.view(1, -1, 1, 2), align_corners=False, padding_mode="border"
    )
    wanted = wanted.view(3, population, count).permute(1, 2, 0)
    own = renderer.patches.colour.to(place)
    reached = own if renderer.options.colour != "rgb" else own.clamp(min=0.7)  # colours can be lowered
    distance = torch.cdist(wanted.flatten(0, 1), reached).view(population, count, -1)
    noise = torch.rand(distance.shape, generator=generator, device=generator.device).to(device) * 0.3
    renderer.patch.copy_((distance + noise).argmin(-1))
    if renderer.options.colour == "rgb":
        renderer.colour.copy_(wanted / own[renderer.patch].clamp(min=0.05))
    area = width * height / min(height, width) ** 2 / count
    renderer.scale.copy_(torch.full_like(renderer.scale, 1.5 * area**0.5))
