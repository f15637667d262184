"""The strokes renderer: time, memory, how its cost grows, and how well it can fit a photograph.

    python -m benchmarks.strokes [--rounds 15] [--no-fit]

The scene is fixed: seed 0, uniform starting points, each next control point within ±0.05 canvas of the
last one, widths 2 to 8 pixels at 224 (in proportion at other sizes). All parts run in turn, forward and
backward, so that a busy machine slows all alike. Times are medians, and ratios are medians of the ratios
within a round. Memory is the growth of the peak in a new process. The dense form compares every chord with
every pixel.

The fits take some minutes; `--no-fit` skips them. Each takes 500 steps, with the learning rates of the
product, from random strokes to a photograph from scikit-image, 224 x 224.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch
from skimage import data, transform
from torch import Tensor

from artgen.config import OptimiserOptions
from artgen.engine.optimiser import make_optimiser, set_rates
from artgen.renderers.base import renderers
from artgen.renderers.strokes.chords import bernstein
from artgen.renderers.strokes.rasterise import Paths, paint
from artgen.types import Image, Size, Window
from benchmarks.common import Results, alternate, median_ratio, parser
from benchmarks.processes import growth, growth_printed_by

SEGMENTS = 3
TIMES = (
    ("256 at 224", "256 strokes of 3 segments, width 2-8, 224 x 224", "< 0.15"),
    ("1024 at 224", "1,024 strokes, 224 x 224", "< 0.52"),
    ("256 at 448", "256 strokes, 448 x 448", "< 0.58"),
)
"""Part, title, and goal in seconds. The last two goals are a fifth of DiffVG's 2.6 s and 2.9 s."""
RATIOS = (
    ("dense 64 at 112", 1, "64 at 112", "64 strokes, 112 x 112: dense / fast", ">= 10"),
    ("1024 a quarter as long", 1, "256 at 224", "1,024 strokes a quarter as long / 256", "< 2"),
    ("256 at 448", 1, "256 at 224", "256 strokes: 448 x 448 / 224 x 224", "< 4.4"),
    ("256 at 224, population 8", 1, "256 at 224", "256 strokes, 224 x 224: population 8 / one", "<= 8"),
    ("64 at 112, population 8", 8, "64 at 112", "64 strokes, 112 x 112: population 8 / 8 x one", "< 0.7"),
)
"""Part, factor and name of the part it is compared with, title, and goal."""
FITS = {256: ">= 22", 1024: ">= 25"}
"""Goal in dB by number of strokes."""


def scene(strokes: int, side: int, population: int = 1, reach: float = 0.05) -> Paths:
    """Return the fixed scene; its points, radii and paint require gradients.

    Args:
        strokes: how many.
        side: of the canvas in pixels.
        population: candidates.
        reach: largest distance of a control point from the one before, in sides.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (population, strokes)
    start = torch.rand(*shape, 1, 2, generator=generator)
    step = (torch.rand(*shape, 3 * SEGMENTS, 2, generator=generator) * 2 - 1) * reach
    points = torch.cat([start, start + step.cumsum(2)], 2) * side
    index = torch.arange(SEGMENTS)[:, None] * 3 + torch.arange(4)
    radii = (2 + 6 * torch.rand(*shape, generator=generator)) / 2 * side / 224
    paint_ = torch.rand(*shape, 4, generator=generator)
    paint_[..., :3] *= paint_[..., 3:]
    return Paths(points[:, :, index].requires_grad_(), radii.requires_grad_(), paint_.requires_grad_())


def fast(paths: Paths, side: int) -> Callable[[], object]:
    """Return a function that runs the product forward and backward."""

    def run() -> None:
        picture = paint(paths, Window(0, 0, side, side))
        picture.backward(torch.ones_like(picture))

    return run


def dense(paths: Paths, side: int, chords: int = 8) -> Callable[[], object]:
    """Return a function that compares every chord with every pixel, in float32, by autograd."""

    def run() -> None:
        centre = torch.arange(side) + 0.5
        pixels = torch.stack(torch.meshgrid(centre, centre, indexing="xy"), -1).view(-1, 1, 2)
        nodes = bernstein(torch.linspace(0, 1, chords + 1)) @ paths.curves[0]
        canvas = torch.zeros(4, side * side)
        for curves, radius, mixed in zip(nodes, paths.radii[0], paths.paint[0], strict=True):
            covered = _covered(curves, radius, pixels)
            canvas = mixed[:, None] * covered + (1 - mixed[3] * covered) * canvas
        canvas.backward(torch.ones_like(canvas))

    return run


def _covered(nodes: Tensor, radius: Tensor, pixels: Tensor) -> Tensor:
    """Return the coverage of pixels [H * W, 1, 2] by one stroke, 0 to 1."""
    start, end = nodes[:, :-1].reshape(-1, 2), nodes[:, 1:].reshape(-1, 2)
    line = end - start
    place = ((pixels - start) * line).sum(-1) / line.square().sum(-1).clamp(min=1e-12)
    gap = pixels - start - place.clamp(0, 1)[..., None] * line
    distance = gap.square().sum(-1).amin(1).clamp(min=1e-12).sqrt()
    return (torch.minimum(radius, distance + 0.5) - torch.maximum(-radius, distance - 0.5)).clamp(min=0)


def measure_growth(kind: str) -> float:
    """Return by how many MB 64 strokes at 112 x 112 raise the peak of this process."""
    run = fast(scene(64, 112), 112) if kind == "fast" else dense(scene(64, 112), 112)
    fast(scene(1, 16), 16)()  # leaves out the memory that torch takes at its start
    return growth(run)


def parts(shrink: int = 1) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name. A trial divides numbers and sides by `shrink`."""
    small, side, large = 112 // shrink, 224 // shrink, 448 // shrink
    few, some, many = 64 // shrink, 256 // shrink, 1024 // shrink
    return {
        "256 at 224": fast(scene(some, side), side),
        "1024 at 224": fast(scene(many, side), side),
        "256 at 448": fast(scene(some, large), large),
        "1024 a quarter as long": fast(scene(many, side, reach=0.0125), side),
        "256 at 224, population 8": fast(scene(some, side, population=8), side),
        "64 at 112": fast(scene(few, small), small),
        "64 at 112, population 8": fast(scene(few, small, population=8), small),
        "dense 64 at 112": dense(scene(few, small), small),
    }


