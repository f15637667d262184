"""artgen beside other work: three drafts at once compared with one alone, and the cost of sleeping threads.

    python -m benchmarks.busy [--pairs 10]
    python -m benchmarks.busy --spins 0 1000 10000 100000    # compare other spin counts as well

OpenMP threads spin while they wait for each other; `artgen.threads` lets them sleep. Each round runs
one draft alone and three at once, with artgen's setting and with the OpenMP default, all in turn, so
that a drifting machine affects all alike. The figures are medians of the ratios within a round. Run
this on an otherwise idle machine: it supplies the other work itself.

The time of three drafts is that of the last one to finish. Three cannot take less than the CPU time
of one alone x 3 / cores (without the time spent spinning); it is printed relative to the time of one alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from artgen.threads import SETTINGS
from benchmarks.common import Results, median_ratio, parser
from benchmarks.end_to_end import DRAFT, TRIAL
from benchmarks.processes import Usage, run_artgen

AT_ONCE = 3
DEFAULTS = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"}
"""How GNU's and Intel's OpenMP wait if no variable is set. Set by name, artgen leaves them alone."""
OURS, SPINNING = "artgen's setting", "OpenMP's default"

Seconds = dict[str, list[float]]
"""Seconds in each round, by way of waiting."""


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with these OpenMP wait settings and no others."""
    plain = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return {**plain, **variables}


def ways_to_wait(spins: Sequence[int]) -> dict[str, dict[str, str]]:
    """Return the environments to compare, by name."""
    ways = {OURS: environment({}), SPINNING: environment(DEFAULTS)}
    for count in spins:
        ways[f"GOMP_SPINCOUNT={count}"] = environment({"GOMP_SPINCOUNT": str(count)})
    return ways


class Machine:
    """Runs one draft or several at once.

    Args:
        options: `threads`, `renderer` and `trial`, as parsed by `main`.
        cache: folder of artgen's cache, shared by all runs.
    """

    def __init__(self, options: argparse.Namespace, cache: Path) -> None:
        small = TRIAL if options.trial else ()
        self._command = [*DRAFT, options.renderer, *small, "--quiet", "--set", f"threads={options.threads}"]
        self._cache = cache

    def draft(self, variables: Mapping[str, str]) -> Usage:
        """Run one draft in an empty folder."""
        with tempfile.TemporaryDirectory() as folder:
            return run_artgen(self._command, Path(folder), self._cache, variables)

    def drafts(self, variables: Mapping[str, str]) -> float:
        """Run `AT_ONCE` drafts at once; return the seconds until the last one has finished."""
        begun = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.draft, [variables] * AT_ONCE))
        return time.perf_counter() - begun


def measure(
    machine: Machine, ways: Mapping[str, Mapping[str, str]], rounds: int
) -> tuple[Seconds, Seconds, Seconds]:
    """Return the seconds of one draft alone, of several at once, and the CPU seconds of one alone.

    Every other round goes through the ways backwards, so that none always comes first.
    """
    alone: Seconds = {name: [] for name in ways}
    together: Seconds = {name: [] for name in ways}
    processor: Seconds = {name: [] for name in ways}

    for number in range(rounds):
        order = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in order:
            usage = machine.draft(ways[name])
            alone[name].append(usage.seconds)
            processor[name].append(usage.processor)
        for name in order:
            together[name].append(machine.drafts(ways[name]))
    return alone, together, processor


def note(results: Results, alone: Seconds, together: Seconds, processor: Seconds) -> None:
    """Note every way's figures; only artgen's own setting has goals."""
    for name in alone:
        slowdown = median_ratio(together[name], alone[name])
        cost = median_ratio(alone[name], alone[SPINNING])
        least = statistics.median(processor[name]) * AT_ONCE / (os.cpu_count() or 1)
        goals = ("<= 1.8", "<= 1.1") if name == OURS else ("", "")

        results.note(f"{AT_ONCE} drafts at once / one alone, {name}", slowdown, "", goals[0])
        results.note(f"  CPU time of one alone x {AT_ONCE} / cores", least / statistics.median(alone[name]))
        results.note("  one draft alone", statistics.median(alone[name]), "s")
        if name != SPINNING:
            results.note(f"one alone, {name} / {SPINNING}", cost, "", goals[1])
            gain = median_ratio(together[SPINNING], together[name])
            results.note(f"{AT_ONCE} at once, {SPINNING} / {name}", gain)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all ways in turn and print every figure beside its goal."""
    options_ = parser("busy", __doc__)
    options_.add_argument("--pairs", type=int, default=10, help="rounds (default 10)")
    options_.add_argument("--renderer", default="pixel", help="of the drafts (default pixel)")
    options_.add_argument(
        "--spins", type=int, nargs="*", default=(), help="also measure these values of GOMP_SPINCOUNT"
    )
    options = options_.parse_args(arguments)
    results = Results("busy", options)

    with tempfile.TemporaryDirectory() as cache:
        machine = Machine(options, Path(cache))
        ways = ways_to_wait(options.spins)
        if not options.trial:
            machine.draft(ways[OURS])  # measures the number formats, which the cache then has
        alone, together, processor = measure(machine, ways, 1 if options.trial else options.pairs)

    note(results, alone, together, processor)
    results.finish(alone=alone, together=together, processor=processor)


if __name__ == "__main__":
    main()
