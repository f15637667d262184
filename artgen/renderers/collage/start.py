"""Where the patches of a collage start."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from artgen.renderers.collage.options import CollageOptions, colour_bounds, reach_of_centres
from artgen.types import Image, Size

if TYPE_CHECKING:
    from artgen.renderers.collage import Collage


def scatter(
    options: CollageOptions,
    canvas: Size,
    population: int,
    generator: torch.Generator,
    spread: float = 1.0,
) -> dict[str, Tensor]:
    """Return the parameters of patches scattered over the picture or the part `spread` of it, by name.

    Patches are small at first, so that most of them are seen and can be pulled.
    """

    def uniform(least: float | Tensor, greatest: float | Tensor, *more: int) -> Tensor:
        """Draw [population, count, *more] between bounds."""
        drawn = torch.rand(population, options.count, *more, generator=generator, device=generator.device)
        return least + (greatest - least) * drawn

    bounds = options.bounds()
    reach = reach_of_centres(options, canvas, torch.zeros(2, device=generator.device))
    least, greatest = bounds["scale"]
    start = {
        "translation": uniform(-spread, spread, 2) * reach,
        "rotation": uniform(*bounds["rotation"]),
        "scale": uniform(least + (greatest - least) * 0.05, least + (greatest - least) * 0.3),
        "squeeze": uniform(*_around_one(*bounds["squeeze"])),
        "shear": uniform(*bounds["shear"]) / 2,
        "order": uniform(0.0, 1.0),
    }
    if options.colour != "none":
        dimmest, brightest = colour_bounds(options, reach)
        start["colour"] = uniform((dimmest + brightest) / 2, brightest, 3)
    return start


def _around_one(least: float, greatest: float) -> tuple[float, float]:
    """Return the part of a range of factors that is half as far from 1."""
    middle = min(max(1.0, least), greatest)
    return (least + middle) / 2, (greatest + middle) / 2


def deal(patches: int, population: int, count: int, generator: torch.Generator) -> Tensor:
    """Return [P, count] which patch each element shows, every patch as often as the others."""
    repeats = math.ceil(count / patches)
    drawn = torch.rand(population, repeats, patches, generator=generator, device=generator.device)
    return drawn.argsort(-1).flatten(1)[:, :count].contiguous()


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
