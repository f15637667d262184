"""The strokes there are: their parameters, which of them stay, and how their number changes."""

from __future__ import annotations

import abc
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.renderers.base import ON_WHITE, ElementChange, ParameterGroup, Surroundings
from artgen.renderers.elements import ElementRenderer
from artgen.renderers.strokes.options import StrokesOptions
from artgen.renderers.strokes.start import Beginning
from artgen.types import Size

MARGIN = 0.25
"""How far control points may leave the canvas, in its shorter side."""
PIXEL = 1 / 224
"""Unit of the learning rates: a pixel of the picture most guides are shown."""


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
        paper: [P, 3] colour of the ground, unless it is transparent.
        locked: [P, N] elements that stay as they are.
        level: [P, N] step of the growing series in which an element joined.
    """

    element = "stroke"
    per_candidate = frozenset({"paper"})
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
        self, begin: Beginning, level: Tensor | None = None, locked: Tensor | None = None
    ) -> None:
        """Take over strokes as the only ones; of the first level and not locked unless said otherwise."""
        black, opaque = self.options.ink == "black", self.options.ink == "black" or self.options.opaque
        self.store("points", begin.points)
        self.store("width", begin.width, learned=self.options.shape == "open")
        self.store("colour", torch.zeros_like(begin.colour) if black else begin.colour, learned=not black)
        self.store("opacity", torch.ones_like(begin.opacity) if opaque else begin.opacity, learned=not opaque)
        nothing = torch.zeros(begin.width.shape, dtype=torch.long, device=begin.width.device)
        self.store("level", nothing if level is None else level, learned=False)
        self.store("locked", nothing.bool() if locked is None else locked, learned=False)
        self.remember_locked()

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
        """Where the strokes are, the CPU before there are any."""
        points = getattr(self, "points", None)
        return torch.device("cpu") if points is None else points.device

    # --- optimising ----------------------------------------------------------------

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return points, width, colour, opacity and paper, as far as they are learned."""
        groups = [
            ParameterGroup("points", ["points"], learning_rate=3 * PIXEL, mutation=3 * PIXEL),
            ParameterGroup("width", ["width"], learning_rate=0.4 * PIXEL, mutation=0.5 * PIXEL),
            ParameterGroup("colour", ["colour"], learning_rate=0.04, mutation=0.05),
            ParameterGroup("opacity", ["opacity"], learning_rate=0.04, mutation=0.05),
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
        self.restore_locked_()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; see `Renderer.load_state`.

        Raises:
            UsageError: it is of another renderer, or its points make no curves.
        """
        points = state.get("points")
        count = points.shape[2] if points is not None else 3 + (self.options.shape == "open")
        if count < 3 or count % 3 != (self.options.shape == "open"):
            raise UsageError(f"the saved state's {count} points make no {self.options.shape} curves")
        super().load_state(state)

    # --- elements ------------------------------------------------------------------

    def frozen_options(self) -> dict[str, str]:
        """Return the number of strokes there are, so that the series grows no further."""
        return {"strokes": str(self.points.shape[1])}

    def rebuild(self, keep: Tensor, new: Beginning | None, level: int) -> ElementChange:
        """Keep elements by index, and add new ones on top."""
        here = keep.to(self.device)
        old = Beginning(*(getattr(self, name).detach()[:, here] for name in Beginning._fields))
        levels, locked, added = self.level[:, here], self.locked[:, here], 0
        if new is not None:
            added = new.width.shape[1]
            old = Beginning(*(torch.cat([a, b.to(a)], 1) for a, b in zip(old, new, strict=True)))
            fresh = levels.new_full((self.population, added), level)
            levels = torch.cat([levels, fresh], 1)
            locked = torch.cat([locked, torch.zeros_like(fresh).bool()], 1)
        self.set_strokes(old, levels, locked)
        source = torch.cat([keep.cpu(), torch.full((added,), -1)])
        learned = {name for name, _ in self.named_parameters()}
        return ElementChange({name: source for name in Beginning._fields if name in learned})
