"""The collage renderer: patches that are moved, turned, scaled, squeezed, sheared and coloured.

Source: P. Mirowski, D. Banarse, M. Malinowski, S. Osindero, C. Fernando, "CLIP-CLOP:
CLIP-Guided Collage and Photomontage", 2022.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from artgen.assets import Patch, load_patches
from artgen.errors import UsageError
from artgen.geometry import split_window
from artgen.renderers.base import (
    CENTRAL_FRACTION,
    ON_WHITE,
    Layer,
    ParameterGroup,
    RendererOptions,
    Surroundings,
    renderers,
)
from artgen.renderers.binning import TileGrid, assemble
from artgen.renderers.collage import layers as collage_layers
from artgen.renderers.collage.atlas import Atlas, Atlases, Patches
from artgen.renderers.collage.blending import as_light, blend_tiles, finish, shares
from artgen.renderers.collage.editing import EditablePatches
from artgen.renderers.collage.geometry import Affine, Pose, patch_to_pixels
from artgen.renderers.collage.options import CollageOptions, Sources, clamp_
from artgen.renderers.collage.recolour import inverted, recolour
from artgen.renderers.collage.sampling import Scene, sample
from artgen.renderers.collage.start import deal, mosaic, scatter
from artgen.types import Canvas, Image, Size, Window

TILE = 8
"""Side of the tiles that patches are sampled in, in pixels."""
WHOLE_ATLAS = 12_000_000
"""Up to this many texels the atlas contains all patches; beyond, only those in use."""
BAND_PIXELS = 2_000_000
"""Most pixels rendered at once when no gradient is needed; limits the memory of large exports."""


@renderers.register("collage")
class Collage(EditablePatches):
    """N patches per candidate.

    Args:
        options: bounds, blending and the patch sets.
        canvas: size of the picture that is optimised.
        surroundings: what lies around and behind the patches.
        patches: the patches, instead of those `options.patches` names.
    """

    Options: ClassVar[type[RendererOptions]] = CollageOptions
    default_losses = MappingProxyType({"border": 0.5, "smoothness": 0.005, "sketch": 4.0})
    default_population = 2

    element = "patch"
    translation: nn.Parameter
    rotation: nn.Parameter
    scale: nn.Parameter
    squeeze: nn.Parameter
    shear: nn.Parameter
    order: nn.Parameter
    colour: nn.Parameter
    patch: Tensor

    def __init__(
        self,
        options: CollageOptions,
        canvas: Size,
        surroundings: Surroundings = ON_WHITE,
        *,
        patches: Sequence[Patch] | None = None,
    ) -> None:
        super().__init__(options, canvas, surroundings)
        if patches is None:
            include = [one.strip() for one in options.include.split(",") if one.strip()]
            patches = load_patches(
                options.patches,
                include,
                options.skip_bad,
                options.min_pixels,
                options.max_pixels,
                options.normalise_brightness,
            )
        self.sources = Sources(patches)
        self.credits = tuple(patch.credit() for patch in patches)
        self.patches = Patches([patch.pixels for patch in patches])
        self._atlases = Atlases()

    def init(self, population: int, generator: torch.Generator) -> None:
        """Scatter patches over the picture, or its middle if the border stays calm, each as often as the others."""
        spread = CENTRAL_FRACTION if self.plain_border else 1.0
        for name, value in scatter(self.options, self.canvas, population, generator, spread).items():
            setattr(self, name, nn.Parameter(value))
        self.register_buffer("patch", deal(len(self.patches), population, self.options.count, generator))
        self.register_buffer("locked", torch.zeros_like(self.patch, dtype=torch.bool))
        self.number_elements()
        self.remember_locked()
        self.project_()

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the groups; lengths are in shorter sides of the picture."""
        groups = [
            ParameterGroup("translation", ["translation"], 0.015, 0.03),
            ParameterGroup("rotation", ["rotation"], 0.04, 0.15),
            ParameterGroup("scale", ["scale"], 0.01, 0.03),
            ParameterGroup("distortion", ["squeeze", "shear"], 0.01, 0.03),
            ParameterGroup("order", ["order"], 0.02, 0.1),
        ]
        if self.options.colour != "none":
            groups.append(ParameterGroup("colour", ["colour"], 0.04, 0.1))
        return groups

    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Render every candidate; see `Renderer.forward`. Patches keep their own resolution at any size."""
        window = window or Window(0, 0, *size)
        if torch.is_grad_enabled() or window.size.height * window.size.width <= BAND_PIXELS:
            return self._render(size, window)

        # whole rows of tiles, so that bands have the same bits as the whole
        rows = max(TILE, BAND_PIXELS // window.size.width // TILE * TILE)
        bands = split_window(window, Size(rows, window.size.width))
        return torch.cat([self._render(size, band) for band in bands], 2)

    def _render(self, size: Size, window: Window) -> Canvas:
        """Render a window at once, [P, 4, h, w]."""
        blending = self.options.blending
        sums = self._sums(size, window)

        greatest = None
        if blending == "masked_transparency_normed":
            # measured at the canvas's own size, so that windows and sizes agree
            canvas_window = Window(0, 0, *self.canvas)
            is_whole = size == self.canvas and window == canvas_window
            mask = sums if is_whole else self._sums(self.canvas, canvas_window)
            greatest = mask[:, 3].amax((1, 2))  # [P]

        canvas = finish(blending, sums, greatest)
        return inverted(canvas) if self.options.invert else canvas

    def _sums(self, size: Size, window: Window, light: Tensor | None = None) -> Canvas:
        """Return the assembled tiles, [P, 4, h, w], before `finish`.

        Tiles are aligned to the whole picture, so that a window has the same bits as the whole.
        With `light`, [P, N] ones, the patches are grey, and their brightness has a gradient with respect to it.
        """
        painting = self.painting_order()  # [P, N]
        scene = self.scene(size, painting)
        top = window.top // TILE * TILE
        left = window.left // TILE * TILE
        grid = TileGrid(self.population, window._replace(top=top, left=left), TILE)
        samples = sample(scene, grid, ordered=self.options.blending == "over")

        factors = None
        if self.options.colour != "none":
            by_element = self.colour.gather(1, painting[..., None].expand(-1, -1, 3)).flatten(0, 1)
            factors = by_element[samples.element]  # [P * N, 3] to [M, 3]
        layers = recolour(self.options.colour, samples.layers, factors)  # [M, 4, Q]
        if light is not None:
            layers = as_light(
                self.options.blending, layers, light.gather(1, painting).flatten()[samples.element]
            )

        order = self.order.gather(1, painting).flatten()[samples.element, None]  # [M, 1]
        lengths = samples.stacks.lengths
        tiles = blend_tiles(self.options.blending, layers, lengths, order, self.patch.shape[1])  # [B, 4, Q]
        picture = assemble(tiles, samples.stacks.bins, grid)  # [P, 4, h + window.top - top, ...]
        return picture[:, :, window.top - top :, window.left - left :]

    def painting_order(self) -> Tensor:
        """Return [P, N] the elements of each candidate, the lowest first."""
        return self.order.detach().argsort(stable=True, dim=1)

    def visibility(self, size: Size, window: Window, weight: Tensor) -> Tensor:
        """Return [P, N] how many pixels of a window each patch fills; see `artgen.renderers.point`."""
        light = torch.ones_like(self.order, requires_grad=True)  # [P, N]
        with torch.enable_grad():
            share = shares(self.options.blending, self._sums(size, window, light))  # [P, h, w]
            (filled,) = torch.autograd.grad((share * weight.to(share)).sum(), light)
        return filled

    def scene(self, size: Size, painting: Tensor | None = None) -> Scene:
        """Return the patches of every candidate, and where they are in a picture of this size.

        Args:
            size: size of the picture in pixels.
            painting: [P, N] order of the elements; as stored if None.
        """
        affine, patch = self.affine(size), self.patch
        if painting is not None:
            affine = affine.gather(1, painting[..., None, None].expand_as(affine))  # [P, N, 2, 3]
            patch = patch.gather(1, painting)  # [P, N]
        return Scene(affine, patch, self.patches, self._atlas(size))

    def affine(self, size: Size) -> Affine:
        """Return [P, N, 2, 3] the maps from patch coordinates to pixels."""
        pose = Pose(self.translation, self.rotation, self.scale, self.squeeze, self.shear)
        return patch_to_pixels(pose, size)

    def _atlas(self, size: Size) -> Atlas:
        """Return textures for pictures of about this size, made when first needed."""
        longest = self.options.max_scale * min(size) * math.sqrt(max(1, self.options.max_squeeze))

        # half octaves, so that pictures of nearly the same size share an atlas
        octaves = math.log2(min(longest, float(self.patches.side.max())))
        step = 2.0 ** (math.ceil(2 * octaves) / 2)

        atlas = self._atlases.get(step)
        if atlas is None or not atlas.serves(self.patch):
            sides = self.patches.side.clamp(max=int(longest) + 1)  # [K]
            fits_whole = 2 * int((sides**2).sum()) <= WHOLE_ATLAS  # smaller levels double the area
            everything = torch.arange(len(self.patches), device=self.patch.device)
            contents = everything if fits_whole else self.patch.unique()
            atlas = Atlas(self.patches, contents, step, self.translation)
            self._atlases.keep(step, atlas)
        return atlas

    def forget_textures(self) -> None:
        """Free the memory of the textures; they are made again when next needed."""
        self._atlases = Atlases()

    @torch.no_grad()
    def project_(self) -> None:
        """Clamp to the bounds; wrap rotations if all are allowed; restore locked patches."""
        clamp_(dict(self.named_parameters()), self.options, self.canvas)
        self.restore_locked_()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; locked patches stay locked."""
        patch = state.get("patch")
        if patch is not None and patch.numel() and int(patch.max()) >= len(self.patches):
            raise UsageError(
                f"the saved state uses patch {int(patch.max())}, but the patch sets hold only "
                f"{len(self.patches)}; give the same --patches as when it was saved"
            )
        super().load_state(state)

    @torch.no_grad()
    def mutate_(self, parent: int, child: int, generator: torch.Generator) -> None:
        """Replace `child` by a copy of `parent` with some patches moved and some exchanged."""
        super().mutate_(parent, child, generator)
        device = generator.device
        dice = torch.rand(2, self.patch.shape[1], generator=generator, device=device).to(self.patch.device)
        same = (dice[0] >= self.options.mutated) | self.locked[child]
        for name in (name for group in self.parameter_groups() for name in group.parameters):
            value = self.get_parameter(name)
            value[child, same] = value[parent, same]
        exchanged = (dice[1] < self.options.swaps) & ~self.locked[child]
        drawn = torch.randint(len(self.patches), exchanged.shape, generator=generator, device=device)
        self.patch[child] = torch.where(exchanged, drawn.to(self.patch.device), self.patch[child])

    @torch.no_grad()
    def init_from(self, source: Image | Path, generator: torch.Generator) -> None:
        """Start as a mosaic of a picture; an SVG file is refused."""
        if isinstance(source, Path):
            super().init_from(source, generator)
            return

        population, count = self.patch.shape
        colours = self.patches.colour.to(self.translation)  # [K, 3]
        tinted = self.options.colour == "rgb"
        values = mosaic(source, self.canvas, (population, count), colours, tinted, generator)
        for name, value in values.items():
            getattr(self, name).copy_(value)
        self.project_()
        self.remember_locked()

    def to_svg(self, size: Size) -> str:
        """Return the first candidate with its patches embedded, transformed and coloured."""
        single = cast("Collage", self.candidate(0))
        return collage_layers.to_svg(single._only_candidate(size))

    @torch.no_grad()
    def layers(self, size: Size) -> list[Layer]:
        """Return the first candidate's patches, the lowest first."""
        single = cast("Collage", self.candidate(0))
        return collage_layers.layers(single._only_candidate(size), single._atlas(size))

    @torch.no_grad()
    def _only_candidate(self, size: Size) -> collage_layers.Candidate:
        """Return the values of a renderer with one candidate, as the exports take them."""
        parameters = {name: value.detach()[0] for name, value in self.named_parameters()}
        return collage_layers.Candidate(
            size,
            self.ids[0].tolist(),
            parameters,
            self.patch[0],
            self.painting_order()[0],
            self.affine(size)[0],
            self.patches,
            self.credits,
            self.options.colour,
            self.options.invert,
        )

    def assets_used(self) -> list[dict[str, str]]:
        """Return the credits of the first candidate's patches, each once."""
        used = {int(index) for index in self.patch[0].flatten()}
        return [self.credits[index] for index in sorted(used)]
