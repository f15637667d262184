"""From the command line to the finished picture: wall time and peak memory of whole processes.

python -m benchmarks.end_to_end --runs 5 -- "a blue rabbit" --seed 1
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.common import report


def run_once(arguments: list[str]) -> tuple[float, float]:
    """Run `artgen` in an empty folder; return seconds and peak resident megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "artgen", *arguments, "--quiet"], cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"artgen failed with status {status}")
        return time.perf_counter() - begun, usage.ru_maxrss / 1024


def main() -> None:
    """Run the command several times and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("arguments", nargs="+", help="arguments of artgen")
    options = parser.parse_args()
    seconds, memory = zip(*[run_once(options.arguments) for _ in range(options.runs)], strict=True)
    report(
        {
            "command": ["artgen", *options.arguments],
            "seconds": {"median": statistics.median(seconds), "all": seconds},
            "peak megabytes": {"median": statistics.median(memory), "all": memory},
        }
    )


if __name__ == "__main__":
    main()
