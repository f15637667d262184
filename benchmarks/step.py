"""What a step costs beside the guide's own forward and backward.

    python -m benchmarks.step --renderer pixel --guide doodle
    python -m benchmarks.step --renderer strokes --guide ViT-B-32 --cutouts 8

Models other than the bundled one get random weights: the arithmetic is the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

from artgen.config import RunConfig
from artgen.engine.events import ignore
from artgen.engine.evolution import Evolution
from artgen.engine.loop import LoopState, _step
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.setup import make_workshop, start_candidates
from benchmarks.common import alternate, median_ratio, report


def random_weights(name: str, folder: Path) -> str:
    """Write an open_clip model with random weights and return its guide spec."""
    import open_clip
    from safetensors.torch import save_file

    model = open_clip.create_model(name, pretrained=None, pretrained_image=False)
    path = folder / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, path)
    return f"{name}={path}"


def measure(renderer: str, guide: str, cutouts: int, precision: str, rounds: int) -> dict[str, object]:
    """Return seconds of a whole step, of the guide alone, and the share of the rest."""
    values = {
        "prompts": "a blue rabbit",
        "renderer": renderer,
        "guides": guide,
        "cutouts": {"count": cutouts},
        "seed": 1,
        "precision": precision,
    }
    config = RunConfig.make(values)
    workshop = make_workshop(config)
    streams = Streams(config.seed)
    start_candidates(workshop, config, streams["init"])
    optimiser = make_optimiser(workshop.stage.renderer, config.optimiser)
    state = LoopState(optimiser, streams, Evolution(config.evolution))
    judge = workshop.guides[0]
    views = torch.rand(cutouts, 3, *judge.image_size)

    def whole() -> None:
        _step(workshop.stage, state, 0.9, ignore)

    def alone() -> None:
        judge.encode_image(views.requires_grad_())[:, 0].sum().backward()

    seconds = alternate({"step": whole, "guide": alone}, rounds)
    step, own = seconds["step"], seconds["guide"]
    return {
        "renderer": renderer,
        "guide": guide.partition("=")[0],
        "cutouts": cutouts,
        "format": str(judge.precision),
        "canvas": list(workshop.stage.canvas),
        "seconds per step": statistics.median(step),
        "seconds of the guide": statistics.median(own),
        "share of the rest": 1 - 1 / median_ratio(step, own),
    }


def main() -> None:
    """Measure one renderer with one guide."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--renderer", default="pixel")
    parser.add_argument("--guide", default="doodle")
    parser.add_argument("--cutouts", type=int, default=16)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        guide = options.guide if options.guide == "doodle" else random_weights(options.guide, Path(folder))
        report(measure(options.renderer, guide, options.cutouts, options.precision, options.rounds))


if __name__ == "__main__":
    main()
