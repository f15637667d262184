"""Brush strokes and filled shapes: Bézier paths painted over each other."""

from __future__ import annotations

import math
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from artgen.devices import send
from artgen.geometry import split_window
from artgen.images import parse_colour
from artgen.memory import require_memory
from artgen.palettes import Palette, load_palette, nearest_colours
from artgen.renderers.base import (
    CENTRAL_FRACTION,
    ON_WHITE,
    ElementChange,
    Feedback,
    Layer,
    Surroundings,
    renderers,
)
from artgen.renderers.binning import TILE_SIDE
from artgen.renderers.editing import Addition
from artgen.renderers.strokes.elements import StrokeSet
from artgen.renderers.strokes.export import drawing_of, layer_names, layers_of, triple
from artgen.renderers.strokes.from_svg import strokes_of
from artgen.renderers.strokes.growth import kept, new_strokes, visible_ink
from artgen.renderers.strokes.options import StrokesOptions
from artgen.renderers.strokes.rasterise import Paths, curves_of, on_paper, paint, paint_of
from artgen.renderers.strokes.start import (
    InitialStrokes,
    StrokeShape,
    random_strokes,
    strokes_on_map,
    strokes_on_picture,
)
from artgen.svg.read import read_svg
from artgen.svg.write import Drawing, write_svg
from artgen.types import Canvas, Image, Size, Window

NO_GRADIENT_WINDOW_SIDE = 512
"""Largest height and width, in pixels, of the windows painted at once without gradients; saves memory."""


BYTES_PER_PIXEL = 200
"""Memory of a step per pixel of the tiles that a stroke covers; measured."""
RANDOM_STROKE_LENGTH = 0.25
"""Length of a random stroke, in the canvas's shorter side."""
ROUNDING = 1e-9
"""Added to a run's progress, so that rounding does not delay a level by a step."""
TILE_MARGIN = 8
"""Pixels that tiles add to a stroke's length and to its width."""


