"""Does evolution earn its keep? Collages with and without it at equal guide evaluations.

    python -m benchmarks.evolution [--seeds 5] [--steps 60] [--threads 2] [--out FILE]

Three ways to spend the same number of guide evaluations: two candidates with evolution,
two without, and one for twice as many steps. The figure is the loss of the best candidate
at the end, over the same 64 fixed views for all; smaller is better.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from artgen.config import RunConfig
from artgen.engine.evolution import Evolution
from artgen.engine.loop import LoopState, optimise
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.setup import make_workshop, start_candidates

PROMPTS = {
    "a blue rabbit": "animals",
    "a red car": "vehicles",
    "a sunflower": "plants",
    "a smiling face": "fruit",
    "a house with a tree": "shards",
}
VIEWS = 64


def final_loss(config: RunConfig) -> float:
    """Run a configuration and judge its best candidate on fixed views."""
    workshop = make_workshop(config)
    stage, streams = workshop.stage, Streams(config.seed)
    start_candidates(workshop, config, streams["init"])
    state = LoopState(make_optimiser(stage.renderer, config.optimiser), streams, Evolution(config.evolution))
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    optimise(stage, state, config.steps, None, lambda event: None, lambda: False, nothing)
    with torch.no_grad():
        image = stage.ground.opaque(stage.renderer(stage.canvas))
    rounds = max(1, VIEWS // config.cutouts.count)
    judged = torch.zeros(len(image))
    for index in range(rounds):
        views = [torch.Generator().manual_seed(1000 + index) for _ in image]
        judged += stage.objective(image, views).losses.detach() / rounds
    return float(judged.min())


def variants(prompt: str, patches: str, seed: int, steps: int, threads: int) -> dict[str, RunConfig]:
    """Return the three ways to spend the same evaluations."""
    shared = {"prompts": (prompt,), "renderer": "collage", "options": {"patches": patches}, "seed": seed}
    shared |= {"cutouts": {"count": 8}, "threads": threads, "timelapse": {"kind": "none"}}
    pair = {**shared, "steps": steps, "population": 2}
    every = max(5, steps // 8)
    return {
        "evolution": RunConfig.make({**pair, "evolution": {"method": "microbial", "every": every}}),
        "two apart": RunConfig.make({**pair, "evolution": {"method": "none"}}),
        "one longer": RunConfig.make({**shared, "steps": 2 * steps, "evolution": {"method": "none"}}),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for prompt, patches in PROMPTS.items():
            runs = variants(prompt, patches, seed, options.steps, options.threads)
            row = {name: final_loss(config) for name, config in runs.items()}
            rows.append({"prompt": prompt, "patches": patches, "seed": seed, **row})
            print(json.dumps(rows[-1]), flush=True)
    means = {
        name: sum(row[name] for row in rows) / len(rows) for name in ("evolution", "two apart", "one longer")
    }
    wins = {name: sum(row["evolution"] < row[name] for row in rows) for name in means if name != "evolution"}
    summary = {"runs": len(rows), "means": means, "evolution is better than": wins}
    print(json.dumps(summary))
    if options.out:
        options.out.write_text(json.dumps({"summary": summary, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
