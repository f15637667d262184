"""The contract of a renderer, and what all renderers share."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.options import Options
from artgen.registry import Registry
from artgen.renderers.editing import Editable
from artgen.renderers.editing import ElementChange as ElementChange
from artgen.types import Canvas, Image, Size, Window

CENTRAL_FRACTION = 0.65
"""Fraction of the canvas's sides, around its centre, where random elements start if the border should stay plain.

Anything that started in the border would have to fade out.
"""


class RendererOptions(Options):
    """Base class of a renderer's options; each field is a command-line option and a control on the web page."""

    @property
    def starts_on_saliency(self) -> bool:
        """Whether the elements start where a guide looks in the initial picture (`init_from_map`)."""
        return False


OptionsType = TypeVar("OptionsType", bound=RendererOptions)


@dataclass(frozen=True)
class Surroundings:
    """What lies around and behind the elements; a renderer starts its candidates to suit it.

    Args:
        transparent: whether parts of the picture should stay clear.
        plain_border: whether the loss `border` keeps the background near the border plain.
        background: name of the colour behind the picture, None if a picture lies behind it.
    """

    transparent: bool = False
    plain_border: bool = False
    background: str | None = "white"


ON_WHITE = Surroundings()
"""An opaque picture on a white background, with no wish for a plain border."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with the same learning rate and the same mutation strength.

    Args:
        name: shown in logs, and the key for `--set learning_rates.NAME=...`.
        parameters: attribute names of `nn.Parameter`s of shape [P, ...].
        learning_rate: of Adam, in the parameters' own unit.
        mutation: standard deviation of the noise that evolution adds, in the same unit.
        shared: scale steps by the root mean square of a candidate's whole gradient instead of each entry's
            own, so that entries with almost no gradient stay as they are.
    """

    name: str
    parameters: Sequence[str]
    learning_rate: float
    mutation: float = 0.0
    shared: bool = False


@dataclass(frozen=True)
class Feedback:
    """The picture and its gradient in the last step, for renderers that grow where the loss is high.

    Args:
        image: [P, 3, H, W] the picture that was judged.
        gradient: [P, 3, H, W] gradient of the loss with respect to it.
    """

    image: Image
    gradient: Image


