"""The strokes renderer against its dense oracle, and how its cost grows.

    python -m benchmarks.strokes --rounds 15

The scene is fixed: seed 0, starts uniform on the canvas, each next control point within
±0.05 canvas of the last, widths 2 to 8 pixels at 224 (in proportion at other sizes).
All parts are run in turn, forward and backward, so that a busy machine slows all alike;
ratios are medians of the ratios within a round.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from artgen.renderers._chords import bernstein
from artgen.renderers._paint import Paths, paint
from artgen.types import Window
from benchmarks.common import alternate, median_ratio, report

SEGMENTS = 3


def scene(strokes: int, side: int, population: int = 1, reach: float = 0.05) -> Paths:
    """Return the fixed scene, whose points, radii and paint get gradients."""
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
    """Return forward and backward of the product."""

    def run() -> None:
        picture = paint(paths, Window(0, 0, side, side))
        picture.backward(torch.ones_like(picture))

    return run


def dense(paths: Paths, side: int, chords: int = 8) -> Callable[[], object]:
    """Return forward and backward of every chord against every pixel, float32, by autograd."""

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
    start, end = nodes[:, :-1].reshape(-1, 2), nodes[:, 1:].reshape(-1, 2)
    line = end - start
    place = ((pixels - start) * line).sum(-1) / line.square().sum(-1).clamp(min=1e-12)
    gap = pixels - start - place.clamp(0, 1)[..., None] * line
    distance = gap.square().sum(-1).amin(1).clamp(min=1e-12).sqrt()
    return (torch.minimum(radius, distance + 0.5) - torch.maximum(-radius, distance - 0.5)).clamp(min=0)


def memory_growth(kind: str) -> float:
    """Return by how many MB a process of its own grows at 64 strokes, 112x112."""
    command = [sys.executable, "-m", "benchmarks.strokes", "--grow", kind]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def grow(kind: str) -> float:
    """Return the growth of this process in MB."""
    run = fast(scene(64, 112), 112) if kind == "fast" else dense(scene(64, 112), 112)
    fast(scene(1, 16), 16)()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def measure(rounds: int) -> dict[str, object]:
    """Return seconds and ratios."""
    parts = {
        "256 at 224": fast(scene(256, 224), 224),
        "1024 at 224": fast(scene(1024, 224), 224),
        "256 at 448": fast(scene(256, 448), 448),
        "1024 a quarter as long": fast(scene(1024, 224, reach=0.0125), 224),
        "64 at 112": fast(scene(64, 112), 112),
        "64 at 112, population 8": fast(scene(64, 112, population=8), 112),
        "256 at 224, population 8": fast(scene(256, 224, population=8), 224),
        "dense 64 at 112": dense(scene(64, 112), 112),
    }
    seconds = alternate(parts, rounds)
    best = {name: min(values) for name, values in seconds.items()}
    base = seconds["256 at 224"]
    return {
        "seconds, median": {name: sorted(values)[len(values) // 2] for name, values in seconds.items()},
        "seconds, least": best,
        "dense / fast (at least 10)": median_ratio(seconds["dense 64 at 112"], seconds["64 at 112"]),
        "1024 a quarter as long / 256 (under 2)": median_ratio(seconds["1024 a quarter as long"], base),
        "448 / 224 (under 4.4)": median_ratio(seconds["256 at 448"], base),
        "population 8 / 1, 256 at 224 (under 8)": median_ratio(seconds["256 at 224, population 8"], base),
        "population 8 / 8, 64 at 112 (under 0.7)": median_ratio(
            seconds["64 at 112, population 8"], seconds["64 at 112"]
        )
        / 8,
        "MB fast, dense (under 1/5)": [memory_growth("fast"), memory_growth("dense")],
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--grow", choices=["fast", "dense"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.grow:
        print(grow(arguments.grow))
    else:
        report(measure(arguments.rounds))


if __name__ == "__main__":
    main()
