"""Running artgen's runs step by step, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from artgen.config import RunConfig
from artgen.engine.events import Event, EventStream, Stepped
from artgen.engine.randomness import Streams
from artgen.guides.base import Guide
from artgen.runs.context import RunContext, choose_formats, make_context, start_candidates
from artgen.runs.defaults import resolve


def context_of(config: RunConfig, guides: Sequence[Guide] | None = None) -> RunContext:
    """Return what a run works with, its renderer with the first candidates."""
    settings = resolve(config, guides=guides)
    choose_formats(settings)
    renderer = settings.build_renderer()
    start_candidates(renderer, settings, Streams(config.seed)["init"])
    return make_context(settings, renderer, {})


def drive(
    stream: EventStream[Any],
    stop_after: int | None = None,
    watch: Callable[[Event], None] = lambda event: None,
) -> Any:
    """Iterate over a run, and return its result.

    Args:
        stream: the run.
        stop_after: stop it when it has made so many steps, those of sketches included; before the first step
            with 0.
        watch: called with every event.
    """
    steps = 0
    for event in stream:
        watch(event)
        steps += isinstance(event, Stepped)
        if stop_after is not None and steps >= stop_after:
            stream.stop()
    return stream.result
