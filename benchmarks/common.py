"""What all benchmarks share: options, figures beside their goals, turns, and a run that is ready to go."""

from __future__ import annotations

import argparse
import json
import operator
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from artgen.config import RunConfig
from artgen.engine.events import EventStream
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState
from artgen.files import write_atomically
from artgen.guides.base import Guide
from artgen.runs.context import RunContext, choose_formats, make_context, start_candidates
from artgen.runs.defaults import resolve
from artgen.runs.report import versions
from artgen.runs.start import begin

RESULTS = Path(".benchmarks")
"""Where the figures are written if `--out` names no file; not under version control."""
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """Return the options that every benchmark has.

    Args:
        name: of the benchmark, which its file of figures is called by.
        about: the module's docstring.
    """
    result = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    result.add_argument(
        "--out", type=Path, default=RESULTS / f"{name}.json", help=f"figures as JSON ({RESULTS}/{name}.json)"
    )
    result.add_argument(
        "--trial", action="store_true", help="everything once and small, to see that it works; proves nothing"
    )
    return result


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it should be.

    Args:
        name: what it is of.
        value: in `unit`.
        unit: empty for a ratio.
        goal: "< 0.15", in the same unit; empty for a figure without a goal.
    """

    name: str
    value: float
    unit: str = ""
    goal: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if not self.goal:
            return None
        relation, limit = self.goal.split()
        return bool(COMPARISONS[relation](self.value, float(limit)))

    def line(self) -> str:
        """Return value, goal, whether it is met, and name, as columns.

        Example:
            >>> Figure("a step", 0.1234, "s", "< 0.15").line().split()
            ['0.1234', 's', 'goal', '<', '0.15', 'met:', 'yes', 'a', 'step']
        """
        goal = f"goal {self.goal}" if self.goal else ""
        met = {None: "", True: "met: yes", False: "met: NO"}[self.met]
        return f"{self.value:>9.4g} {self.unit:<2}  {goal:<13}  {met:<8}  {self.name}"


class Results:
    """The figures of one benchmark; each is printed when it is noted, beside its goal.

    Sets the number of threads, and notes how busy the machine is before anything is measured.

    Args:
        name: of the benchmark.
        options: as parsed by `parser`.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        torch.set_num_threads(options.threads)
        self.name = name
        self.figures: list[Figure] = []
        self._out: Path = options.out
        self._trial: bool = options.trial
        self._load = os.getloadavg()
        self._begun = time.time()

    def note(self, name: str, value: float, unit: str = "", goal: str = "") -> None:
        """Record and print a figure; the arguments are those of `Figure`."""
        figure = Figure(name, float(value), unit, goal)
        self.figures.append(figure)
        print(("(trial) " if self._trial else "") + figure.line(), flush=True)

    def finish(self, **details: Any) -> None:
        """Write all figures as JSON, with versions, device, threads and load.

        Args:
            details: what else belongs to the figures, such as all single timings.
        """
        met = [figure.met for figure in self.figures if figure.goal]
        summary = f"{sum(map(bool, met))} of {len(met)} goals met"
        if self._trial:
            summary = "a trial, whose figures prove nothing"
        content = {
            "benchmark": self.name,
            "trial": self._trial,
            "summary": summary,
            "figures": [
                {**vars(figure), "met": None if self._trial else figure.met} for figure in self.figures
            ],
            **details,
            "machine": {"load before": self._load, **machine()},
            "minutes": round((time.time() - self._begun) / 60, 2),
        }
        self._out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._out, json.dumps(content, indent=1, ensure_ascii=False).encode())
        print(f"{summary}; all figures: {self._out}", flush=True)


def machine() -> dict[str, Any]:
    """Return what timings depend on: device, processor, cores, threads, load and versions."""
    return {
        "device": "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg(),
        "system": platform.platform(),
        "versions": versions(),
    }


def _processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def alternate(
    parts: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2
) -> dict[str, list[float]]:
    """Return each part's seconds per call, run in turn so that a machine's drift hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for round_ in range(rounds + warmup):
        for name, part in parts.items():
            begun = time.perf_counter()
            part()
            if round_ >= warmup:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios, pair by pair."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def prepare(
    config: RunConfig,
    formats: Mapping[str, str] | None = None,
    guides: Sequence[Guide] | None = None,
) -> tuple[RunContext, LoopState]:
    """Return what a run works with and where it begins, without a folder.

    Args:
        config: the run's.
        formats: number formats by guide name; measured if None.
        guides: the configuration's guides if they are loaded already.
    """
    settings = resolve(config, guides=guides)
    choose_formats(settings, formats)
    streams = Streams(config.seed)
    renderer = settings.build_renderer()
    start_candidates(renderer, settings, streams["init"])
    context = make_context(settings, renderer, {})
    return EventStream(begin(context, streams)).finish()
