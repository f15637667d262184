"""Seconds and peak memory of whole processes, from the command line to the finished picture.

    python -m benchmarks.end_to_end [--runs 3]
    python -m benchmarks.end_to_end -- "a cat" --renderer strokes     # any other command

The figures are medians over the runs. The cache is empty at first, so the first run with each guide and
batch size also measures which number format is faster. All runs are under `all` in the file of figures.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import Results, parser
from benchmarks.processes import Usage, run_artgen


class Case(NamedTuple):
    """A command line of artgen with the goals for its seconds and its peak in GB; empty for none."""

    arguments: Sequence[str]
    seconds: str = ""
    gigabytes: str = ""


RABBIT = ("a blue rabbit", "--seed", "1")
DRAFT = (*RABBIT, "--preset", "draft", "--renderer")
CASES = (
    Case(RABBIT, "< 60", "< 1.5"),
    Case((*RABBIT, "--renderer", "collage", "--patches", "animals"), "< 90"),
    *(Case((*DRAFT, renderer), "< 15") for renderer in ("pixel", "strokes", "collage")),
)
TRIAL = ("--set", "steps=1", "--set", "cutouts.count=1", "--size", "64x64")


def run_once(arguments: Sequence[str], threads: int, cache: Path) -> Usage:
    """Run `artgen` in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*arguments, "--quiet", "--set", f"threads={threads}"]
        return run_artgen(command, Path(folder), cache)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every command several times and print medians beside their goals."""
    options_ = parser("end_to_end", __doc__)
    options_.add_argument("--runs", type=int, default=3, help="of each command (default 3)")
    options_.add_argument("arguments", nargs="*", help="of artgen (default: the commands with goals)")
    options = options_.parse_args(arguments)

    results, taken = Results("end_to_end", options), []
    with tempfile.TemporaryDirectory() as cache:
        for case in [Case(options.arguments)] if options.arguments else CASES:
            command, runs = case.arguments, options.runs
            if options.trial:
                command, runs = [*command, *TRIAL], 1

            usages = [run_once(command, options.threads, Path(cache)) for _ in range(runs)]
            seconds = [usage.seconds for usage in usages]
            megabytes = [usage.megabytes for usage in usages]
            title = " ".join(["artgen", *(repr(word) if " " in word else word for word in case.arguments)])

            results.note(title, statistics.median(seconds), "s", case.seconds)
            results.note(f"{title}: peak", statistics.median(megabytes) / 1024, "GB", case.gigabytes)
            taken.append({"command": title, "seconds": seconds, "megabytes": megabytes})
    results.finish(all=taken)


if __name__ == "__main__":
    main()
