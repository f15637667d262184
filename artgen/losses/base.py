"""The contract of a loss."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor

from artgen.registry import Registry
from artgen.types import Image, PerCandidate

if TYPE_CHECKING:
    from artgen.guides.base import Guide
    from artgen.renderers.base import Renderer


@dataclass(frozen=True)
class LossContext:
    """What a loss may look at besides the picture.

    Args:
        renderer: the renderer whose picture it is.
        guides: the guides that vote, in order.
        pictures: reference pictures by role ("target", "style", "sketch"), each [1, 3, h, w] in [0, 1].
        palette: [N, 3] colours that were asked for, or None.
        background: what is behind the picture, [3, 1, 1] or of the canvas's size; white if None.
        cache: what losses keep between steps, such as the features of a reference picture.
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

    Unweighted, one figure per candidate, independent of the other candidates, and
    nearly independent of the picture's size. Weights are applied by the objective. A loss
    that looks at the guides says so with the attribute `needs_guide = True`, so that a run
    without prompts does not load them in vain; one that needs a sketch says `needs_sketch = True`.
    """

    def __call__(self, image: Image, context: LossContext) -> PerCandidate:
        """Return the figure of each candidate; smaller is better."""
        ...


def looks_at_guides(loss: Loss) -> Loss:
    """Mark a loss as one that looks at the guides, so that a run loads them."""
    vars(loss)["needs_guide"] = True
    return loss


def follows_a_sketch(loss: Loss) -> Loss:
    """Mark a loss as one that looks at a sketch, so that a run paints one first."""
    vars(loss)["needs_sketch"] = True
    return loss


losses: Registry[Loss] = Registry("loss", "artgen.losses")
"""All losses; a function decorated with `@losses.register("name")` joins them."""
