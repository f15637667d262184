"""Whether evolution improves collages: with and without it, at equal guide evaluations.

    python -m benchmarks.evolution --work .benchmarks/evolution [--seeds 5]

Five prompts, the bundled guide, and three ways to spend the same number of guide evaluations: two
candidates with evolution, two without, and one candidate for twice as many steps. The figure is the loss of
the picture that the run would call its best. Every picture is evaluated on the same 64 new views with the
same noise, so that a lucky last step does not count. Smaller is better.

Finished runs are kept in the folder `--work`. If the benchmark was stopped, start the same command again.
The table is also written as Markdown, beside `--out`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from artgen.config import RunConfig
from artgen.config.presets import SHIPPED, apply_preset, merged
from artgen.engine.loop import optimise
from artgen.export.png import write_png
from artgen.files import write_atomically
from artgen.guides.base import Guide
from artgen.guides.loading import load_guide
from artgen.guides.precision import choose_precision
from artgen.runs.defaults import with_population
from artgen.runs.folder import slug
from artgen.runs.state import format_name
from artgen.types import Image
from benchmarks.common import RESULTS, Results, parser, prepare

PROMPTS = {
    "a blue rabbit": "animals",
    "a red car": "vehicles",
    "a sunflower": "plants",
    "a smiling face": "fruit",
    "a house with a tree": "shards",
}
"""The patch set of each prompt."""
WITH, WITHOUT = "with evolution", ("without, two apart", "without, one for longer")
WAYS = (WITH, *WITHOUT)
VIEWS = 64
"""Views on which a finished picture is evaluated."""
FIRST_VIEW_SEED = 1_000_000
"""Seed of the first pass of those views."""

Row = dict[str, Any]
"""The prompt, patch set and seed, and the final loss in each way."""


def configuration(prompt: str, patches: str, seed: int, way: str, options: argparse.Namespace) -> RunConfig:
    """Return the configuration of one prompt, seed and way; all ways evaluate equally many views."""
    given: dict[str, Any] = {
        "prompts": (prompt,),
        "renderer": "collage",
        "options": {"patches": patches, **({"count": 8} if options.trial else {})},
        "seed": seed,
        "threads": options.threads,
    }
    values = merged(apply_preset({}, options.preset, given), given)
    if options.trial:
        values = merged(values, {"steps": 3, "cutouts": {"count": 2}, "evolution": {"every": 2}})
    if options.every is not None:
        values = merged(values, {"evolution": {"every": options.every}})

    config = RunConfig.make({**values, "population": 2})
    if way == WITH:
        return config
    alone = {"population": 1, "steps": 2 * config.steps} if way == WITHOUT[1] else {}
    none = config.evolution.model_copy(update={"method": "none"})
    return config.model_copy(update={**alone, "evolution": none})


def best_picture(config: RunConfig, guide: Guide) -> tuple[Image, float]:
    """Run a configuration; return the picture [1, 3, H, W] of the best candidate and its final loss."""
    formats = {guide.name: format_name(guide.precision)}
    context, state = prepare(config, formats, [guide])
    problem = context.problem
    for _ in optimise(problem, state, context.budget):
        pass
    assert state.smoothed is not None
    best = int(state.smoothed.argmin())
    with torch.no_grad():
        picture = problem.background.opaque(problem.renderer(problem.canvas))[best : best + 1]
    passes = max(1, VIEWS // config.cutouts.count)

    losses = []
    for number in range(passes):
        generator = torch.Generator().manual_seed(FIRST_VIEW_SEED + number)
        losses.append(float(problem.objective(picture, [generator]).losses))
    return picture, statistics.mean(losses)


def kept_loss(config: RunConfig, guide: Guide, way: str, work: Path) -> float:
    """Return the final loss of a run from the folder of finished runs; run it first if it is missing."""
    identity = {"config": json.loads(config.to_json()), "guide": guide.digest, "views": VIEWS}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    path = work / f"{slug(config.title)}-{config.seed}-{slug(way)}-{digest}.json"

    if not path.is_file():
        picture, loss = best_picture(config, guide)
        write_png(path.with_suffix(".png"), picture[0], config.to_json())
        facts = {"way": way, "loss": loss, "format": format_name(guide.precision), **identity}
        write_atomically(path, json.dumps(facts, indent=1).encode())
    return float(json.loads(path.read_text(encoding="utf-8"))["loss"])


def compare(guide: Guide, options: argparse.Namespace) -> list[Row]:
    """Return the final losses of all prompts and seeds, and print each."""
    rows = []
    prompts = dict(list(PROMPTS.items())[:1]) if options.trial else PROMPTS
    for seed in range(options.seeds):
        for prompt, patches in prompts.items():
            row: Row = {"prompt": prompt, "patches": patches, "seed": seed}
            for way in WAYS:
                config = configuration(prompt, patches, seed, way, options)
                row[way] = kept_loss(config, guide, way, options.work)
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def summary(rows: Sequence[Row]) -> Row:
    """Return the mean loss in each way, and the gain of evolution over each other way.

    The gain is the mean difference between two runs, positive if evolution is better, with its standard
    error. Wins are the runs in which evolution is better.
    """
    means = {}
    for way in WAYS:
        means[way] = statistics.mean([row[way] for row in rows])

    found: Row = {"runs": len(rows), "mean": means}
    for way in WITHOUT:
        gains = [row[way] - row[WITH] for row in rows]
        spread = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        wins = sum(gain > 0 for gain in gains)
        found[way] = {"gain": statistics.mean(gains), "standard error": spread, "wins": wins}
    return found


def markdown(summaries: Mapping[str, Row]) -> str:
    """Return the Markdown table with a row for each of the summaries."""
    wins = [f"wins over {way.removeprefix('without, ')}" for way in WITHOUT]
    head = ["prompt", *(f"mean loss {way}" for way in WAYS), *wins]
    lines = [head, ["---"] * len(head)]
    for name, found in summaries.items():
        means = [f"{found['mean'][way]:.4f}" for way in WAYS]
        wins = [f"{found[way]['wins']} of {found['runs']}" for way in WITHOUT]
        lines.append([name, *means, *wins])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def summaries_of(rows: Sequence[Row]) -> dict[str, Row]:
    """Return the summary of each prompt, and that of `all`."""
    by_prompt: dict[str, list[Row]] = {}
    for row in rows:
        by_prompt.setdefault(row["prompt"], []).append(row)

    summaries = {prompt: summary(group) for prompt, group in by_prompt.items()}
    return {**summaries, "all": summary(rows)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    options_ = parser("evolution", __doc__)
    options_.add_argument("--work", type=Path, default=RESULTS / "evolution", help="folder of finished runs")
    options_.add_argument("--seeds", type=int, default=5, help="runs of each prompt (default 5)")
    options_.add_argument("--preset", default="draft", choices=SHIPPED, help="default draft")
    options_.add_argument("--every", type=int, help="steps between two rounds of evolution")
    options = options_.parse_args(arguments)

    options.seeds = 1 if options.trial else options.seeds
    options.work.mkdir(parents=True, exist_ok=True)
    results = Results("evolution", options)
    guide = load_guide("doodle", "cpu")
    first = configuration(*next(iter(PROMPTS.items())), 0, WITH, options)
    guide.use_precision(
        choose_precision(guide, with_population(first)[1] * first.cutouts.count, torch.device("cpu"))
    )
    rows = compare(guide, options)

    summaries = summaries_of(rows)
    table = markdown(summaries)
    print(f"\n{table}")
    for way in WITHOUT:
        found = summaries["all"][way]
        results.note(f"gain of evolution in mean loss over: {way}", found["gain"], "", "> 0")
        results.note(f"  runs of {len(rows)} in which it is better", found["wins"])
    write_atomically(options.out.with_suffix(".md"), table.encode())
    results.finish(
        preset=options.preset, format=format_name(guide.precision), summary_by_prompt=summaries, rows=rows
    )


if __name__ == "__main__":
    main()
