"""The first parameters of a collage: patches scattered at random, or laid out like a picture."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from artgen.renderers.collage.options import CollageOptions, colour_bounds, reach_of_centres
from artgen.types import Image, Size

SAMPLES_PER_CELL = 4
"""Samples along each side of a lattice cell to which a picture is reduced before it is read."""
DIMMEST_TINT = 0.7
"""Lowest channel with which a patch is compared to a picture, if patches can be tinted: a tint only darkens."""
CHOICE_NOISE = 0.3
"""Greatest random addition to a colour distance, so that one patch does not fill a whole area."""
OVERLAP = 1.5
"""Longer side of a patch in a mosaic, in sides of its share of the picture, so that few gaps remain."""


def scatter(
    options: CollageOptions,
    canvas: Size,
    population: int,
    generator: torch.Generator,
    spread: float = 1.0,
) -> dict[str, Tensor]:
    """Return the parameters of patches scattered over the picture, by name.

    Patches start small, so that most are visible and receive a gradient.

    Args:
        options: number of patches, and bounds.
        canvas: size of the picture in pixels.
        population: P, number of candidates.
        generator: source of the random numbers.
        spread: fraction of the picture, around its centre, in which patches start.
    """

    def uniform(least: float | Tensor, greatest: float | Tensor, *more: int) -> Tensor:
        """Draw [P, N, *more] numbers between bounds."""
        drawn = torch.rand(population, options.count, *more, generator=generator, device=generator.device)
        return least + (greatest - least) * drawn

    bounds = options.bounds()
    reach = reach_of_centres(options, canvas, torch.zeros(2, device=generator.device))  # [2]
    least, greatest = bounds["scale"]

    # the order of the draws decides what a seed gives
    start = {
        "translation": uniform(-spread, spread, 2) * reach,  # [P, N, 2]
        "rotation": uniform(*bounds["rotation"]),  # [P, N], as the rest
        "scale": uniform(least + (greatest - least) * 0.05, least + (greatest - least) * 0.3),
        "squeeze": uniform(*_nearer_to_one(*bounds["squeeze"])),
        "shear": uniform(*bounds["shear"]) / 2,
        "order": uniform(0.0, 1.0),
    }

    if options.colour != "none":
        dimmest, brightest = colour_bounds(options, reach)  # [3] each
        start["colour"] = uniform((dimmest + brightest) / 2, brightest, 3)  # [P, N, 3]
    return start


def _nearer_to_one(least: float, greatest: float) -> tuple[float, float]:
    """Return a range of factors with both ends moved halfway towards 1."""
    middle = min(max(1.0, least), greatest)
    return (least + middle) / 2, (greatest + middle) / 2


def deal(
    patches: int, population: int, count: int, generator: torch.Generator
) -> Int[Tensor, "population elements"]:
    """Return [P, N] the patch that each element shows; all patches are used equally often.

    Args:
        patches: number of patches to choose from.
        population: P, number of candidates.
        count: N, elements per candidate.
        generator: source of the random numbers.
    """
    repeats = math.ceil(count / patches)
    drawn = torch.rand(population, repeats, patches, generator=generator, device=generator.device)
    shuffled = drawn.argsort(-1)  # [P, repeats, patches]
    return shuffled.flatten(1)[:, :count].contiguous()  # [P, N]


@torch.no_grad()
def mosaic(
    picture: Image,
    canvas: Size,
    shape: tuple[int, int],
    patch_colours: Float[Tensor, "patches 3"],
    tinted: bool,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return the parameters of patches laid out on a jittered lattice to resemble a picture, by name.

    Each element shows a patch whose mean colour is near that of the picture below it.

    Args:
        picture: [1, 3, H, W] in [0, 1].
        canvas: size of the picture in pixels.
        shape: P and N, candidates and elements per candidate.
        patch_colours: [K, 3] mean colour of each patch, with the number format and device of the result.
        tinted: whether each patch is multiplied by a colour.
        generator: source of the random numbers.

    Returns:
        `translation` [P, N, 2], `scale` [P, N], `patch` [P, N], and `colour` [P, N, 3] if tinted.
    """
    population, count = shape
    height, width = canvas
    device = patch_colours.device
    columns = max(1, round((count * width / height) ** 0.5))
    rows = -(-count // columns)

    places = _jittered_lattice(population, count, columns, rows, generator, device)  # [P, N, 2] in [-1, 1]
    translation = places * patch_colours.new_tensor([width, height]) / (2 * min(height, width))

    wanted = _colours_at(picture.to(patch_colours), places, columns, rows)  # [P, N, 3]
    reachable = patch_colours.clamp(min=DIMMEST_TINT) if tinted else patch_colours  # [K, 3]
    distance = torch.cdist(wanted.flatten(0, 1), reachable).view(population, count, -1)  # [P, N, K]
    noise = torch.rand(distance.shape, generator=generator, device=generator.device)
    patch = (distance + noise.to(device) * CHOICE_NOISE).argmin(-1)  # [P, N]

    area = width * height / min(height, width) ** 2 / count
    scale = patch_colours.new_full(shape, OVERLAP * area**0.5)  # [P, N]
    values = {"translation": translation, "scale": scale, "patch": patch}
    if tinted:
        values["colour"] = wanted / patch_colours[patch].clamp(min=0.05)  # [P, N, 3]
    return values


def _jittered_lattice(
    population: int, count: int, columns: int, rows: int, generator: torch.Generator, device: torch.device
) -> Float[Tensor, "population elements 2"]:
    """Return x and y in [-1, 1]; each candidate is jittered within the cells by its own random numbers."""
    cell = torch.arange(count, device=device)  # [N]
    across = (cell % columns + 0.5) / columns
    down = (cell // columns + 0.5) / rows
    lattice = torch.stack([across, down], -1) * 2 - 1  # [N, 2]

    drawn = torch.rand(population, count, 2, generator=generator, device=generator.device)
    jitter = drawn.to(device) - 0.5  # [P, N, 2]
    return lattice + jitter * lattice.new_tensor([2 / columns, 2 / rows])


def _colours_at(
    picture: Float[Tensor, "1 3 height width"],
    places: Float[Tensor, "population elements 2"],
    columns: int,
    rows: int,
) -> Float[Tensor, "population elements 3"]:
    """Return the colours of a picture at places in [-1, 1], averaged over a quarter of a cell each way."""
    size = (SAMPLES_PER_CELL * rows, SAMPLES_PER_CELL * columns)
    small = functional.interpolate(picture, size, mode="bilinear", antialias=True)
    colours = functional.grid_sample(
        small, places.view(1, -1, 1, 2), align_corners=False, padding_mode="border"
    )  # [1, 3, P * N, 1]
    return colours.view(3, *places.shape[:2]).permute(1, 2, 0)  # [P, N, 3]
