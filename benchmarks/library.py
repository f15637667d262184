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
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

from artgen.config import RunConfig
from artgen.library import runs
from artgen.library.lineage import run_identity
from artgen.runs.paint import paint
from benchmarks.common import Results, parser

EMPTY = ("image.png", "timelapse.mp4", "metrics.jsonl", "checkpoint.safetensors")
"""Files of a run that are only looked for."""
IMPORT = "import time; t = time.perf_counter(); import artgen.library; print(time.perf_counter() - t)"


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


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def import_seconds() -> float:
    """Return the seconds that importing the library takes in a new process."""
    answer = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    return float(answer.stdout)


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

        first: list[float] = []
        second: list[float] = []
        with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(cache)}):
            for _ in range(rounds):
                shutil.rmtree(cache, ignore_errors=True)
                first.append(seconds_of(lambda: runs(root)))
                second.append(seconds_of(lambda: runs(root)))
            assert len(runs(root)) == count

    imports = [import_seconds() for _ in range(rounds)]
    results.note(f"{count:,} runs: the first list", statistics.median(first), "s", "< 1.5")
    results.note(f"{count:,} runs: a list with the index", statistics.median(second), "s", "< 0.3")
    results.note("importing artgen.library", statistics.median(imports), "s")
    results.finish(first=first, second=second, imports=imports)


if __name__ == "__main__":
    main()
