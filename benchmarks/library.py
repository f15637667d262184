"""Listing 5,000 runs: the first time, when every report is read, and afterwards, with the index.

    python -m benchmarks.library [--runs 5000] [--rounds 7]

The runs are copies of a short collage, each with a seed of its own. Their files are in the memory of the
system, as they are after any use of the folder; reading them from a disk takes longer.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from artgen.config import RunConfig
from artgen.library.lineage import run_identity
from artgen.runs.paint import paint
from benchmarks.common import Results, parser

EMPTY = ("image.png", "timelapse.mp4", "metrics.jsonl", "checkpoint.safetensors")
"""Files of a run that are only looked for."""
LIST = """
import sys, time
from pathlib import Path
from artgen.library import runs

begun, processor = time.perf_counter(), time.process_time()
found = runs(Path(sys.argv[1]))
print(len(found), time.perf_counter() - begun, time.process_time() - processor)
"""
IMPORT = """
import time
begun = time.perf_counter()
import artgen.library
print(time.perf_counter() - begun)
"""


def make_runs(root: Path, model: Path, count: int) -> None:
    """Write the folders of many runs.

    Args:
        root: a new folder for them.
        model: folder of a finished run.
        count: number of runs.
    """
    report = json.loads((model / "run.json").read_text())
    configuration = (model / "config.yaml").read_text()

    for seed in range(count):
        folder = root / f"2026-01-01-a-blue-rabbit-{seed}"
        folder.mkdir(parents=True)
        report["seed"] = report["config"]["seed"] = seed
        report["identity"] = run_identity(report["config"])
        (folder / "run.json").write_text(json.dumps(report, indent=2))
        (folder / "config.yaml").write_text(configuration)
        for name in EMPTY:
            (folder / name).touch()


def list_seconds(root: Path, cache: Path, count: int) -> tuple[float, float]:
    """Return the seconds, and the processor seconds, that listing takes in a new process.

    Args:
        root: folder of the runs.
        cache: folder for the index.
        count: expected number of runs.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    listed, seconds, processor = _run(LIST, str(root), environment=environment)
    assert int(listed) == count
    return float(seconds), float(processor)


def _run(code: str, *arguments: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the words that a program prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the folders, list them, and measure."""
    options_ = parser("library", __doc__)
    options_.add_argument("--runs", type=int, default=5000, help="number of runs (default 5000)")
    options_.add_argument("--rounds", type=int, default=7, help="listings of each kind (default 7)")
    options = options_.parse_args(arguments)
    count, rounds = (20, 1) if options.trial else (options.runs, options.rounds)
    results = Results("library", options)

    with tempfile.TemporaryDirectory() as temporary:
        root, cache = Path(temporary) / "runs", Path(temporary) / "cache"
        values = {"prompts": "a blue rabbit", "renderer": "collage", "steps": 1, "losses": {"sketch": 0}}
        model = paint(RunConfig.make({**values, "timelapse": {"kind": "none"}}), Path(temporary) / "model")
        make_runs(root, model.folder, count)

        first: list[tuple[float, float]] = []
        second: list[tuple[float, float]] = []
        for _ in range(rounds):
            shutil.rmtree(cache, ignore_errors=True)
            first.append(list_seconds(root, cache, count))
            second.append(list_seconds(root, cache, count))

    imports = [float(_run(IMPORT)[0]) for _ in range(rounds)]
    kinds = {"the first list": (first, "< 1.5"), "a list with the index": (second, "< 0.3")}
    for name, (pairs, goal) in kinds.items():
        seconds, processor = (statistics.median(each) for each in zip(*pairs, strict=True))
        results.note(f"{count:,} runs: {name}", seconds, "s", goal)
        results.note("  processor seconds of it", processor, "s")
    results.note("importing artgen.library", statistics.median(imports), "s")
    results.finish(first=first, second=second, imports=imports)


if __name__ == "__main__":
    main()
