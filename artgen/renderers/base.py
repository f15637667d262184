"""The contract of a renderer, and what all renderers share."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.options import Options
from artgen.registry import Registry
from artgen.types import Canvas, Image, Size, Window


class RendererOptions(Options):
    """Base of a renderer's options; each field is a command-line option and a page control."""


MIDDLE = 0.65
"""Part of the sides that random elements begin in if the border is to stay calm; what begins there must fade."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are optimised and mutated alike.

    Args:
        name: shown in logs, and the key for `--set learning_rates.NAME=...`.
        parameters: attribute names of `nn.Parameter`s of shape [P, ...].
        learning_rate: Adam's, in the parameters' own unit.
        mutation: standard deviation of the noise evolution adds, same unit.
        shared: scale steps by the root mean square of a candidate's whole gradient instead of each entry's
            own, so that entries which nothing pulls at stay as they are.
    """

    name: str
    parameters: Sequence[str]
    learning_rate: float
    mutation: float = 0.0
    shared: bool = False


@dataclass(frozen=True)
class Feedback:
    """What the last step showed, for renderers that grow where the loss is.

    Args:
        image: [P, 3, H, W] the picture that was judged.
        gradient: [P, 3, H, W] the gradient of the loss to it.
    """

    image: Image
    gradient: Image


@dataclass(frozen=True)
class ElementChange:
    """A change of the number of elements, for carrying the optimiser's state along.

    Args:
        source: per parameter name the [N_new] index along dimension 1 of the old
            parameter that each new element continues, -1 for one that starts afresh.
    """

    source: Mapping[str, Tensor]


