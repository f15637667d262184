"""The contract of a loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor

from artgen.option_fields import OptionField
from artgen.registry import Decorated, Registry
from artgen.types import Image, PerCandidate

if TYPE_CHECKING:
    from artgen.guides.base import Guide
    from artgen.renderers.base import Renderer


WEIGHT_STEP = 0.001
"""Slider step of a loss's weight: a quarter of the smallest weight that a renderer sets by default."""


@dataclass(frozen=True)
class LossContext:
    """What a loss may look at besides the picture.

    Args:
        renderer: the renderer that made the picture.
        guides: the guides that vote, in order.
        pictures: reference pictures by role ("target", "style", "sketch"), each [1, 3, h, w] in [0, 1].
        palette: [N, 3] the palette's colours, None without a palette.
        background: what is behind the picture, [3, 1, 1] or of the canvas's size; white if None.
        cache: values that losses keep between steps, such as the features of a reference picture.
    """

    renderer: Renderer
    guides: Sequence[Guide]
    pictures: Mapping[str, Image] = field(default_factory=dict)
    palette: Tensor | None = None
    background: Tensor | None = None
    cache: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)


@runtime_checkable
class Loss(Protocol):
    """A differentiable figure of a picture: `(image [P, 3, H, W], context) -> [P]`.

    Unweighted, one figure per candidate, independent of the other candidates, and nearly
    independent of the picture's size. The objective applies the weights.
    """

    def __call__(self, image: Image, context: LossContext) -> PerCandidate:
        """Return the figure of each candidate; smaller is better."""
        ...


@dataclass(frozen=True)
class LossTraits:
    """What a run must prepare for a loss.

    Args:
        needs_guide: the loss looks at `context.guides`, so a run loads them even without a prompt.
        needs_sketch: the loss looks at `context.pictures["sketch"]`, so a run paints a sketch first.
    """

    needs_guide: bool = False
    needs_sketch: bool = False


class LossRegistry(Registry[Loss]):
    """The losses by name, each with its traits.

    Example:
        >>> own = LossRegistry("loss", "artgen.losses")
        >>> @own.register("darkness", needs_guide=True)
        ... def darkness(image: Image, context: LossContext) -> PerCandidate:
        ...     return image.mean(dim=(1, 2, 3))
        >>> own.traits("darkness")
        LossTraits(needs_guide=True, needs_sketch=False)
    """

    def __init__(self, kind: str, package: str) -> None:
        super().__init__(kind, package)
        self._traits: dict[str, LossTraits] = {}

    def register(
        self, name: str, *, needs_guide: bool = False, needs_sketch: bool = False
    ) -> Callable[[Decorated], Decorated]:
        """Return a decorator that adds a loss to the registry.

        Args:
            name: what users write in `--loss NAME=WEIGHT`.
            needs_guide: see `LossTraits`.
            needs_sketch: see `LossTraits`.
        """
        add = super().register(name)

        def add_with_traits(loss: Decorated) -> Decorated:
            """Add the loss, note its traits, and return it unchanged."""
            add(loss)
            self._traits[name] = LossTraits(needs_guide, needs_sketch)
            return loss

        return add_with_traits

    def traits(self, name: str) -> LossTraits:
        """Return what a run must prepare for a loss.

        Raises:
            UsageError: there is no loss of this name; the message suggests the nearest.
        """
        self.get(name)
        return self._traits[name]

    def weight_field(self, name: str, default: float = 0.0) -> OptionField:
        """Return the weight of a loss as an option; the first line of the loss's docstring is its help.

        Args:
            name: of the loss.
            default: its weight if it is not given; see `Renderer.default_losses`.

        Raises:
            UsageError: there is no loss of this name; the message suggests the nearest.
        """
        documented = inspect.getdoc(self.get(name)) or ""
        first_line = documented.partition("\n")[0]
        return OptionField(
            name=name,
            kind="float",
            step=WEIGHT_STEP,
            default=default,
            help=first_line.removeprefix("Return ").rstrip("."),
            advanced=True,
        )


losses = LossRegistry("loss", "artgen.losses")
"""All losses; decorating a function with `@losses.register("name")` adds it."""
