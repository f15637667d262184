"""Time and memory of the collage renderer compared with CLIP-CLOP's dense form.

    python -m benchmarks.collage [--rounds 7]

The scene is fixed (`tests/reference/collage_scene.py`): 100 patches of 30 to 90 px, scaled 1 to 2 times,
turned by any angle, population 2, 224 x 224. The dense form resamples every patch twice on the whole
canvas, like CLIP-CLOP's own program. Both run in turn, forward and backward. Times are medians, and ratios
are medians of the ratios within a round. Memory is the growth of the peak in a new process. The pictures
are compared where the two definitions agree: patches moved by whole pixels, which the second resampling
does not blur.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from artgen.renderers.collage import Collage
from artgen.types import Size
from benchmarks.common import Results, alternate, median_ratio, parser
from benchmarks.processes import growth, growth_printed_by
from tests.reference import collage_scene as scenes

Render = Callable[[Collage, Size], Tensor]


def ours(renderer: Collage, size: Size) -> Tensor:
    """Render [P, 4, H, W] by the renderer."""
    return renderer(size)


FORMS: dict[str, Render] = {"ours": ours, "dense": scenes.two_passes}


def forward_and_backward(render: Render, renderer: Collage) -> Callable[[], None]:
    """Return a function that renders and computes the gradient of a random weighting of the pixels."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(len(renderer.patch), 4, *renderer.canvas, generator=generator)

    def run() -> None:
        renderer.zero_grad()
        (render(renderer, renderer.canvas) * weights).sum().backward()

    return run


def measure_growth(form: str, mode: str, count: int, side: int) -> float:
    """Return by how many MB one forward and backward pass raises the peak of this process."""
    renderer = scenes.scene(mode, count=count, side=side)
    with torch.enable_grad():
        (renderer.translation * 2).sum().backward()  # leaves out the memory that autograd takes at its start
    return growth(forward_and_backward(FORMS[form], renderer))


def growth_of(form: str, mode: str, count: int, side: int, threads: int) -> float:
    """Return the same for a new process."""
    words = ["--mode", mode, "--count", str(count), "--side", str(side), "--threads", str(threads)]
    return growth_printed_by("benchmarks.collage", "--growth-of", form, *words)


@torch.no_grad()
def greatest_difference(mode: str) -> float:
    """Return the largest difference from the dense form where the definitions agree, in 1/255."""
    renderer = scenes.whole_pixel_scene()
    renderer.options = renderer.options.model_copy(update={"blending": mode})
    difference = renderer(renderer.canvas) - scenes.two_passes(renderer, renderer.canvas)
    return float(difference.abs().max()) * 255


def compare(results: Results, mode: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Note the comparison with the dense form in one blending mode; return all seconds."""
    count, side = (10, 64) if options.trial else (100, scenes.SIDE)
    renderer = scenes.scene(mode, count=count, side=side)
    runs = {form: forward_and_backward(render, renderer) for form, render in FORMS.items()}
    seconds = alternate(runs, options.rounds, warmup=1)
    grown = {form: growth_of(form, mode, count, side, options.threads) for form in FORMS}

    title = f"{mode}, 100 patches, population 2, 224 x 224"
    results.note(f"{title}: forward + backward", statistics.median(seconds["ours"]), "s", "< 0.15")
    results.note(f"{title}: dense / ours", median_ratio(seconds["dense"], seconds["ours"]), "", ">= 10")
    results.note(f"{title}: growth of memory", grown["ours"], "MB", "< 300")
    results.note(f"{title}: memory, ours / dense", grown["ours"] / grown["dense"], "", "<= 0.125")
    results.note(f"{mode}: largest difference in 1/255", greatest_difference(mode), "", "< 1")
    return seconds


def note_large(results: Results, options: argparse.Namespace) -> None:
    """Note the time and memory of 1,000 patches at 448 x 448."""
    count, side = (20, 64) if options.trial else (1000, 448)
    run = forward_and_backward(ours, scenes.scene("over", count=count, side=side))
    seconds = alternate({"run": run}, min(3, options.rounds), warmup=1)["run"]

    title = "over, 1,000 patches, population 2, 448 x 448"
    results.note(f"{title}: forward + backward", statistics.median(seconds), "s")
    results.note(f"{title}: growth of memory", growth_of("ours", "over", count, side, options.threads), "MB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every figure beside its goal."""
    options_ = parser("collage", __doc__)
    options_.add_argument("--rounds", type=int, default=7, help="timings of each part (default 7)")
    options_.add_argument("--mode", choices=scenes.MODES, help="only this blending mode")
    for name in ("--count", "--side"):
        options_.add_argument(name, type=int, help=argparse.SUPPRESS)
    options_.add_argument("--growth-of", choices=tuple(FORMS), help=argparse.SUPPRESS)
    options = options_.parse_args(arguments)

    if options.growth_of:
        torch.set_num_threads(options.threads)
        print(measure_growth(options.growth_of, options.mode, options.count, options.side))
        return

    if options.trial:
        options.rounds = 1
    results = Results("collage", options)
    modes = (options.mode,) if options.mode else scenes.MODES
    seconds = {mode: compare(results, mode, options) for mode in modes}
    note_large(results, options)
    results.finish(seed=scenes.SEED, seconds=seconds)


if __name__ == "__main__":
    main()