def note_times(results: Results, seconds: Mapping[str, Sequence[float]]) -> None:
    """Note times and their ratios."""
    for part, name, goal in TIMES:
        results.note(f"{name}: forward + backward", statistics.median(seconds[part]), "s", goal)
    for above, times, below, name, goal in RATIOS:
        results.note(name, median_ratio(seconds[above], seconds[below]) / times, "", goal)


def note_memory(results: Results, threads: int) -> None:
    """Note the growth of memory of both forms, each in a new process."""
    grown = {}
    for kind in ("fast", "dense"):
        grown[kind] = growth_printed_by("benchmarks.strokes", "--growth-of", kind, "--threads", str(threads))
        results.note(f"64 strokes, 112 x 112: growth of memory, {kind}", grown[kind], "MB")
    ratio = grown["fast"] / grown["dense"]
    results.note("64 strokes, 112 x 112: growth of memory, fast / dense", ratio, "", "<= 0.2")


def photograph(side: int) -> Image:
    """Return [1, 3, side, side] of scikit-image's astronaut, in [0, 1]."""
    small = transform.resize(data.astronaut(), (side, side), anti_aliasing=True)
    return torch.from_numpy(small).float().permute(2, 0, 1)[None]


def fit(strokes: int, target: Image, steps: int) -> float:
    """Fit random strokes to a picture by the squared error; return the PSNR in dB.

    Args:
        strokes: how many.
        target: [1, 3, H, W] in [0, 1].
        steps: of Adam, with the rates and the schedule of the product.
    """
    kind, schedule = renderers.get("strokes"), OptimiserOptions()
    options = {"strokes": strokes, "segments": SEGMENTS, "width": 0.02}
    renderer = kind(kind.Options.model_validate(options), Size(*target.shape[-2:]))
    renderer.init(1, torch.Generator().manual_seed(0))
    optimiser = make_optimiser(renderer, schedule)
    for step in range(steps):
        set_rates(optimiser, schedule, step / steps)
        optimiser.zero_grad()
        (renderer(renderer.canvas)[:, :3] - target).square().mean().backward()
        optimiser.step()
        renderer.project_()
    with torch.no_grad():
        error = (renderer(renderer.canvas)[:, :3] - target).square().mean()
    return float(-10 * error.log10())


def note_fits(results: Results, shrink: int, steps: int) -> None:
    """Note how well strokes fit a photograph. A trial divides numbers and sides by `shrink`."""
    for strokes, goal in FITS.items():
        found = fit(strokes // shrink, photograph(224 // shrink), steps)
        results.note(f"{strokes:,} strokes fit a photograph, 224 x 224, 500 steps: PSNR", found, "dB", goal)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every figure beside its goal."""
    options_ = parser("strokes", __doc__)
    options_.add_argument("--rounds", type=int, default=15, help="timings of each part (default 15)")
    options_.add_argument(
        "--fit", action=argparse.BooleanOptionalAction, default=True, help="fit photographs"
    )
    options_.add_argument("--growth-of", choices=["fast", "dense"], help=argparse.SUPPRESS)
    options = options_.parse_args(arguments)
    if options.growth_of:
        torch.set_num_threads(options.threads)
        print(measure_growth(options.growth_of))
        return

    results = Results("strokes", options)
    rounds, shrink = (1, 8) if options.trial else (options.rounds, 1)
    seconds = alternate(parts(shrink), rounds)
    note_times(results, seconds)
    note_memory(results, options.threads)
    if options.fit:
        note_fits(results, shrink, 2 if options.trial else 500)
    results.finish(seconds=seconds)


if __name__ == "__main__":
    main()
