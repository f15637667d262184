"""Making one turn: what changes in the context of a run, and in its state."""

from __future__ import annotations

from dataclasses import replace

from artgen.config import RunConfig, Turn
from artgen.config.named_inputs import files_of
from artgen.engine.optimiser import load_moments, make_optimiser, moments
from artgen.engine.turns import change_elements, keep_candidate
from artgen.errors import UsageError
from artgen.guides.precision import format_name
from artgen.images import parse_colour
from artgen.renderers.base import Renderer
from artgen.runs.context import RunContext, choose_formats, empty_renderer, make_context
from artgen.runs.defaults import ResolvedConfig, resolve
from artgen.runs.inputs import fingerprints
from artgen.runs.work import Work


def take_turn(work: Work, turn: Turn) -> None:
    """Make a turn. If it raises, the run is in between and has to be restored.

    Args:
        work: the run; changed in place.
        turn: the changes.

    Raises:
        ArtgenError: it cannot be made.
    """
    options = work.context.problem.optimiser
    renderer = work.context.problem.renderer
    if turn.keep is not None:
        keep_candidate(renderer, work.state, turn.keep, options)
    colours = {element: parse_colour(colour) for element, colour in turn.recolour.items()}
    change_elements(renderer, work.state, turn, colours, options)

    before = work.context
    config = before.settings.config.turned(turn)
    if config != before.settings.config:
        work.context = _changed_context(before, config, turn)
        _adapt_state(work, before, turn)
    if turn.steps is not None or turn.restart:
        _change_budget(work, turn)


def _changed_context(context: RunContext, config: RunConfig, turn: Turn) -> RunContext:
    """Return what a run works with under a changed configuration; its guides and background stay.

    Raises:
        ArtgenError: the configuration is invalid, or needs what the run did not begin with.
    """
    own = context.settings
    settings = resolve(config, guides=context.guides or None, canvas=own.canvas, device=own.device)
    if settings.wants_sketch and context.sketch is None:
        raise UsageError(
            "the loss 'sketch' needs a sketch, which is painted before the first step; "
            "start a new run with --loss sketch=4"
        )
    formats = {guide.name: format_name(guide.precision) for guide in context.guides}
    choose_formats(settings, formats)

    renderer = context.problem.renderer
    if turn.palette is not None:
        renderer = _rebuilt(settings, renderer)
    renderer.surroundings = settings.surroundings

    named = [path for path in config.local_files() if path not in context.inputs]
    named += [path for path in files_of(turn) if path not in context.inputs]
    changed = make_context(
        settings,
        renderer,
        {**context.inputs, **fingerprints(named)},
        background=context.problem.background,
        pictures=context.problem.objective.context.pictures,
    )
    return replace(changed, budget=context.budget, sketch=context.sketch)


def _rebuilt(settings: ResolvedConfig, renderer: Renderer) -> Renderer:
    """Return a renderer with other options and the state of another one."""
    other = empty_renderer(settings)
    other.load_state(renderer.state())
    return other


def _adapt_state(work: Work, before: RunContext, turn: Turn) -> None:
    """Give the optimiser the new learning rates and parameters; its moments stay."""
    state, problem = work.state, work.context.problem
    kept = moments(before.problem.renderer, state.optimiser)
    state.optimiser = make_optimiser(problem.renderer, problem.optimiser)
    load_moments(problem.renderer, state.optimiser, kept)

    # All cutouts in one pass, unless memory was short.
    views = problem.objective.views
    was_short = state.views_per_pass < before.problem.objective.views
    state.views_per_pass = min(state.views_per_pass, views) if was_short else views

    if turn.prompts is not None or turn.losses:
        # Losses before and after cannot be compared, so `patience` begins to count again.
        state.lowest, state.waiting = float("inf"), 0


def _change_budget(work: Work, turn: Turn) -> None:
    """Change the number of steps, or start the schedules again.

    Raises:
        UsageError: the run is past that step, or is limited by time.
    """
    budget, state = work.context.budget, work.state
    if turn.steps is None and budget.seconds is not None:
        raise UsageError("a run limited by time cannot restart its schedules; give steps as well")

    steps = turn.steps if turn.steps is not None else budget.steps
    if steps < state.step:
        raise UsageError(f"the run is at step {state.step} already; give at least so many steps")
    changed = budget.changed(state.step, state.elapsed, steps, restart=turn.restart)
    work.context = replace(work.context, budget=changed)