@dataclass(frozen=True)
class Layer:
    """One element of a layered picture.

    Args:
        name: shown to people ("patch 3: rabbit").
        image: [4, h, w] premultiplied RGBA, cropped to the element.
        top: row of its upper edge in the whole picture.
        left: column of its left edge in the whole picture.
        metadata: JSON values (source, licence, transform).
    """

    name: str
    image: Tensor
    top: int
    left: int
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Renderer(Editable, nn.Module, abc.ABC, Generic[OptionsType]):
    """Parameters of P candidates, and how they become pictures.

    The first dimension of every persistent tensor (parameters, and buffers for discrete
    choices) is the population. `state`, `candidate` and evolution therefore need only
    names and rows. Constraints are applied in `project_`, never in `forward`.

    A renderer also states its own defaults: its `Options`, `default_losses`,
    `default_population` and `default_canvas`. `artgen.runs.defaults` asks for them, so no
    other file has to name a renderer.

    Args:
        options: an instance of the class's own `Options`.
        canvas: size of the picture that is optimised; gives the aspect ratio and the
            unit for lengths in pixels. `forward` still takes any size.
        surroundings: what lies around and behind the elements.
    """

    Options: ClassVar[type[RendererOptions]] = RendererOptions
    surrogate_gradients: bool = False
    """True if a declared surrogate (straight-through) replaces the true gradient."""
    default_losses: ClassVar[Mapping[str, float]] = {}
    """Losses, with their weights, of a run with prompts that does not set them."""
    default_population: ClassVar[int] = 1
    """Number of candidates of a run that does not set it; evolution needs two."""
    elastic: ClassVar[frozenset[str]] = frozenset()
    """Persistent tensors whose dimension 2 may change with the start, such as the curves of an SVG's strokes."""

    def __init__(self, options: OptionsType, canvas: Size, surroundings: Surroundings = ON_WHITE) -> None:
        super().__init__()
        self.options: OptionsType = options
        self.canvas = canvas
        self.surroundings = surroundings

    @property
    def transparent(self) -> bool:
        """Whether parts of the picture should stay clear."""
        return self.surroundings.transparent

    @property
    def plain_border(self) -> bool:
        """Whether the loss `border` keeps the background near the border plain."""
        return self.surroundings.plain_border

    @property
    def background(self) -> str | None:
        """Name of the colour behind the picture, None if a picture lies behind it."""
        return self.surroundings.background

    @classmethod
    def default_canvas(cls, options: OptionsType, aspect: float, side: int) -> Size:
        """Return the size of the canvas when none is given.

        Args:
            options: an instance of the class's own `Options`.
            aspect: width divided by height.
            side: preferred length of the longer side in pixels.
        """
        if aspect >= 1:
            return Size(max(1, round(side / aspect)), side)
        return Size(side, max(1, round(side * aspect)))

    # --- what every renderer does --------------------------------------------------

    @abc.abstractmethod
    def init(self, population: int, generator: torch.Generator) -> None:
        """Create the parameters of `population` random candidates."""

    @abc.abstractmethod
    def forward(self, size: Size, window: Window | None = None) -> Canvas:
        """Render every candidate.

        Args:
            size: size of the whole picture in pixels, any.
            window: the part to render; the whole picture if None. Rendering in
                windows gives the same pixels as rendering at once.

        Returns:
            [P, 4, H, W] premultiplied RGBA in [0, 1] (H, W of the window if given).
        """

    @abc.abstractmethod
    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the groups with their own learning rates; each parameter is in one group."""

    # --- what some renderers do ----------------------------------------------------

    @torch.no_grad()
    def project_(self) -> None:
        """Bring the parameters back into their valid ranges; called after each step. Idempotent."""

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
        """Start where a map ([1, 1, H, W] in [0, 1]) is high, in the picture's colours; called after `init`.

        Raises:
            UsageError: this renderer's elements cannot be placed.
        """
        raise UsageError("this renderer cannot start on a map; use --renderer strokes")

    def advance(
        self, progress: float, generator: torch.Generator, feedback: Feedback | None = None
    ) -> ElementChange | None:
        """Follow the schedule (coarse to fine, growing, pruning); called before each step.

        Args:
            progress: fraction of the run that is done, in [0, 1].
            generator: source of any randomness.
            feedback: picture and gradient of the last step, None before the first.

        Returns:
            How elements map to the old ones if their number changed, else None.
        """
        return None

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of elements at each level of a growing run; a picture is saved at the end of each level."""
        return ()

    def frozen_options(self) -> dict[str, Any]:
        """Return the options to change so that a new run neither adds nor prunes elements."""
        return {}

    def to_svg(self, size: Size) -> str | None:
        """Return the first candidate as an SVG document, or None if it has no vector form."""
        return None

    def layers(self, size: Size) -> list[Layer] | None:
        """Return the first candidate's layers from bottom to top, or None if it has no layers."""
        return None

    def assets_used(self) -> list[dict[str, str]]:
        """Return name, set, source, licence and author of every asset in the first candidate's picture."""
        return []

    # --- candidates and their state ------------------------------------------------

    def mutate_(self, parent: int, child: int, generator: torch.Generator) -> None:
        """Replace candidate `child` by a mutated copy of candidate `parent`.

        The default copies every persistent tensor's row and adds each group's noise.
        Renderers with discrete choices extend it.
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

    def upgraded(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return a state of this renderer, with what it lacks because an earlier version saved it."""
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state from `state`, with any population and any number of elements.

        Raises:
            UsageError: names do not match this renderer's.
        """
        state = self.upgraded(state)
        mismatch = set(state) ^ set(self.state())
        if mismatch:
            raise UsageError(
                "this checkpoint comes from a different renderer or different options "
                f"(mismatch: {', '.join(sorted(mismatch))}); use the options of its run"
            )

        for name, tensor in state.items():
            old = getattr(self, name)
            value = tensor.detach().to(old.device, copy=True)
            if isinstance(old, nn.Parameter):
                value = nn.Parameter(value, old.requires_grad)
            setattr(self, name, value)

    @property
    def population(self) -> int:
        """Number of candidates."""
        return next(iter(self.state().values())).shape[0]

    def candidate(self, index: int) -> Renderer[OptionsType]:
        """Return an independent renderer with only candidate `index`."""
        single = copy.deepcopy(self)
        single.load_state({name: tensor[index : index + 1] for name, tensor in self.state().items()})
        return single


renderers: Registry[type[Renderer]] = Registry("renderer", "artgen.renderers")
"""All renderers; decorate a class with `@renderers.register("name")` to add it."""
