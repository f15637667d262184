"""From a resolved configuration to everything that a run works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from artgen.engine.finite import steps_per_reading
from artgen.engine.objective import Judge, Objective
from artgen.engine.problem import Budget, Problem
from artgen.guides.base import Guide
from artgen.guides.goals import make_goals
from artgen.guides.graphed import graphed
from artgen.guides.precision import choose_precision
from artgen.guides.saliency import saliency
from artgen.images import read_opaque
from artgen.losses.base import LossContext, losses
from artgen.memory import check_canvas, check_export
from artgen.palettes import load_palette
from artgen.renderers.background import Background, make_background
from artgen.renderers.base import Renderer
from artgen.runs.candidates import start_from_run
from artgen.runs.defaults import ResolvedConfig
from artgen.types import Image, Size

SKETCH_ROLE = "sketch"
"""Name of the sketch among the pictures that losses look at."""


@dataclass(frozen=True)
class RunContext:
    """Everything that a run works with, ready for the first step.

    Args:
        settings: the configuration, resolved.
        problem: what the loop optimises.
        size: size of the exported picture.
        inputs: fingerprints of the local files that the run opened.
        budget: how long it takes.
        sketch: [1, 3, h, w] picture that the run starts on and follows, None without one.
    """

    settings: ResolvedConfig
    problem: Problem
    size: Size
    inputs: Mapping[str, str]
    budget: Budget
    sketch: Image | None = None

    @property
    def guides(self) -> Sequence[Guide]:
        """The guides that vote."""
        return self.settings.guides

    @property
    def lacks_sketch(self) -> bool:
        """Whether the run wants a sketch that has not been painted yet."""
        return self.settings.wants_sketch and self.sketch is None

    def with_sketch(self, sketch: Image) -> RunContext:
        """Return the context of a run whose losses compare the picture with a sketch, [1, 3, h, w] in [0, 1]."""
        before = self.problem.objective.context
        pictures = {**before.pictures, SKETCH_ROLE: sketch.to(self.settings.device)}
        objective = self.problem.objective.with_context(replace(before, pictures=pictures))
        return replace(self, problem=replace(self.problem, objective=objective), sketch=sketch)


def use_threads(threads: int | None) -> None:
    """Compute on this many CPU threads; leave it to torch if None."""
    if threads is not None:
        torch.set_num_threads(threads)


def check_sizes(settings: ResolvedConfig) -> None:
    """Refuse pictures that cannot fit into memory, before anything is made.

    Raises:
        UsageError: they need more memory than is free.
    """
    check_canvas(settings.population, settings.canvas, settings.device)
    check_export(settings.size)


def choose_formats(settings: ResolvedConfig, formats: Mapping[str, str] | None = None) -> None:
    """Set the number format of each guide.

    Args:
        settings: holds the guides.
        formats: number formats by guide name, as from a checkpoint; measured if None.
    """
    views = settings.population * len(settings.regions) * settings.cutouts.count
    for guide in settings.guides:
        wanted = (formats or {}).get(guide.name, settings.config.precision)
        guide.use_precision(choose_precision(guide, views, settings.device, wanted))


def make_context(
    settings: ResolvedConfig,
    renderer: Renderer,
    inputs: Mapping[str, str],
    *,
    background: Background | None = None,
    pictures: Mapping[str, Image] | None = None,
) -> RunContext:
    """Put together what a run works with; prompts are encoded here, once.

    Args:
        settings: the configuration, resolved; the number formats of its guides are chosen.
        renderer: its renderer; may have no parameters yet.
        inputs: fingerprints of the local files that the configuration names.
        background: what the picture is painted on; the configuration's own if None.
        pictures: the pictures that losses compare with, by role; read from their files if None.

    Raises:
        InputError: a picture that cannot be used.
    """
    config, device = settings.config, settings.device
    background = background or make_background(config, device)
    palette = load_palette(config.palette).colours.to(device) if config.palette is not None else None

    context = LossContext(
        renderer,
        settings.guides,
        _reference_pictures(settings) if pictures is None else pictures,
        palette,
        background.behind(settings.canvas),
    )
    objective = Objective(
        _make_judges(settings),
        settings.regions,
        settings.cutouts,
        config.distance,
        config.contrast,
        {name: (losses.get(name), weight) for name, weight in settings.weights.items()},
        context,
        config.wrap,
    )
    problem = Problem(
        renderer,
        objective,
        settings.canvas,
        background,
        config.optimiser,
        steps_per_reading(device),
        settings.size,
        config.deterministic,
    )
    budget = Budget(config.steps, config.seconds)
    return RunContext(settings, problem, settings.size, inputs, budget)


def _make_judges(settings: ResolvedConfig) -> list[Judge]:
    config = settings.config
    contrasted = config.contrast > 0
    judges = []
    for voter in settings.voters:
        goals = make_goals(voter.guide, settings.terms, config.templates, settings.regions, contrasted)
        guide = graphed(voter.guide) if config.cuda_graph and settings.device.type == "cuda" else voter.guide
        judges.append(Judge(guide, voter.weight, goals))
    return judges


def _reference_pictures(settings: ResolvedConfig) -> dict[str, Image]:
    """Return the pictures that losses compare with, by role."""
    named = {"target": settings.config.target, "style": settings.config.style}
    return {role: read_opaque(path).to(settings.device) for role, path in named.items() if path is not None}


def start_candidates(renderer: Renderer, settings: ResolvedConfig, generator: torch.Generator) -> None:
    """Give the renderer its first candidates: random ones, or from `config.init`.

    Raises:
        UsageError: the renderer cannot start from such a file.
        InputError: the file cannot be read.
    """
    renderer.init(settings.population, generator)
    init = settings.config.init

    if init is not None:
        path = Path(init)
        if path.is_dir():
            start_from_run(renderer, path, generator)
        elif settings.starts_on_saliency:
            picture = read_opaque(path).to(settings.device)
            renderer.init_from_map(picture, saliency(settings.guides[0], picture), generator)
        else:
            renderer.init_from(path if path.suffix.lower() == ".svg" else read_opaque(path), generator)
    renderer.to(settings.device)


def empty_renderer(settings: ResolvedConfig) -> Renderer:
    """Return the renderer with placeholder candidates, to load a saved state into."""
    renderer = settings.build_renderer()
    renderer.init(settings.population, torch.Generator().manual_seed(0))
    return renderer.to(settings.device)
