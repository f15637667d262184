"""The strokes of each candidate: their parameters, and how their number changes."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from artgen.devices import tensor_on
from artgen.errors import UsageError
from artgen.renderers.base import ON_WHITE, ElementChange, ParameterGroup, Surroundings
from artgen.renderers.elements import NUDGE, ElementRenderer
from artgen.renderers.strokes.options import StrokesOptions
from artgen.renderers.strokes.start import InitialStrokes
from artgen.types import Size

POINT_MARGIN = 0.25
"""How far control points may leave the canvas, in its shorter side."""
GUIDE_PIXEL = 1 / 224
"""Unit of the learning rates: a pixel of the picture that most guides encode."""


class StrokeSet(ElementRenderer[StrokesOptions], abc.ABC):
    """N strokes of each candidate, in order of painting.

    Lengths are in the canvas's shorter side, so the same parameters give the same
    picture at any size.

    Attributes:
        extent: width and height of the canvas in that unit.
        points: [P, N, 3 S + 1 (open) or 3 S (closed), 2] control points, x and y.
        width: [P, N] of open strokes.
        colour: [P, N, 3] sRGB in [0, 1].
        opacity: [P, N] in [0, 1].
        paper: [P, 3] colour of the paper, unless it is transparent.
        locked: [P, N] elements that stay as they are.
        level: [P, N] step of the growing series in which an element joined.
    """

    element = "stroke"
    per_candidate = ElementRenderer.per_candidate | {"paper"}
    elastic = frozenset({"points"})
    points: nn.Parameter
    width: nn.Parameter
    colour: Tensor
    opacity: Tensor
    paper: Tensor
    level: Tensor

    def __init__(self, options: StrokesOptions, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__(options, canvas, surroundings)
        self.extent = canvas.width / min(canvas), canvas.height / min(canvas)

    def set_strokes(
        self,
        begin: InitialStrokes,
        level: Tensor | None = None,
        locked: Tensor | None = None,
        numbers: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Replace all strokes.

        Args:
            begin: the new strokes.
            level: [P, N] step of the growing series in which they joined, the first if None.
            locked: [P, N] whether they stay as they are, none if None.
            numbers: [P, N] their ids and [P] the next id; they are numbered from 0 if None.
        """
        inked = self._inked(begin)
        self.store("points", begin.points)
        self.store("width", begin.width, learned=self.options.shape == "open")
        self.store("colour", inked.colour, learned=not self._is_black)
        self.store("opacity", inked.opacity, learned=not self._is_opaque)

        zeros = torch.zeros(begin.width.shape, dtype=torch.long, device=begin.width.device)  # [P, N]
        self.store("level", zeros if level is None else level, learned=False)
        self.store("locked", zeros.bool() if locked is None else locked, learned=False)
        self.number_elements(*(numbers or (None, None)))
        self.remember_locked()

    @property
    def _is_black(self) -> bool:
        return self.options.ink == "black"

    @property
    def _is_opaque(self) -> bool:
        return self._is_black or self.options.opaque

    def _inked(self, strokes: InitialStrokes) -> InitialStrokes:
        """Return strokes in the colours and opacities that the options allow."""
        if self._is_black:
            strokes = strokes._replace(colour=torch.zeros_like(strokes.colour))
        if self._is_opaque:
            strokes = strokes._replace(opacity=torch.ones_like(strokes.opacity))
        return strokes

    def store(self, name: str, value: Tensor, learned: bool = True) -> None:
        """Keep a tensor under its name, as a parameter if it is learned, else as a buffer."""
        old = getattr(self, name, None)
        value = value.detach().to(self.device)
        if old is None and not learned:
            self.register_buffer(name, value)
        else:
            setattr(self, name, nn.Parameter(value) if learned else value)

    @property
    def device(self) -> torch.device:
        """Device of the strokes; the CPU before there are any."""
        points = getattr(self, "points", None)
        return torch.device("cpu") if points is None else points.device

    # --- optimising ----------------------------------------------------------------

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the learned ones of points, width, colour, opacity and paper."""
        groups = [
            ParameterGroup("points", ["points"], learning_rate=3 * GUIDE_PIXEL, mutation=3 * GUIDE_PIXEL),
            ParameterGroup("width", ["width"], learning_rate=0.4 * GUIDE_PIXEL, mutation=0.5 * GUIDE_PIXEL),
            ParameterGroup("colour", ["colour"], learning_rate=0.04, mutation=0.05),
            ParameterGroup("opacity", ["opacity"], learning_rate=0.04, mutation=0.05),
            ParameterGroup("paper", ["paper"], learning_rate=0.01, mutation=0.02),
        ]
        learned = {name for name, _ in self.named_parameters()}
        return [group for group in groups if group.name in learned]

    @torch.no_grad()
    def project_(self) -> None:
        """Keep points near the canvas, the rest in its range, and locked strokes as they were."""
        limit = tensor_on(self.extent, self.points.device, self.points.dtype) + POINT_MARGIN  # [2]
        self.points.copy_(torch.minimum(self.points.clamp(min=-POINT_MARGIN), limit))
        self.width.clamp_(self.options.thinnest, self.options.widest)
        self.colour.clamp_(0, 1)
        self.opacity.clamp_(0, 1)
        if "paper" in self._parameters:
            self.paper.clamp_(0, 1)
        self.restore_locked_()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; see `Renderer.load_state`.

        Raises:
            UsageError: it comes from a different renderer, or its points do not form curves.
        """
        spare = 1 if self.options.shape == "open" else 0
        points = state.get("points")
        count = points.shape[2] if points is not None else 3 + spare
        if count < 3 or count % 3 != spare:
            raise UsageError(
                f"this checkpoint has {count} points per stroke, which do not form {self.options.shape} "
                f"curves; use the --shape of its run"
            )
        super().load_state(state)

    # --- elements ------------------------------------------------------------------

    def frozen_options(self) -> dict[str, str]:
        """Return the present number of strokes, so that the series grows no further."""
        return {"strokes": str(self.points.shape[1])}

    def rebuild(self, keep: Tensor, new: InitialStrokes, level: int) -> ElementChange:
        """Keep strokes by index, and add new ones on top.

        Args:
            keep: [M] indices of the strokes to keep.
            new: [P, N, ...] strokes to add.
            level: step of the growing series that they belong to.
        """
        index = keep.to(self.device)
        added = new.width.shape[1]
        joined = {}
        for name, value in new._asdict().items():
            old = getattr(self, name).detach()[:, index]  # [P, M, ...]
            joined[name] = torch.cat([old, value.to(old)], 1)  # [P, M + N, ...]

        old_levels = self.level[:, index]  # [P, M]
        new_levels = old_levels.new_full((self.population, added), level)  # [P, N]
        levels = torch.cat([old_levels, new_levels], 1)
        locked = torch.cat([self.locked[:, index], torch.zeros_like(new_levels).bool()], 1)
        new_ids = self.next_id[:, None] + torch.arange(added, device=self.device)  # [P, N]
        ids = torch.cat([self.ids[:, index], new_ids], 1)
        self.set_strokes(InitialStrokes(**joined), levels, locked, (ids, self.next_id + added))

        source = torch.cat([keep.cpu(), torch.full((added,), -1)])  # [M + N]
        learned = {name for name, _ in self.named_parameters()}
        return ElementChange({name: source for name in joined if name in learned})

    def recolour(self, elements: Sequence[int], colour: Tensor, candidate: int | None = None) -> None:
        """Give strokes a colour; see `Editable.recolour`.

        Raises:
            UsageError: there is no such stroke, or the ink is black.
        """
        if self._is_black:
            raise UsageError("strokes of black ink cannot be recoloured; paint with --ink colour")
        chosen = self._chosen(elements, candidate)
        with torch.no_grad():
            self.colour[chosen] = colour.to(self.colour)
        self.remember_locked()

    @torch.no_grad()
    def _make_invisible(self, chosen: Tensor) -> None:
        self.opacity[chosen] = 0

    @torch.no_grad()
    def _nudge(self, chosen: Tensor) -> None:
        self.points[chosen] += NUDGE
