"""The strokes there are: their parameters, which of them stay, and how their number changes."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.renderers.base import ON_WHITE, ElementChange, ParameterGroup, Renderer, Surroundings
from artgen.renderers.strokes.options import StrokesOptions
from artgen.renderers.strokes.start import Beginning
from artgen.types import Size

MARGIN = 0.25
"""How far control points may leave the canvas, in its shorter side."""
PIXEL = 1 / 224
"""Unit of the learning rates: a pixel of the picture most guides are shown."""


class StrokeSet(Renderer[StrokesOptions], abc.ABC):
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

    elastic = frozenset({"points"})
    points: nn.Parameter
    width: nn.Parameter
    colour: Tensor
    opacity: Tensor
    paper: Tensor
    locked: Tensor
    level: Tensor

    def __init__(self, options: StrokesOptions, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__(options, canvas, surroundings)
        self.extent = canvas.width / min(canvas), canvas.height / min(canvas)
        self._held: dict[str, Tensor] = {}

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
        self._hold()

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
        """Take over a state; see `Renderer.load_state`.

        Raises:
            UsageError: it is of another renderer, or its points make no curves.
        """
        points = state.get("points")
        count = points.shape[2] if points is not None else 3 + (self.options.shape == "open")
        if count < 3 or count % 3 != (self.options.shape == "open"):
            raise UsageError(f"the saved state's {count} points make no {self.options.shape} curves")
        super().load_state(state)
        self._hold()

    def _hold(self) -> None:
        """Remember how locked elements are."""
        names = ("points", "width", "colour", "opacity")
        held = bool(self.locked.any())
        self._held = {name: getattr(self, name).detach().clone() for name in names} if held else {}

    # --- elements ------------------------------------------------------------------

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
        return self.rebuild(torch.tensor(rest), None, 0)

    def _checked(self, elements: Sequence[int]) -> list[int]:
        count = self.points.shape[1]
        for element in elements:
            if not 0 <= element < count:
                raise UsageError(f"there is no stroke {element}; they are numbered 0 to {count - 1}")
        return list(elements)

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
