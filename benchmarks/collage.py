"""Time and memory of the collage renderer against CLIP-CLOP's dense form, in one run.

    python -m benchmarks.collage [--out FILE] [--threads 2] [--repeats 7]

The scene is fixed (`tests/reference/collage_scene.py`): 100 patches of 30 to 90 px, magnified 1
to 2 times, turned by any angle, population 2, 224 x 224. The dense form resamples every
patch twice on the whole canvas, as CLIP-CLOP's own program does. Times are medians of
forward + backward; memory is the growth of the peak in a process of its own. On a busy
machine look at the ratios, and at CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from artgen.renderers.collage import Collage
from artgen.types import Size
from tests.reference import collage as reference
from tests.reference import collage_scene as scenes

SIDE = 224


def ours(renderer: Collage) -> Tensor:
    """Render by the renderer."""
    return renderer(Size(SIDE, SIDE))


def dense(renderer: Collage) -> Tensor:
    """Render as CLIP-CLOP does: canvases of patches, two successive resamplings, one blend."""
    population, count = renderer.patch.shape
    textures, matrix, centre = scenes.pixel_maps(renderer, (SIDE, SIDE))
    canvases = torch.zeros(population * count, 4, SIDE, SIDE)
    for canvas, texture in zip(canvases, textures, strict=True):
        height, width = texture.shape[1:]
        top, left = (SIDE - height) // 2, (SIDE - width) // 2
        canvas[:, top : top + height, left : left + width] = texture
    moved = reference.two_passes(canvases, matrix, centre - SIDE / 2).unflatten(0, (population, count))
    opaque = torch.ones_like(renderer.colour[..., :1])
    coloured = moved * torch.cat([renderer.colour, opaque], -1)[..., None, None]
    return reference.blend(renderer.options.blending, coloured, renderer.order)


def timed(render: Callable[[Collage], Tensor], renderer: Collage, repeats: int) -> dict[str, float]:
    """Return median seconds of forward, backward and both, by the clock and of CPU."""
    weights = torch.randn(len(renderer.patch), 4, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    rows = []
    for _ in range(repeats + 1):
        renderer.zero_grad()
        start, cpu = time.perf_counter(), time.process_time()
        canvas = render(renderer)
        middle = time.perf_counter()
        (canvas * weights).sum().backward()
        end = time.perf_counter()
        rows.append([middle - start, end - middle, end - start, time.process_time() - cpu])
    medians = torch.tensor(rows[1:]).median(0).values.tolist()
    return dict(zip(("forward", "backward", "both", "cpu"), medians, strict=True))


def peak_growth(form: str, mode: str) -> float:
    """Return by how many MB one forward + backward raises the peak, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.collage", "--memory-of", form, "--mode", mode]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def memory_of(form: str, mode: str) -> float:
    """Measure in this process."""
    renderer = scenes.scene(mode)
    with torch.enable_grad():
        (renderer.translation * 2).sum().backward()  # autograd's own start-up is not counted
    render = ours if form == "ours" else dense
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, a parent's even, is forgotten
    before = peak()
    render(renderer).sum().backward()
    return peak() - before


def peak() -> float:
    """Return the peak of resident memory in MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def large(repeats: int) -> dict[str, float]:
    """Time 1,000 patches at 448 x 448."""
    renderer = scenes.scene("over", count=1000, side=448)
    rows = []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        renderer(Size(448, 448)).sum().backward()
        rows.append([time.perf_counter() - start, time.process_time() - cpu])
    clock, cpu_time = torch.tensor(rows).median(0).values.tolist()
    return {"both": clock, "cpu": cpu_time}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--mode", default="over", choices=scenes.MODES)
    parser.add_argument("--memory-of", choices=("ours", "dense"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(memory_of(options.memory_of, options.mode))
        return
    result: dict[str, object] = {
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "threads": options.threads,
        "machine": platform.processor() or platform.machine(),
        "seed": scenes.SEED,
    }
    for mode in scenes.MODES:
        renderer = scenes.scene(mode)
        row = {
            form: timed(render, renderer, n)
            for form, render, n in (
                ("ours", ours, options.repeats),
                ("dense", dense, max(2, options.repeats // 3)),
            )
        }
        row["faster"] = {
            "clock": row["dense"]["both"] / row["ours"]["both"],
            "cpu": row["dense"]["cpu"] / row["ours"]["cpu"],
        }
        row["memory"] = {form: peak_growth(form, mode) for form in ("ours", "dense")}
        result[mode] = row
        print(mode, json.dumps(row), file=sys.stderr, flush=True)
    result["1000 patches at 448 x 448"] = large(3)
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
