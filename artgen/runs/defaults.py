"""Every default of a run, filled in at one place.

`resolve` reads a configuration once. What comes after it reads values and asks for no default again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from artgen.config import CutoutOptions, RunConfig, options_from
from artgen.config.guide_spec import GuideSpec, parse_guide
from artgen.devices import repeat_products
from artgen.errors import UsageError
from artgen.export.saved_run import EXPORT_SIDE
from artgen.guides.base import Guide, Variation
from artgen.guides.cutouts import varied
from artgen.guides.pool import GuidePool
from artgen.losses.base import losses
from artgen.prompts import Term
from artgen.renderers.background import is_picture
from artgen.renderers.base import Renderer, RendererOptions, Surroundings, renderers
from artgen.runs.device import pick_device
from artgen.runs.sizes import default_canvas
from artgen.types import WHOLE, Region, Size

TARGET_WEIGHT = 1.0
"""Weight of the loss `target` when there are no prompts."""
TARGET_WEIGHT_BESIDE_WORDS = 10.0
"""Weight of the loss `target` beside prompts, which would outweigh it otherwise."""
STYLE_WEIGHT = 0.5
"""Weight of the loss `style` when a style picture is given."""
SEAM_WEIGHT = 5.0
"""Weight of the loss `seam` with `--wrap`; guides alone do not mind a visible seam."""
PALETTE_WEIGHT = 20.0
"""Weight of the loss `palette` when the renderer has no palette of its own."""
UNMIRRORED = Variation(smallest=0.0, perspective=0.9, flip=0.0, noise=1.0)
"""Limits only `flip`: a mirrored cutout would turn left into right."""


@dataclass(frozen=True)
class Voter:
    """A guide and the weight of its vote."""

    guide: Guide
    weight: float


@dataclass(frozen=True)
class ResolvedConfig:
    """A configuration with nothing left open.

    Args:
        config: as it is recorded with the run.
        terms: parsed prompts.
        regions: regions that cutouts are taken from.
        options: the renderer's own options, the palette of the run among them.
        population: number of candidates.
        canvas: size that is optimised.
        size: size of the exported picture.
        device: where the work is done.
        voters: the loaded guides; none if nothing needs them.
        cutouts: how cutouts vary.
        weights: weight of each loss that counts.
        wants_sketch: whether a loss compares the picture with a sketch, which is painted first.
        starts_on_saliency: whether the elements start where a guide looks in the initial picture.
    """

    config: RunConfig
    terms: Sequence[Term]
    regions: Sequence[Region]
    options: RendererOptions
    population: int
    canvas: Size
    size: Size
    device: torch.device
    voters: Sequence[Voter]
    cutouts: CutoutOptions
    weights: Mapping[str, float]
    wants_sketch: bool
    starts_on_saliency: bool

    @property
    def guides(self) -> list[Guide]:
        """The loaded guides, in the order of the configuration."""
        return [voter.guide for voter in self.voters]

    @property
    def surroundings(self) -> Surroundings:
        """What lies around and behind the elements."""
        return Surroundings(
            transparent=self.config.transparent,
            plain_border=self.weights.get("border", 0) > 0,
            background=None if is_picture(self.config.background) else self.config.background,
        )

    def build_renderer(self) -> Renderer:
        """Return the renderer, without parameters yet."""
        return renderers.get(self.config.renderer)(self.options, self.canvas, self.surroundings)


def resolve(
    config: RunConfig,
    *,
    guides: GuidePool | Sequence[Guide] | None = None,
    canvas: Size | None = None,
    device: torch.device | None = None,
) -> ResolvedConfig:
    """Fill in every default of a configuration.

    Args:
        config: what to paint.
        guides: the configuration's guides if they are loaded already, or where they come from; an empty
            sequence if none are wanted, as for a run that is only looked at.
        canvas: size that is optimised if it is known already, as from a checkpoint.
        device: where the work is done, in place of the configuration's device.

    Raises:
        UsageError: an unknown name or an invalid option.
        InputError: a file that cannot be used.
    """
    device = device or pick_device(config.device)
    if config.deterministic:
        repeat_products()  # before a guide takes its first product
    terms = config.terms()
    options = renderer_options(config)
    weights = loss_weights(config)
    starts_on_saliency = _starts_on_saliency(options, config)

    specs = _wanted_guides(config, weights, starts_on_saliency)
    voters = _load_voters(specs, guides, device)
    loaded = [voter.guide for voter in voters]

    canvas = canvas or config.canvas or default_canvas(config, options, loaded)
    config, population = with_population(config)

    return ResolvedConfig(
        config=config,
        terms=terms,
        regions=list(dict.fromkeys(term.region for term in terms)) or [WHOLE],
        options=options,
        population=population,
        canvas=canvas,
        size=config.size or canvas.scaled_to(EXPORT_SIDE),
        device=device,
        voters=voters,
        cutouts=varied(config.cutouts, _variation(loaded, terms)),
        weights=weights,
        wants_sketch=_wants_sketch(config, weights),
        starts_on_saliency=starts_on_saliency,
    )


def with_population(config: RunConfig) -> tuple[RunConfig, int]:
    """Return the configuration as a run records it, with the number of candidates, and that number."""
    population = config.population or renderers.get(config.renderer).default_population
    return config.model_copy(update={"population": population}), population


def renderer_options(config: RunConfig) -> RendererOptions:
    """Return the renderer's own options, the palette of the run among them if it takes one.

    Raises:
        UsageError: an unknown renderer or option.
    """
    kind = renderers.get(config.renderer)
    shared = {"palette": config.palette} if _takes_palette(config) else {}
    return options_from(kind.Options, shared | config.options, f"renderer {config.renderer}")


def _takes_palette(config: RunConfig) -> bool:
    return config.palette is not None and "palette" in renderers.get(config.renderer).Options.model_fields


# --- losses --------------------------------------------------------------------------


def loss_weights(config: RunConfig) -> dict[str, float]:
    """Return the weight of each loss that counts: the configuration's, else the defaults.

    Raises:
        UsageError: an unknown loss.
    """
    weights = {**_default_losses(config), **config.losses}
    if config.target is not None:
        weights.setdefault("target", TARGET_WEIGHT_BESIDE_WORDS if config.terms() else TARGET_WEIGHT)
    if config.style is not None:
        weights.setdefault("style", STYLE_WEIGHT)
    if config.wrap:
        weights.setdefault("seam", SEAM_WEIGHT)
    if config.palette is not None and not _takes_palette(config):
        weights.setdefault("palette", PALETTE_WEIGHT)

    counted = {name: weight for name, weight in weights.items() if weight}
    for name in counted:
        losses.get(name)
    return counted


def _default_losses(config: RunConfig) -> dict[str, float]:
    """Return the renderer's own choice for pictures from words.

    A plain border is wanted only where the background is free and the subject in the middle. A sketch is
    wanted only where nothing else says how the picture starts or ends, and where it covers no background.
    """
    if not config.terms():
        return {}
    weights = dict(renderers.get(config.renderer).default_losses)

    placed = any(term.region != WHOLE for term in config.terms())
    given = config.mask or config.init or config.target
    if placed or config.transparent or config.wrap or given:
        weights.pop("border", None)

    covers = config.transparent or config.background != RunConfig.model_fields["background"].default
    if covers or given or config.edited:
        weights.pop("sketch", None)
    return weights


def _wants_sketch(config: RunConfig, weights: Mapping[str, float]) -> bool:
    wanted = any(losses.traits(name).needs_sketch for name in weights)
    if wanted and config.transparent:
        raise UsageError("a sketch has no transparent parts; leave out --loss sketch or --transparent")
    return wanted


# --- guides --------------------------------------------------------------------------


def _wanted_guides(
    config: RunConfig, weights: Mapping[str, float], starts_on_saliency: bool
) -> list[GuideSpec]:
    """Return the guides that something needs: prompts, a loss, or the start."""
    loss_needs_guide = any(losses.traits(name).needs_guide for name in weights)
    if config.terms() or starts_on_saliency or loss_needs_guide:
        return [parse_guide(text) for text in config.guides]
    return []


def _load_voters(
    specs: Sequence[GuideSpec], guides: GuidePool | Sequence[Guide] | None, device: torch.device
) -> list[Voter]:
    if guides is None:
        guides = GuidePool()
    if isinstance(guides, GuidePool):
        guides = [guides.get(spec, device) for spec in specs]
    if not guides:
        return []
    if not specs:
        return []
    return [Voter(guide.for_painting(), spec.weight) for guide, spec in zip(guides, specs, strict=True)]


def _variation(loaded: Sequence[Guide], terms: Sequence[Term]) -> Variation:
    """Return how much cutouts may vary to suit all guides; not mirrored if the words name left or right."""
    sided = any(re.search(r"\b(left|right)\b", term.content, re.IGNORECASE) for term in terms)
    preferred = [guide.variation for guide in loaded] or [Variation()]
    return functools.reduce(Variation.narrowed, preferred, UNMIRRORED if sided else preferred[0])


def _starts_on_saliency(options: RendererOptions, config: RunConfig) -> bool:
    """Return whether the elements start where a guide looks in the initial picture."""
    if config.init is None or config.init.lower().endswith(".svg") or Path(config.init).is_dir():
        return False
    return options.starts_on_saliency
