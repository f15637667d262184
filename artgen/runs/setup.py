"""From a configuration to the things a run works with."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from artgen.config import RunConfig, options_from
from artgen.engine.loop import Stage
from artgen.engine.objective import Judge, Objective
from artgen.engine.watch import steps_between_readings
from artgen.errors import UsageError
from artgen.guides.base import Guide, Variation, parse_guide
from artgen.guides.cutouts import varied
from artgen.guides.goals import make_goals
from artgen.guides.loading import load_guide
from artgen.guides.precision import choose_precision
from artgen.guides.saliency import saliency
from artgen.images import read_opaque
from artgen.losses.base import Loss, LossContext, losses
from artgen.memory import check_canvas, check_export
from artgen.palettes import load_palette
from artgen.prompts import Term
from artgen.renderers.background import is_picture, make_background
from artgen.renderers.base import Renderer, RendererOptions, renderers
from artgen.runs.candidates import start_from_run
from artgen.runs.inputs import fingerprints
from artgen.types import WHOLE, Image, Size

SMALLEST_CANVAS = 128
"""Shortest default for the canvas's longer side, in pixels."""
EXPORT_SIDE = 1024
"""Default for the longer side of the exported picture, in pixels."""
STYLE_WEIGHT = 0.5
"""Weight of the loss `style` when a style picture is given."""
SEAM_WEIGHT = 5.0
"""Weight of the loss `seam` when the picture is to tile; guides alone do not mind a line."""
PALETTE_WEIGHT = 20.0
"""Weight of the loss `palette` when a palette is given to a renderer that has none itself."""


@dataclass(frozen=True)
class Workshop:
    """All that a run needs, ready for the first step.

    Args:
        stage: what the loop works with; its renderer has no parameters yet.
        guides: the guides that vote.
        size: size of the exported picture.
        device: where the work is done.
        inputs: fingerprints of the local files it was made with.
        sketched: whether a loss wants a sketch, which `artgen.runs.sketch` paints.
    """

    stage: Stage
    guides: Sequence[Guide]
    size: Size
    device: torch.device
    inputs: Mapping[str, str]
    sketched: bool = False


def make_workshop(
    config: RunConfig, formats: Mapping[str, str] | None = None, guides: Sequence[Guide] | None = None
) -> Workshop:
    """Load and check everything a configuration names.

    Args:
        config: the run's description.
        formats: number formats by guide name, from a checkpoint; measured if None.
        guides: the configuration's guides if they are loaded already.

    Raises:
        UsageError: a name or an option of no use.
        InputError: a file of no use.
    """
    device = pick_device(config.device)
    options = renderer_options(config)
    terms = config.terms()
    regions = list(dict.fromkeys(term.region for term in terms)) or [WHOLE]
    pictures = {term.content: read_opaque(term.content).to(device) for term in terms if term.is_image}
    weighted = _weighted_losses(config)
    needs_guides = bool(terms) or _starts_on_saliency(options, config)
    needs_guides = needs_guides or _asked(weighted, "needs_guide")
    specs = [parse_guide(text) for text in config.guides]
    specs = specs if needs_guides else []
    judging = list(guides or []) or [load_guide(spec, device) for spec in specs]
    loaded = [guide.painter() for guide in judging]
    renderer = build_renderer(config, config.canvas or _default_canvas(options, config, loaded))
    size = export_size(config, renderer.canvas)
    check_canvas(population_of(config), renderer.canvas, device)
    check_export(size)
    views = population_of(config) * len(regions) * config.cutouts.count
    for guide in loaded:
        wanted = (formats or {}).get(guide.name, config.precision)
        guide.use_precision(choose_precision(guide, views, device, wanted))
    judges = [
        Judge(
            guide,
            spec.weight,
            make_goals(guide, terms, config.templates, regions, pictures, contrasted=config.contrast > 0),
        )
        for guide, spec in zip(loaded, specs, strict=True)
    ]
    background = make_background(config, device)
    palette = load_palette(config.palette).colours if config.palette is not None else None
    pictures_of_losses = _reference_pictures(config, device)
    context = LossContext(renderer, loaded, pictures_of_losses, palette, background.behind(renderer.canvas))
    objective = Objective(
        judges,
        regions,
        varied(config.cutouts, _variation(loaded, terms)),
        config.distance,
        config.contrast,
        weighted,
        context,
        config.wrap,
    )
    every = steps_between_readings(device)
    stage = Stage(renderer, objective, renderer.canvas, background, config.optimiser, every)
    inputs = fingerprints(config.local_files())
    return Workshop(stage, loaded, size, device, inputs, _wants_sketch(weighted, config))


def _asked(weighted: Mapping[str, tuple[Loss, float]], mark: str) -> bool:
    """Return whether one of the losses is marked so."""
    return any(getattr(loss, mark, False) for loss, _ in weighted.values())


def _wants_sketch(weighted: Mapping[str, tuple[Loss, float]], config: RunConfig) -> bool:
    """Return whether a loss follows a sketch."""
    wanted = _asked(weighted, "needs_sketch")
    if wanted and config.transparent:
        raise UsageError("a sketch has no clear parts; leave out --loss sketch or --transparent")
    return wanted


def population_of(config: RunConfig) -> int:
    """Return the number of candidates: as given, or as the renderer prefers."""
    return config.population or renderers.get(config.renderer).default_population


def settled(config: RunConfig) -> RunConfig:
    """Return the configuration with the renderer's own choice where it says nothing, as a run records it."""
    return config.model_copy(update={"population": population_of(config)})


