"""Which percentage of a step is not the guide's own forward and backward pass.

    python -m benchmarks.step [--rounds 11] [--device cuda]

Every renderer with its default options, with ViT-B/32 at 8 cutouts and with the bundled guide at 16.
ViT-B/32 has random weights, because the arithmetic is the same. Three things run in turn on the same number
of views: a whole step, the guide alone as it leads, and the guide alone as it judges. The rest is the step
less the leading guide; the percentage is rest / (rest + judging guide), the median over the rounds.

Only the bundled guide differs between the two: it leads by its look alone, which costs almost nothing. So
a step is compared with the cost of its whole network.

On a GPU each timing is that of 16 calls in a row, between two waits for the device: as many steps as a run takes
between two readings. Every renderer is measured without and with `cuda_graph`, and the card is named in each line.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from artgen.config import RunConfig
from artgen.devices import deterministic_mode
from artgen.engine.finite import steps_per_reading
from artgen.engine.loop import _step
from artgen.errors import UsageError
from artgen.guides import Guide, load_guide
from artgen.runs.device import pick_device
from benchmarks.common import Results, alternate, parser, prepare

GOALS: Mapping[str, Mapping[str, str]] = {
    "ViT-B-32": {"pixel": "< 10", "strokes": "< 15", "collage": "< 25"},
    "doodle": {"pixel": "<= 50", "strokes": "<= 50", "collage": "<= 50"},
}
"""Largest percentage, by guide and renderer."""
CUTOUTS = {"ViT-B-32": 8, "doodle": 16}
"""Views of each candidate, by guide."""


def random_weights(name: str, folder: Path) -> str:
    """Write an open_clip model with fixed random weights; return it as artgen takes guides."""
    import open_clip
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(name, pretrained=None, pretrained_image=False)
    path = folder / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, path)
    return f"{name}={path}"


def measure(config: RunConfig, rounds: int) -> dict[str, Any]:
    """Return the seconds of whole steps and of the guide alone, and the settings of the measurement."""
    context, state = prepare(config)
    guide, population, device = context.guides[0], context.settings.population, context.settings.device
    views = torch.rand(population * config.cutouts.count, 3, *guide.image_size, device=device)
    views.requires_grad_()
    is_cuda = device.type == "cuda"

    def whole() -> None:
        with deterministic_mode(config.deterministic):
            _step(context.problem, state, 0.9, [])
        if is_cuda:
            state.finite.end(context.problem, state)

    def alone(guide: Guide) -> None:
        guide.encode_image(views)[:, -1].sum().backward()

    judge = load_guide(config.guides[0], device)
    judge.use_precision(guide.precision)
    seconds = alternate(
        {"step": whole, "guide": partial(alone, guide), "judge": partial(alone, judge)},
        rounds,
        repeats=steps_per_reading(device),
        wait=torch.cuda.synchronize if is_cuda else lambda: None,
    )
    return {
        **seconds,
        "format": str(guide.precision).removeprefix("torch."),
        "canvas": list(context.problem.canvas),
        "population": population,
        "views": len(views),
    }


def configuration(
    guide: str, renderer: str, cutouts: int, options: argparse.Namespace, cuda_graph: bool
) -> RunConfig:
    """Return the configuration of the run whose steps are measured."""
    return RunConfig.make(
        {
            "prompts": "a blue rabbit",
            "renderer": renderer,
            "guides": guide,
            "cutouts": {"count": cutouts},
            "seed": 1,
            "precision": options.precision,
            "device": options.device,
            "deterministic": options.deterministic,
            "cuda_graph": cuda_graph,
        }
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each renderer with each guide."""
    options_ = parser("step", __doc__)
    options_.add_argument("--rounds", type=int, default=11, help="timings of each part (default 11)")
    options_.add_argument("--precision", default="auto", help="number format of the guide (default auto)")
    options_.add_argument("--renderer", choices=tuple(GOALS["doodle"]), help="only this renderer")
    options_.add_argument("--guide", choices=tuple(GOALS), help="only this guide")
    options_.add_argument("--device", default="cpu", help="cpu, or cuda for a GPU (default cpu)")
    options_.add_argument("--deterministic", action="store_true", help="repeat the bits of a GPU")
    options = options_.parse_args(arguments)
    try:
        pick_device(options.device)
    except UsageError:
        options_.error(f"--device {options.device}: torch finds no such device here; use --device cpu")
    results, measured = Results("step", options), {}
    graphs = [False, True] if results.device.type == "cuda" else [False]

    for guide in [options.guide] if options.guide else GOALS:
        with tempfile.TemporaryDirectory() as folder:
            spec = guide if guide == "doodle" else random_weights(guide, Path(folder))
            for renderer in [options.renderer] if options.renderer else GOALS[guide]:
                cutouts = 1 if options.trial else CUTOUTS[guide]
                for cuda_graph in graphs:
                    config = configuration(spec, renderer, cutouts, options, cuda_graph)
                    name = f"{renderer}, {guide}, {CUTOUTS[guide]} cutouts" + ", cuda_graph" * cuda_graph
                    measured[name] = measure(config, 1 if options.trial else options.rounds)
                    # The goals are those of a CPU.
                    goal = GOALS[guide][renderer] if results.device.type == "cpu" else ""
                    note(results, name, measured[name], goal)
    results.finish(measured=measured)


def note(results: Results, name: str, measured: Mapping[str, Any], goal: str) -> None:
    """Note the percentage of a step that is not the guide's, and the seconds of a step."""
    rounds = zip(measured["step"], measured["guide"], measured["judge"], strict=True)
    parts = [100 * (step - guide) / (step - guide + judge) for step, guide, judge in rounds]
    results.note(f"{name}: not the guide's own", statistics.median(parts), "%", goal)
    results.note(f"{name}: a step", statistics.median(measured["step"]), "s")


if __name__ == "__main__":
    main()
