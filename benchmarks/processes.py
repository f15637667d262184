"""Memory of this process, and time and memory of others, on Linux. MB and GB are powers of 1,024."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import artgen

ROOT = Path(__file__).parent.parent


class Usage(NamedTuple):
    """Resources that a whole process used.

    Args:
        seconds: elapsed time.
        megabytes: peak of its resident memory.
        processor: seconds of CPU time, summed over its threads.
    """

    seconds: float
    megabytes: float
    processor: float = 0.0


def growth(work: Callable[[], object]) -> float:
    """Return by how many MB `work` raises the peak memory of this process above the present use."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _peak()
    work()
    return _peak() - before


def _peak() -> float:
    """Return the peak of this process's resident memory in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def growth_printed_by(module: str, *arguments: str) -> float:
    """Run a benchmark in a new process and return the last number that it prints.

    Args:
        module: such as "benchmarks.collage".
        arguments: of its command line.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return float(done.stdout.split()[-1])


def run_artgen(
    arguments: Sequence[str], folder: Path, cache: Path, environment: Mapping[str, str] = os.environ
) -> Usage:
    """Run the artgen that is imported here in a new process, and measure it.

    Args:
        arguments: of `artgen`.
        folder: its working directory.
        cache: folder of its cache, with the number formats that it has measured.
        environment: its variables; the import path and the cache are added.

    Raises:
        SystemExit: artgen failed.
    """
    paths = [str(Path(artgen.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    places = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "XDG_CACHE_HOME": str(cache)}
    launcher = [sys.executable, str(Path(__file__).with_name("launch.py"))]
    command = [*launcher, sys.executable, "-m", "artgen", *arguments]

    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env={**environment, **places}
    )
    status, seconds, megabytes, processor = json.loads(done.stdout)
    if status:
        raise SystemExit(f"artgen {' '.join(arguments)} failed with status {status}")
    return Usage(seconds, megabytes, processor)
