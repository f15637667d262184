"""Watching a run: what its pictures cost while it paints.

    python -m benchmarks.watching

Each run has the default options of its renderer and the bundled guide. The pictures are asked for at every tenth step.
Their cost is given as a share of the time if they are asked for twice a second, and as the rate at which they take 5 %.
Pictures are converted to 8 bits, as whoever shows them does.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from artgen.config import RunConfig
from artgen.engine.events import Stepped
from artgen.images import to_bytes
from artgen.renderers.base import renderers
from artgen.runs.paint import painting
from artgen.types import Image
from benchmarks.common import Results, parser

SIDE = 384
"""Longer side of the pictures that are drawn, in pixels."""
PER_SECOND = 2
"""How often the judged canvas is shown."""
EVERY = 10
"""Steps between two measurements."""


def seconds_of(draw: Callable[[], Image]) -> float:
    """Return how long it takes to draw and convert pictures."""
    begun = time.perf_counter()
    to_bytes(draw()[0])
    return time.perf_counter() - begun


def measure(config: RunConfig) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds of each judged canvas, of each picture, and of each step, of one run."""
    judged, drawn, steps = [], [], []
    with tempfile.TemporaryDirectory(prefix="artgen-") as folder:
        for event in painting(config, Path(folder) / "run"):
            if not isinstance(event, Stepped) or event.stage.name != "run":
                continue
            steps.append(event.seconds)
            if event.step % EVERY == 0:
                judged.append(seconds_of(event.view.judged))
                drawn.append(seconds_of(functools.partial(event.view.picture, SIDE)))
    return judged, drawn, steps


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every figure beside its goal."""
    options = parser("watching", __doc__).parse_args(arguments)
    results = Results("watching", options)

    for name in renderers.names():
        values = {
            "prompts": "a blue rabbit",
            "renderer": name,
            "seed": 1,
            "steps": 20 if options.trial else 100,
            "losses": {"sketch": 0},
            "timelapse": {"kind": "none"},
            "threads": options.threads,
        }
        judged, drawn, steps = (statistics.median(each) for each in measure(RunConfig.make(values)))
        share = 100 * PER_SECOND * judged
        results.note(f"{name}: judged canvas, {PER_SECOND} a second", share, "%", "<= 2")
        results.note(f"{name}: a picture of {SIDE} px", drawn, "s")
        results.note(f"{name}: pictures a second that take 5 %", 0.05 / drawn, "a second")
        results.note(f"{name}: a step", steps, "s")
    results.finish()


if __name__ == "__main__":
    main()