@dataclass(frozen=True)
class Layer:
    """One element of a layered picture.

    Args:
        name: for a person ("patch 3: rabbit").
        image: [4, h, w] premultiplied RGBA, cropped to what it covers.
        top: row of its upper edge in the whole picture.
        left: column of its left edge in the whole picture.
        metadata: JSON values (source, licence, transform).
    """

    name: str
    image: Tensor
    top: int
    left: int
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Renderer(nn.Module, abc.ABC):
    """Parameters of P candidates, and the pictures they make.

    Every persistent tensor (parameters, and buffers for discrete choices) has the
    population as its first dimension, so that `state`, `candidate` and evolution
    work on names and rows alone. Constraints live in `project_`, never in `forward`.

    What a renderer prefers where the run says nothing stands here too: its `Options`,
    `default_losses`, `default_population` and `default_canvas`. The engine asks for them
    when it sets a run up (`artgen.runs.setup`), so that no other file names a renderer.

    Args:
        options: an instance of the class's own `Options`.
        canvas: size of the picture that is optimised; gives the aspect ratio and the
            unit for lengths in pixels. `forward` still takes any size.
    """

    Options: ClassVar[type[RendererOptions]] = RendererOptions
    surrogate_gradients: bool = False
    """True if a declared surrogate (straight-through) replaces the true gradient."""
    default_losses: ClassVar[Mapping[str, float]] = {}
    """Losses that pictures from words are made with unless the run sets their weights."""
    default_population: ClassVar[int] = 1
    """Candidates that are optimised side by side unless the run says how many; evolution needs two."""
    elastic: ClassVar[frozenset[str]] = frozenset()
    """Persistent tensors whose dimension 2 a start may set too, such as the curves of an SVG's strokes."""
    transparent: bool = False
    """True if parts of the picture should stay clear; set before `init`."""
    plain_border: bool = False
    """True if the loss `border` keeps the ground near the border plain; set before `init`."""
    background: str | None = "white"
    """Colour behind the picture, None if there is a picture; set before `init`."""

    def __init__(self, options: RendererOptions, canvas: Size) -> None:
        super().__init__()
        self.options: Any = options
        self.canvas = canvas

    @classmethod
    def default_canvas(cls, options: Any, aspect: float, side: int) -> Size:
        """Return the canvas to optimise on when none is given.

        Args:
            options: an instance of the class's own `Options`.
            aspect: width divided by height.
            side: wished length of the longer side in pixels.
        """
        if aspect >= 1:
            return Size(max(1, round(side / aspect)), side)
        return Size(side, max(1, round(side * aspect)))

    @abc.abstractmethod
    def init(self, population: int, generator: torch.Generator) -> None:
        """Create the parameters of `population` random candidates."""

    @abc.abstractmethod
    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Render every candidate.

        Args:
            size: size of the whole picture in pixels, any.
            window: the part to render; the whole picture if None. Rendering by
                windows gives the same pixels as rendering at once.

        Returns:
            [P, 4, H, W] premultiplied RGBA in [0, 1] (H, W of the window if given).
        """

    @abc.abstractmethod
    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the groups with their own learning rates; each parameter in one."""

    @torch.no_grad()
    def project_(self) -> None:
        """Bring the parameters back to where they are valid; called after each step. Idempotent."""

    def init_from(self, source: Image | Path, generator: torch.Generator) -> None:
        """Start from a picture ([1, 3, H, W] in [0, 1]) or an SVG file.

        Called after `init`. Candidates may differ by noise from `generator`.

        Raises:
            UsageError: this renderer cannot start from such a source.
        """
        kind = "an SVG" if isinstance(source, Path) else "a picture"
        raise UsageError(
            f"this renderer cannot start from {kind}; leave out --init or choose another renderer"
        )

    def init_from_map(self, picture: Image, saliency: Tensor, generator: torch.Generator) -> None:
        """Start where a map ([1, 1, H, W] in [0, 1]) is high, in the picture's colours; after `init`.

        Raises:
            UsageError: this renderer's elements have no places to choose.
        """
        raise UsageError("this renderer cannot start on a map; use --renderer strokes")

    def lock(self, elements: Sequence[int]) -> None:
        """Keep the elements with these indices as they are from now on.

        Raises:
            UsageError: this renderer has no elements to lock, or not that many.
        """
        raise UsageError("this renderer has no elements to lock; try strokes or collage")

    def remove(self, elements: Sequence[int]) -> ElementChange:
        """Delete the elements with these indices from every candidate.

        Returns:
            How the rest maps to the old elements.

        Raises:
            UsageError: this renderer's elements cannot be deleted, or there are not that many.
        """
        raise UsageError("this renderer's elements cannot be deleted; try strokes or collage")

    def advance(
        self, progress: float, generator: torch.Generator, feedback: Feedback | None = None
    ) -> ElementChange | None:
        """Follow the schedule (coarse to fine, growing, pruning); called before each step.

        Args:
            progress: part of the run that is done, in [0, 1].
            generator: source of any randomness.
            feedback: what the last step showed, None before the first.

        Returns:
            How elements map to old ones if their number changed, else None.
        """
        return None

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of elements this run goes through; the end of each is a picture of its own."""
        return ()

    def frozen_options(self) -> dict[str, Any]:
        """Return the options to change so that the elements there are now are neither added to nor pruned."""
        return {}

    def mutate_(self, parent: int, child: int, generator: torch.Generator) -> None:
        """Replace candidate `child` by a mutated copy of candidate `parent`.

        The default copies every persistent tensor's row and adds each group's noise;
        renderers with discrete choices extend it.
        """
        with torch.no_grad():
            for tensor in self.state().values():
                tensor[child].copy_(tensor[parent])
            for group in self.parameter_groups():
                for name in group.parameters:
                    row = self.get_parameter(name)[child]
                    noise = torch.randn(
                        row.shape, generator=generator, dtype=row.dtype, device=generator.device
                    )
                    row.add_(noise.to(row.device), alpha=group.mutation)
        self.project_()

    def state(self) -> dict[str, Tensor]:
        """Return every persistent tensor by name (no copies): parameters and discrete choices."""
        return dict(self.state_dict())

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state from `state`, of any population and number of elements.

        Raises:
            UsageError: names do not match this renderer's.
        """
        if set(state) != set(self.state()):
            wrong = ", ".join(sorted(set(state) ^ set(self.state())))
            raise UsageError(f"the saved state is of another renderer or other options (differs in: {wrong})")
        for name, tensor in state.items():
            old = getattr(self, name)
            value = tensor.detach().to(old.device, copy=True)
            setattr(
                self, name, nn.Parameter(value, old.requires_grad) if isinstance(old, nn.Parameter) else value
            )

    @property
    def population(self) -> int:
        """Number of candidates."""
        return next(iter(self.state().values())).shape[0]

    def candidate(self, index: int) -> Renderer:
        """Return a renderer of its own that holds only candidate `index`."""
        single = copy.deepcopy(self)
        single.load_state({name: tensor[index : index + 1] for name, tensor in self.state().items()})
        return single

    def to_svg(self, size: Size) -> str | None:
        """Return the first candidate as an SVG document, or None without a vector form."""
        return None

    def layers(self, size: Size) -> list[Layer] | None:
        """Return the first candidate's layers from bottom to top, or None without layers."""
        return None

    def assets_used(self) -> list[dict[str, str]]:
        """Return name, set, source, licence and author of every asset in the first candidate's picture."""
        return []


renderers: Registry[type[Renderer]] = Registry("renderer", "artgen.renderers")
"""All renderers; a class decorated with `@renderers.register("name")` joins them."""
