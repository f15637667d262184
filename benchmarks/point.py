"""Pointing at elements: how long it takes to find what shows at a point, and what is inside a polygon.

    python -m benchmarks.point [--points 200]

The pictures are random candidates with the default options, two of each, on a canvas of 224 x 224. The points are
uniform, with seed 0. "Leaving each out" draws the picture once more without each element, as a comparison. Every
renderer is asked once before the clock runs, because a collage makes its textures when they are first needed.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from artgen.config import options_from
from artgen.renderers.base import Renderer, renderers
from artgen.renderers.point import elements_at, elements_in
from artgen.renderers.silhouette import outline
from artgen.types import Size
from benchmarks.common import Results, parser

SIDE = 224
SCENES: dict[str, tuple[str, dict[str, Any]]] = {
    "160 strokes": ("strokes", {}),
    "160 shapes": ("strokes", {"shape": "closed"}),
    "100 patches, over": ("collage", {}),
    "100 patches, opacity": ("collage", {"blending": "opacity"}),
    "100 patches, transparency": ("collage", {"blending": "transparency"}),
    "100 patches, masked, clipped": ("collage", {"blending": "masked_transparency_clipped"}),
    "100 patches, masked, normed": ("collage", {"blending": "masked_transparency_normed"}),
    "32 x 32 cells": ("pixel", {}),
}
"""Title, renderer and options."""
HEART = [(0.5, 0.9), (0.1, 0.4), (0.3, 0.15), (0.5, 0.35), (0.7, 0.15), (0.9, 0.4)]
"""Corners of a polygon that covers about a third of the picture."""


def make(name: str, chosen: dict[str, Any], side: int) -> Renderer:
    """Return two random candidates, of seed 0."""
    kind = renderers.get(name)
    renderer = kind(options_from(kind.Options, chosen, name), Size(side, side))
    renderer.init(2, torch.Generator().manual_seed(0))
    return renderer


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long some work takes, in milliseconds."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def pointed(renderer: Renderer, points: Sequence[Sequence[float]]) -> list[float]:
    """Return the milliseconds of each question for the elements at a point."""
    elements_at(renderer, 0.5, 0.5)
    times = []
    for number, (x, y) in enumerate(points):
        ask = functools.partial(elements_at, renderer, x, y, candidate=number % renderer.population)
        times.append(milliseconds(ask))
    return times


def note_scene(
    results: Results, title: str, renderer: Renderer, points: Sequence[Sequence[float]]
) -> list[float]:
    """Note the times of one renderer; return those of the points."""
    times = pointed(renderer, points)
    results.note(f"{title}: elements at a point, median", statistics.median(times), "ms", "<= 50")
    results.note(f"{title}: the slowest of 20", statistics.quantiles(times, n=20)[-1], "ms", "<= 100")

    inside = [milliseconds(lambda: elements_in(renderer, HEART)) for _ in range(5)]
    results.note(f"{title}: elements in a polygon", statistics.median(inside), "ms")
    outlines = [milliseconds(lambda: outline(renderer, 3, renderer.canvas)) for _ in range(5)]
    results.note(f"{title}: outline of an element", statistics.median(outlines), "ms")
    return times


def note_comparison(results: Results, title: str, renderer: Renderer, median: float) -> None:
    """Note how much longer leaving each element out takes: one picture for each."""
    with torch.no_grad():
        drawn = [milliseconds(lambda: renderer(renderer.canvas)) for _ in range(5)]
    elements = len(next(iter(renderer.parameters()))[0])
    results.note(f"{title}: leaving each out / pointing", statistics.median(drawn) * elements / median)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every figure beside its goal."""
    options_ = parser("point", __doc__)
    options_.add_argument("--points", type=int, default=200, help="points for each renderer (default 200)")
    options: argparse.Namespace = options_.parse_args(arguments)
    count, side = (3, 32) if options.trial else (options.points, SIDE)

    results = Results("point", options)
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(0)).tolist()
    times = {}
    for title, (name, chosen) in SCENES.items():
        renderer = make(name, chosen, side)
        times[title] = note_scene(results, title, renderer, points)
        if name != "pixel":
            note_comparison(results, title, renderer, statistics.median(times[title]))
    results.finish(milliseconds=times)


if __name__ == "__main__":
    main()