def pick_device(wanted: str) -> torch.device:
    """Return the device of that name, or the best there is for "auto".

    Raises:
        UsageError: torch has no such device here.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError):  # `meta` has no numbers
        raise UsageError(f"device {wanted!r} is not available here; use --set device=auto") from None
    return device


def export_size(config: RunConfig, canvas: Size) -> Size:
    """Return the size of the exported picture: as given, or with the canvas's shape."""
    if config.size is not None:
        return config.size
    factor = EXPORT_SIDE / max(canvas)
    return Size(max(1, round(canvas.height * factor)), max(1, round(canvas.width * factor)))


def renderer_options(config: RunConfig) -> RendererOptions:
    """Return the renderer's own options, the run's palette among them if it takes one.

    Raises:
        UsageError: no such renderer, or options it has not.
    """
    kind = renderers.get(config.renderer)
    shared = {"palette": config.palette} if _takes_palette(config) else {}
    return options_from(kind.Options, shared | config.options, f"renderer {config.renderer}")


def _takes_palette(config: RunConfig) -> bool:
    return config.palette is not None and "palette" in renderers.get(config.renderer).Options.model_fields


def build_renderer(config: RunConfig, canvas: Size) -> Renderer:
    """Return the renderer that a configuration describes, without parameters yet."""
    renderer = renderers.get(config.renderer)(renderer_options(config), canvas)
    renderer.transparent = config.transparent
    renderer.plain_border = {**_default_losses(config), **config.losses}.get("border", 0) > 0
    renderer.background = None if is_picture(config.background) else config.background
    return renderer


def _default_canvas(options: RendererOptions, config: RunConfig, loaded: Sequence[Guide]) -> Size:
    side = max([SMALLEST_CANVAS, *(max(guide.image_size) for guide in loaded)])
    aspect = config.aspect or natural_aspect(config) or 1.0
    return renderers.get(config.renderer).default_canvas(options, aspect, side)


def natural_aspect(config: RunConfig) -> float | None:
    """Return the width / height of the exported size, else of a picture that is given, else None."""
    if config.size is not None:
        return config.size.width / config.size.height
    background = config.background if is_picture(config.background) else None
    for path in (config.target, config.init, config.mask, background):
        if path is not None and not path.lower().endswith(".svg"):
            picture = Path(path) / "image.png" if Path(path).is_dir() else path
            height, width = read_opaque(picture).shape[-2:]
            return width / height
    return None


def _variation(loaded: Sequence[Guide], terms: Sequence[Term]) -> Variation:
    """Return how views vary to suit all guides, not mirrored if the words tell left from right."""
    sided = any(re.search(r"\b(left|right)\b", term.content, re.IGNORECASE) for term in terms)
    liked = [guide.variation for guide in loaded] or [Variation()]
    return functools.reduce(Variation.narrowed, liked, Variation(0.0, 0.9, 0.0, 1.0) if sided else liked[0])


def _default_losses(config: RunConfig) -> dict[str, float]:
    """Return the renderer's own choice for pictures from words.

    A calm border is only wanted where the background is free and the subject in the middle, and a sketch where
    nothing else says what the picture starts from or becomes, and no background is to be seen that it would cover.
    """
    terms = config.terms()
    if not terms:
        return {}
    weights = dict(renderers.get(config.renderer).default_losses)
    placed = any(term.region != WHOLE for term in terms)
    if placed or config.transparent or config.wrap or config.mask or config.init or config.target:
        weights.pop("border", None)
    covered = config.transparent or config.background != RunConfig.model_fields["background"].default
    if covered or config.mask or config.init or config.target or config.edited:
        weights.pop("sketch", None)
    return weights


def _weighted_losses(config: RunConfig) -> dict[str, tuple[Loss, float]]:
    weights = {**_default_losses(config), **config.losses}
    if config.target is not None:
        weights.setdefault("target", 10.0 if config.terms() else 1.0)
    if config.style is not None:
        weights.setdefault("style", STYLE_WEIGHT)
    if config.wrap:
        weights.setdefault("seam", SEAM_WEIGHT)
    if config.palette is not None and not _takes_palette(config):
        weights.setdefault("palette", PALETTE_WEIGHT)
    return {name: (losses.get(name), weight) for name, weight in weights.items() if weight}


def _reference_pictures(config: RunConfig, device: torch.device) -> dict[str, Image]:
    named = {"target": config.target, "style": config.style}
    return {role: read_opaque(path).to(device) for role, path in named.items() if path is not None}


def _starts_on_saliency(options: RendererOptions, config: RunConfig) -> bool:
    """Return whether the elements begin where a guide looks in the picture to start from."""
    if config.init is None or config.init.lower().endswith(".svg") or Path(config.init).is_dir():
        return False
    return getattr(options, "start", None) == "saliency"


def start_candidates(workshop: Workshop, config: RunConfig, generator: torch.Generator) -> None:
    """Give the renderer its first candidates: random ones, or from `config.init`.

    Raises:
        UsageError: the renderer cannot start from such a file.
        InputError: the file cannot be read.
    """
    renderer = workshop.stage.renderer
    renderer.init(population_of(config), generator)
    if config.init is not None:
        path = Path(config.init)
        if path.is_dir():
            start_from_run(renderer, path, generator)
        elif _starts_on_saliency(renderer.options, config):
            picture = read_opaque(path).to(workshop.device)
            renderer.init_from_map(picture, saliency(workshop.guides[0], picture), generator)
        else:
            renderer.init_from(path if path.suffix.lower() == ".svg" else read_opaque(path), generator)
    renderer.to(workshop.device)
