"""Brush strokes and filled shapes: Bézier paths painted over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.export.svg import Drawing, write_svg
from artgen.export.svg_read import read_svg
from artgen.images import parse_colour
from artgen.palettes import Palette, load_palette, nearest_colours
from artgen.renderers._colour import to_linear, to_srgb
from artgen.renderers._memory import check_memory
from artgen.renderers._paint import Paths, paint, parts_of
from artgen.renderers._stroke_export import drawing_of, layers_of, triple
from artgen.renderers._stroke_growth import kept, new_strokes, visible_ink
from artgen.renderers._stroke_options import StrokesOptions
from artgen.renderers._stroke_start import Beginning, Kind, random_strokes, strokes_on_map, strokes_on_picture
from artgen.renderers._stroke_svg import strokes_of
from artgen.renderers.base import ElementChange, Feedback, Layer, ParameterGroup, Renderer, renderers
from artgen.types import Canvas, Image, Size, Window

MARGIN = 0.25
"""How far control points may leave the canvas, in its shorter side."""
WINDOW = 512
"""Without gradients, pictures are painted in windows of this side, to spare memory."""
PIXEL = 1 / 224
"""Unit of the learning rates: a pixel of the picture most guides are shown."""


@renderers.register("strokes")
class Strokes(Renderer):
    """N paths of S cubic Béziers each, painted in order, the first the lowest.

    Lengths are in the canvas's shorter side, so the same parameters give the same
    picture at any size.

    Attributes:
        points: [P, N, 3 S + 1 (open) or 3 S (closed), 2] control points, x and y.
        width: [P, N] of open strokes.
        colour: [P, N, 3] sRGB in [0, 1].
        opacity: [P, N] in [0, 1].
        paper: [P, 3] colour of the ground, unless it is transparent.
        locked: [P, N] elements that stay as they are.
        level: [P, N] step of the growing series in which an element joined.
    """

    Options = StrokesOptions
    default_losses = MappingProxyType({"border": 4.0})
    points: nn.Parameter
    width: nn.Parameter
    colour: Tensor
    opacity: Tensor
    paper: Tensor
    locked: Tensor
    level: Tensor

    def __init__(self, options: StrokesOptions, canvas: Size) -> None:
        super().__init__(options, canvas)
        self.extent = canvas.width / min(canvas), canvas.height / min(canvas)
        self.given: Palette | None = load_palette(options.palette) if options.palette is not None else None
        self.surrogate_gradients = self.given is not None
        self._held: dict[str, Tensor] = {}

    # --- beginning -----------------------------------------------------------------

    def init(self, population: int, generator: torch.Generator) -> None:
        """Create random candidates, as CLIPDraw; see `Renderer.init`.

        Raises:
            UsageError: they would need more memory than there is.
        """
        check_memory(population, max(self.options.strokes), self.options.width, self.canvas)
        self._set_paper(population, None)
        self._set(random_strokes(self._kind, population, self.options.strokes[0], generator))
        self.project_()

    def init_from(self, source: Image | Path, generator: torch.Generator) -> None:
        """Start on a picture's edges, or from an SVG; see `Renderer.init_from`.

        An SVG brings its own number of strokes and curves, and its paper. The first
        candidate is the SVG as it is, the others differ by noise.

        Raises:
            InputError: the SVG cannot be used.
        """
        population = self.population
        if not isinstance(source, Path):
            self._set(strokes_on_picture(self._kind, source, population, self.points.shape[1], generator))
            return
        drawing = read_svg(source)
        begin = strokes_of(drawing, self.options.shape == "closed", self.extent)
        check_memory(population, begin.width.shape[1], self.options.width, self.canvas)
        if drawing.paper is not None and not self._is_clear:
            self._set_paper(population, torch.tensor(drawing.paper))
        self._set(Beginning(*(part.expand(population, *part.shape[1:]).clone() for part in begin)))
        for child in range(1, population):
            self.mutate_(0, child, generator)

    def init_from_map(
        self, picture: Image, saliency: Float[Tensor, "1 1 h w"], generator: torch.Generator
    ) -> None:
        """Start where a map (such as a guide's saliency) is high, in the picture's colours."""
        count = self.points.shape[1]
        self._set(strokes_on_map(self._kind, picture, saliency, self.population, count, generator))

    @property
    def _kind(self) -> Kind:
        return Kind(self.options.segments, self.options.shape == "closed", self.options.width, self.extent)

    @property
    def _is_clear(self) -> bool:
        return self.transparent or bool(self.options.paper == "transparent")

    def _set_paper(self, population: int, colour: Tensor | None) -> None:
        kind = self.options.paper
        if self._is_clear:
            return
        colour = colour if colour is not None else parse_colour("white" if kind == "learned" else kind)
        self._store("paper", colour.expand(population, 3).clone(), learned=kind == "learned")

    def _set(self, begin: Beginning, level: Tensor | None = None, locked: Tensor | None = None) -> None:
        """Take over strokes as the only ones."""
        black, opaque = self.options.ink == "black", self.options.ink == "black" or self.options.opaque
        self._store("points", begin.points)
        self._store("width", begin.width, learned=self.options.shape == "open")
        self._store("colour", torch.zeros_like(begin.colour) if black else begin.colour, learned=not black)
        self._store(
            "opacity", torch.ones_like(begin.opacity) if opaque else begin.opacity, learned=not opaque
        )
        nothing = torch.zeros(begin.width.shape, dtype=torch.long, device=begin.width.device)
        self._store("level", nothing if level is None else level, learned=False)
        self._store("locked", nothing.bool() if locked is None else locked, learned=False)
        self._hold()

    def _store(self, name: str, value: Tensor, learned: bool = True) -> None:
        old = getattr(self, name, None)
        value = value.detach().to(self._device)
        if old is None and not learned:
            self.register_buffer(name, value)
        else:
            setattr(self, name, nn.Parameter(value) if learned else value)

    @property
    def _device(self) -> torch.device:
        points = getattr(self, "points", None)
        return torch.device("cpu") if points is None else points.device

    # --- rendering -----------------------------------------------------------------

    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Render every candidate; see `Renderer.forward`.

        Without gradients large pictures are painted window by window.
        """
        window = window or Window(0, 0, *size)
        paths = self.paths(size)
        if torch.is_grad_enabled() or max(window.size) <= WINDOW:
            return self._on_paper(paint(paths, window))
        canvas = paths.curves.new_empty(self.population, 4, *window.size)
        for part, view in parts_of(canvas, window, WINDOW):
            view.copy_(self._on_paper(paint(paths, part)))
        return canvas

    def paths(self, size: Size) -> Paths:
        """Return what is painted, in pixels of a picture of this size."""
        scale = self.points.new_tensor([size.width / self.extent[0], size.height / self.extent[1]])
        count = self.points.shape[2]
        index = torch.arange(count // 3, device=self.points.device)[:, None] * 3
        index = (index + torch.arange(4, device=self.points.device)) % count
        points = (self.points * scale)[:, :, index.flatten()]
        mixed = to_linear(self.shown_colour()) if self.options.blend == "linear" else self.shown_colour()
        strength = self.opacity[..., None]
        return Paths(
            points.unflatten(2, (-1, 4)),
            self.width * (scale.prod().sqrt() / 2),
            torch.cat([mixed * strength, strength], -1),
            self.options.shape == "closed",
            self.options.fill,
            self.options.taper,
        )

    def shown_colour(self) -> Float[Tensor, "population elements 3"]:
        """Return the colours as painted: with a palette, its nearest ink (straight-through)."""
        if self.given is None:
            return self.colour
        inks = self.given.colours.to(self.colour)
        free = self.colour.detach()
        nearest = inks[nearest_colours(free.flatten(0, 1), inks)].view_as(free)
        return self.colour + (nearest - free)

    def _on_paper(self, canvas: Canvas) -> Canvas:
        linear = self.options.blend == "linear"
        if self._is_clear:
            return to_srgb(canvas) if linear else canvas
        paper = to_linear(self.paper) if linear else self.paper
        colour = canvas[:, :3] + (1 - canvas[:, 3:]) * paper[:, :, None, None]
        canvas = torch.cat([colour, torch.ones_like(colour[:, :1])], 1)
        return to_srgb(canvas) if linear else canvas

    # --- optimising ----------------------------------------------------------------

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return points, width, colour, opacity and paper, as far as they are learned."""
        groups = [
            ParameterGroup("points", ["points"], learning_rate=1.5 * PIXEL, mutation=3 * PIXEL),
            ParameterGroup("width", ["width"], learning_rate=0.2 * PIXEL, mutation=0.5 * PIXEL),
            ParameterGroup("colour", ["colour"], learning_rate=0.02, mutation=0.05),
            ParameterGroup("opacity", ["opacity"], learning_rate=0.02, mutation=0.05),
            ParameterGroup("paper", ["paper"], learning_rate=0.01, mutation=0.02),
        ]
        learned = {name for name, _ in self.named_parameters()}
        return [group for group in groups if group.name in learned]

    @torch.no_grad()
    def project_(self) -> None:
        """Keep points near the canvas, the rest in its range, and locked elements as they were."""
        limit = self.points.new_tensor(self.extent) + MARGIN
        self.points.copy_(torch.minimum(self.points.clamp(min=-MARGIN), limit))
        self.width.clamp_(self.options.thinnest, self.options.widest)
        self.colour.clamp_(0, 1)
        self.opacity.clamp_(0, 1)
        if "paper" in self._parameters:
            self.paper.clamp_(0, 1)
        for name, value in self._held.items():
            tensor = getattr(self, name)
            locked = self.locked.view(*self.locked.shape, *[1] * (tensor.dim() - 2))
            tensor.copy_(torch.where(locked, value, tensor))

    def mutate_(self, parent: int, child: int, generator: torch.Generator) -> None:
        """Replace a candidate; locked elements are those of the parent."""
        for value in self._held.values():
            value[child] = value[parent]
        if not self._held and bool(self.locked[parent].any()):
            self._hold()
        super().mutate_(parent, child, generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; see `Renderer.load_state`."""
        super().load_state(state)
        self._hold()

    def _hold(self) -> None:
        """Remember how locked elements are."""
        names = ("points", "width", "colour", "opacity")
        held = bool(self.locked.any())
        self._held = {name: getattr(self, name).detach().clone() for name in names} if held else {}

    # --- elements ------------------------------------------------------------------

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of strokes, one after the other; the end of each is a picture of its own."""
        return tuple(self.options.strokes)

    def lock(self, elements: Sequence[int]) -> None:
        """Keep elements as they are from now on; see `Renderer.lock`."""
        self.locked[:, self._checked(elements)] = True
        self._hold()

    def remove(self, elements: Sequence[int]) -> ElementChange:
        """Delete elements from every candidate.

        Raises:
            UsageError: no such element, or none would be left.
        """
        gone = set(self._checked(elements))
        rest = [index for index in range(self.points.shape[1]) if index not in gone]
        if not rest:
            raise UsageError("no stroke would be left; delete fewer")
        return self._rebuild(torch.tensor(rest), None, 0)

    def _checked(self, elements: Sequence[int]) -> list[int]:
        count = self.points.shape[1]
        for element in elements:
            if not 0 <= element < count:
                raise UsageError(f"there is no stroke {element}; they are numbered 0 to {count - 1}")
        return list(elements)

    def advance(
        self, progress: float, generator: torch.Generator, feedback: Feedback | None = None
    ) -> ElementChange | None:
        """Grow to the next number of the series at equal parts of the run, pruning what is not seen."""
        level = min(int(progress * len(self.levels) + 1e-9), len(self.levels) - 1)
        count = self.points.shape[1]
        if level <= int(self.level.max()) or count >= self.levels[level]:
            return None
        with torch.no_grad():
            ink = visible_ink(self.paths(self.canvas), Window(0, 0, *self.canvas))
        keep = kept(ink, self.locked)
        added = self.levels[level] - len(keep)
        return self._rebuild(
            keep, new_strokes(self._kind, self.population, added, generator, feedback), level
        )

    def _rebuild(self, keep: Tensor, new: Beginning | None, level: int) -> ElementChange:
        """Keep elements by index, and add new ones on top."""
        keep = keep.to(self._device)
        old = {name: getattr(self, name).detach() for name in Beginning._fields}
        extra = {name: getattr(self, name)[:, keep] for name in ("level", "locked")}
        parts = {name: value[:, keep] for name, value in old.items()}
        added = 0 if new is None else new.width.shape[1]
        if new is not None:
            parts = {name: torch.cat([parts[name], getattr(new, name).to(self._device)], 1) for name in parts}
            fresh = extra["level"].new_full((self.population, added), level)
            extra = {
                "level": torch.cat([extra["level"], fresh], 1),
                "locked": torch.cat([extra["locked"], torch.zeros_like(fresh).bool()], 1),
            }
        self._set(Beginning(**parts), extra["level"], extra["locked"])
        source = torch.cat([keep.cpu(), torch.full((added,), -1)])
        learned = {name for name, _ in self.named_parameters()}
        return ElementChange({name: source for name in parts if name in learned})

    def assets_used(self) -> list[dict[str, str]]:
        """Return where the palette comes from, if one was given."""
        return [] if self.given is None else [self.given.credit()]

    # --- export --------------------------------------------------------------------

    def to_svg(self, size: Size) -> str:
        """Return the first candidate as an SVG document; see `artgen.export.svg`."""
        return write_svg(self.drawing(size))

    @torch.no_grad()
    def drawing(self, size: Size) -> Drawing:
        """Return the first candidate as a vector drawing, a layer per step of the growing series."""
        steps = [f"strokes, step {step + 1}: {count}" for step, count in enumerate(self.levels)]
        names = steps if len(steps) > 1 else ["strokes"]
        layers = [names[int(level)] for level in self.level[0].clamp(max=len(names) - 1)]
        paper = None if self._is_clear else triple(self.paper[0])
        return drawing_of(self.paths(size), self.shown_colour(), self.opacity, layers, size, paper)

    @torch.no_grad()
    def layers(self, size: Size) -> list[Layer]:
        """Return the paper and each stroke of the first candidate; see `Renderer.layers`."""
        paper = None if self._is_clear else self.paper[0]
        return layers_of(self.paths(size), size, paper, linear=self.options.blend == "linear")