@renderers.register("strokes")
class Strokes(StrokeSet):
    """N paths of S cubic Béziers each, painted in order from the lowest to the topmost; see `StrokeSet`."""

    Options = StrokesOptions
    default_losses = MappingProxyType({"smoothness": 0.006, "border": 1.0})

    def __init__(self, options: StrokesOptions, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__(options, canvas, surroundings)
        self.given: Palette | None = load_palette(options.palette) if options.palette is not None else None
        self.surrogate_gradients = self.given is not None

    # --- start ---------------------------------------------------------------------

    def init(self, population: int, generator: torch.Generator) -> None:
        """Create random candidates, as CLIPDraw does; see `Renderer.init`.

        Raises:
            UsageError: they need more memory than is free.
        """
        check_memory(population, max(self.options.strokes), self.options.width, self.canvas)
        self._set_paper(population, None)
        self.set_strokes(random_strokes(self._shape, population, self.options.strokes[0], generator))
        self.project_()

    def init_from(self, source: Image | Path, generator: torch.Generator) -> None:
        """Start on a picture's edges, or from an SVG; see `Renderer.init_from`.

        An SVG defines the number of strokes and curves, and the paper unless `options.paper`
        names a colour. The first candidate is the SVG itself, the others differ by noise.

        Raises:
            InputError: the SVG cannot be used.
        """
        if isinstance(source, Path):
            self._init_from_svg(source, generator)
            return
        count = self.points.shape[1]
        self.set_strokes(strokes_on_picture(self._shape, source, self.population, count, generator))

    def _init_from_svg(self, path: Path, generator: torch.Generator) -> None:
        population = self.population
        drawing = read_svg(path)
        one = strokes_of(drawing, self.options.shape == "closed", self.extent)
        check_memory(population, one.width.shape[1], self.options.width, self.canvas)

        if drawing.paper is not None and not self._is_clear and self.options.paper in (None, "learned"):
            self._set_paper(population, torch.tensor(drawing.paper))
        copies = [part.expand(population, *part.shape[1:]).clone() for part in one]
        self.set_strokes(InitialStrokes(*copies))
        for child in range(1, population):
            self.mutate_(0, child, generator)

    def init_from_map(
        self, picture: Image, saliency: Float[Tensor, "1 1 h w"], generator: torch.Generator
    ) -> None:
        """Start where a map (such as a guide's saliency) is high, in the picture's colours."""
        count = self.points.shape[1]
        self.set_strokes(strokes_on_map(self._shape, picture, saliency, self.population, count, generator))

    @property
    def _shape(self) -> StrokeShape:
        options = self.options
        spread = options.spread or (CENTRAL_FRACTION if self.plain_border else 1.0)
        return StrokeShape(options.segments, options.shape == "closed", options.width, self.extent, spread)

    @property
    def _is_clear(self) -> bool:
        """Whether what lies behind shows: by choice, or because a picture lies there."""
        on_picture = self.options.paper is None and self.background is None
        return self.transparent or on_picture or self.options.paper == "transparent"

    def _set_paper(self, population: int, colour: Tensor | None) -> None:
        if self._is_clear:
            return
        learned = self.options.paper == "learned"
        if colour is None:
            named = self.background or "white"
            if self.options.paper and not learned:
                named = self.options.paper
            colour = parse_colour(named)
        self.store("paper", colour.expand(population, 3).clone(), learned=learned)  # [P, 3]

    # --- rendering -----------------------------------------------------------------

    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Render every candidate; see `Renderer.forward`.

        Without gradients large pictures are painted window by window.
        """
        window = window or Window(0, 0, *size)
        paths = self.paths(size)
        if torch.is_grad_enabled() or max(window.size) <= NO_GRADIENT_WINDOW_SIDE:
            return self._on_paper(paint(paths, window))

        canvas = paths.curves.new_empty(self.population, 4, *window.size)  # [P, 4, h, w]
        for part in split_window(window, Size(NO_GRADIENT_WINDOW_SIDE, NO_GRADIENT_WINDOW_SIDE)):
            rows, columns = part.slices_in(window)
            canvas[:, :, rows, columns] = self._on_paper(paint(paths, part))
        return canvas

    def paths(self, size: Size) -> Paths:
        """Return the paths in pixels of a picture of this size."""
        # a non-uniform scale widens strokes by the geometric mean of its two factors
        scale = math.sqrt(size.width / self.extent[0] * size.height / self.extent[1])
        return Paths(
            curves=curves_of(self.points, size, self.extent),
            radii=self.width * (scale / 2),
            paint=paint_of(self.shown_colour(), self.opacity, self.options.blend == "linear"),
            closed=self.options.shape == "closed",
            rule=self.options.fill,
            taper=self.options.taper,
        )

    def shown_colour(self) -> Float[Tensor, "population elements 3"]:
        """Return the colours as painted: with a palette, the nearest colour in it (straight-through)."""
        if self.given is None:
            return self.colour

        inks = send(self.given.colours, self.colour.device)  # [inks, 3]
        free = self.colour.detach()
        index = nearest_colours(free.flatten(0, 1), inks)  # [P N]
        nearest = inks[index].view_as(free)  # [P, N, 3]
        return self.colour + (nearest - free)

    def _on_paper(self, canvas: Canvas) -> Canvas:
        paper = None if self._is_clear else self.paper
        return on_paper(canvas, paper, self.options.blend == "linear")

    # --- elements ------------------------------------------------------------------

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of strokes at each level; a picture is saved at the end of each."""
        return tuple(self.options.strokes)

    def advance(
        self, progress: float, generator: torch.Generator, feedback: Feedback | None = None
    ) -> ElementChange | None:
        """Grow to the next number of the series at equal intervals, and prune invisible strokes."""
        level = min(int(progress * len(self.levels) + ROUNDING), len(self.levels) - 1)
        count = self.points.shape[1]
        if level == 0 or count >= self.levels[level]:
            return None

        # Read last, because a GPU must finish its work before it can answer.
        if level <= int(self.level.max()):
            return None

        with torch.no_grad():
            ink = visible_ink(self.paths(self.canvas), Window(0, 0, *self.canvas))  # [P, N]
        keep = kept(ink, self.locked)
        added = self.levels[level] - len(keep)
        new = new_strokes(self._shape, self.population, added, generator, feedback)
        return self.rebuild(keep, new, level)

    def _new_elements(self, addition: Addition) -> dict[str, Tensor]:
        """Return new strokes where the loss is steepest within the region, on the newest level."""
        shape = self._shape._replace(spread=1.0)
        strokes = new_strokes(
            shape, self.population, addition.count, addition.generator, addition.feedback, addition.region
        )
        levels = self.level.amax(1, keepdim=True).expand(-1, addition.count)  # [P, M]
        return {**self._inked(strokes)._asdict(), "level": levels}

    def visibility(self, size: Size, window: Window, weight: Tensor) -> Tensor:
        """Return [P, N] how many pixels of a window each stroke fills; see `artgen.renderers.point`."""
        with torch.no_grad():
            paths = self.paths(size)

        # from the corner of a tile on, so that the window has the same bits as the whole picture
        above, left = window.top % TILE_SIDE, window.left % TILE_SIDE
        aligned = window._replace(top=window.top - above, left=window.left - left)
        return visible_ink(paths, aligned, functional.pad(weight, (left, 0, above, 0)))

    def assets_used(self) -> list[dict[str, str]]:
        """Return the credit of the palette, if one was given."""
        return [] if self.given is None else [self.given.credit()]

    # --- export --------------------------------------------------------------------

    def to_svg(self, size: Size) -> str:
        """Return the first candidate as an SVG document; see `artgen.svg.write`."""
        return write_svg(self.drawing(size))

    @torch.no_grad()
    def drawing(self, size: Size) -> Drawing:
        """Return the first candidate as a vector drawing, a layer per step of the growing series."""
        layers = layer_names(self.level[0].tolist())
        paper = None if self._is_clear else triple(self.paper[0])
        ids = self.ids[0].tolist()
        return drawing_of(self.paths(size), self.shown_colour(), self.opacity, layers, size, paper, ids)

    @torch.no_grad()
    def layers(self, size: Size) -> list[Layer]:
        """Return the paper and each stroke of the first candidate; see `Renderer.layers`."""
        paper = None if self._is_clear else self.paper[0]
        linear = self.options.blend == "linear"
        return layers_of(self.paths(size), size, paper, linear, self.ids[0].tolist())


def check_memory(population: int, strokes: int, width: float, canvas: Size) -> None:
    """Refuse strokes that cannot fit into memory, before the run starts.

    Args:
        population: number of candidates.
        strokes: number per candidate.
        width: of a stroke, in the canvas's shorter side.
        canvas: size that is optimised.

    Raises:
        UsageError: the strokes need more memory than is free.
    """
    side = min(canvas)
    tiles_of_stroke = (RANDOM_STROKE_LENGTH * side + TILE_MARGIN) * (width * side + TILE_MARGIN)
    covered = min(tiles_of_stroke, canvas.height * canvas.width)
    needed = population * strokes * covered * BYTES_PER_PIXEL

    what = f"{strokes} strokes x {population} candidates at {canvas.width}x{canvas.height} need about"
    require_memory(needed, what, "use fewer strokes or a smaller --canvas")
