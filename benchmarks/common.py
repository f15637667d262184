"""Shared by all benchmarks: options, figures with goals, timing in turn, and a run ready to start."""

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
from artgen.engine.events import EventStream, Requests
from artgen.engine.randomness import Streams
from artgen.engine.state import LoopState
from artgen.files import write_atomically
from artgen.guides.base import Guide
from artgen.runs.context import RunContext, choose_formats, make_context, start_candidates
from artgen.runs.defaults import resolve
from artgen.runs.report import versions
from artgen.runs.start import begin
from artgen.runs.steering import Steering

RESULTS = Path(".benchmarks")
"""Folder of the figures unless `--out` is given; not under version control."""
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has.

    Args:
        name: of the benchmark and of its file of figures.
        about: the module's docstring.
    """
    result = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    result.add_argument(
        "--out", type=Path, default=RESULTS / f"{name}.json", help=f"file of figures ({RESULTS}/{name}.json)"
    )
    result.add_argument(
        "--trial", action="store_true", help="run everything once and small, to check that it works"
    )
    return result


@dataclass(frozen=True)
class Figure:
    """A measured value and its goal.

    Args:
        name: what was measured.
        value: in `unit`.
        unit: empty for a ratio.
        goal: such as "< 0.15", in the same unit; empty for none.
    """

    name: str
    value: float
    unit: str = ""
    goal: str = ""

    @property
    def met(self) -> bool | None:
        """Return whether the goal is met; None without a goal."""
        if not self.goal:
            return None
        relation, limit = self.goal.split()
        return bool(COMPARISONS[relation](self.value, float(limit)))

    def line(self) -> str:
        """Return the value, the goal, whether it is met, and the name, as columns.

        Example:
            >>> Figure("a step", 0.1234, "s", "< 0.15").line().split()
            ['0.1234', 's', 'goal', '<', '0.15', 'met:', 'yes', 'a', 'step']
        """
        goal = f"goal {self.goal}" if self.goal else ""
        met = {None: "", True: "met: yes", False: "met: NO"}[self.met]
        return f"{self.value:>9.4g} {self.unit:<2}  {goal:<13}  {met:<8}  {self.name}"


class Results:
    """Collects the figures of one benchmark and prints each beside its goal.

    This sets the number of threads and records the load of the machine before anything is measured.

    Args:
        name: of the benchmark.
        options: as parsed by `parser`.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        torch.set_num_threads(options.threads)
        self.name = name
        self.figures: list[Figure] = []
        self.device = torch.device(getattr(options, "device", "cpu"))
        self._out: Path = options.out
        self._trial: bool = options.trial
        self._load = os.getloadavg()
        self._begun = time.time()

    def note(self, name: str, value: float, unit: str = "", goal: str = "") -> None:
        """Record and print a figure; the arguments are those of `Figure`. The name of a GPU is added to the name."""
        card = card_name(self.device)
        figure = Figure(f"{name}, on {card}" if card else name, float(value), unit, goal)
        self.figures.append(figure)
        print(("(trial) " if self._trial else "") + figure.line(), flush=True)

    def finish(self, **details: Any) -> None:
        """Write all figures as JSON, with the versions, device, threads and load.

        Args:
            details: further content, such as the single timings.
        """
        met = [figure.met for figure in self.figures if figure.goal]
        summary = f"{sum(map(bool, met))} of {len(met)} goals met"
        if self._trial:
            summary = "a trial; its figures mean nothing"
        figures = [{**vars(figure), "met": None if self._trial else figure.met} for figure in self.figures]

        content = {
            "benchmark": self.name,
            "trial": self._trial,
            "summary": summary,
            "figures": figures,
            **details,
            "machine": {"load before": self._load, **machine(self.device)},
            "minutes": round((time.time() - self._begun) / 60, 2),
        }
        self._out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._out, json.dumps(content, indent=1, ensure_ascii=False).encode())
        print(f"{summary}; all figures: {self._out}", flush=True)


def card_name(device: torch.device) -> str:
    """Return the name of a GPU; empty for a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""


def machine(device: torch.device) -> dict[str, Any]:
    """Return what timings depend on: the device, card, processor, cores, threads, load and versions."""
    return {
        "device": device.type,
        "card": card_name(device),
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
    parts: Mapping[str, Callable[[], object]],
    rounds: int,
    warmup: int = 2,
    repeats: int = 1,
    wait: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Return the seconds of each call, with the parts run in turn so that drift affects all alike.

    Args:
        parts: what to call, by name.
        rounds: timings of each part that count.
        warmup: rounds before that.
        repeats: calls of a part in one timing, which is divided by their number.
        wait: waits until a device has finished; called at both ends of a timing.
    """
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for round_ in range(rounds + warmup):
        for name, part in parts.items():
            wait()
            begun = time.perf_counter()
            for _ in range(repeats):
                part()
            wait()
            if round_ >= warmup:
                seconds[name].append((time.perf_counter() - begun) / repeats)
    return seconds


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios `above` / `below` of pairs."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def prepare(
    config: RunConfig,
    formats: Mapping[str, str] | None = None,
    guides: Sequence[Guide] | None = None,
) -> tuple[RunContext, LoopState]:
    """Return what a run works with and its initial state, without a folder.

    Args:
        config: of the run.
        formats: number formats by name of the guide; measured if None.
        guides: those of the configuration if they are loaded already.
    """
    settings = resolve(config, guides=guides)
    choose_formats(settings, formats)
    streams = Streams(config.seed)
    renderer = settings.build_renderer()
    start_candidates(renderer, settings, streams["init"])
    context = make_context(settings, renderer, {})
    return EventStream(begin(context, streams, Steering(config, Requests()))).finish()
