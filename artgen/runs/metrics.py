"""metrics.jsonl: the losses of the run, one line per logged step."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from artgen.engine.events import Stepped
from artgen.errors import InputError
from artgen.files import read_file, write_atomically
from artgen.plain_json import read_json

METRICS = "metrics.jsonl"
"""Name of the file in a run's folder."""
LARGEST_METRICS = 1 << 28
"""Largest such file in bytes; a run of one candidate has about 100,000."""
LINES_WANTED = 500
"""Approximate number of lines that a run logs."""


class Metrics:
    """Collects lines and writes them with each checkpoint, so that a resumed run repeats none.

    Args:
        folder: the run's.
        steps: number of steps in total, for the interval between lines.
        done: number of steps already done; later lines of an older file are dropped.

    Raises:
        InputError: the older file is damaged.
    """

    def __init__(self, folder: Path, steps: int, done: int) -> None:
        self._path = folder / METRICS
        self._every = max(1, steps // LINES_WANTED)
        self._lines = self._read(done)
        self._noted: list[Stepped] = []

    def note(self, event: Stepped) -> None:
        """Add a line for the step if it is one to log; its losses are read when it is written.

        Reading them here would make a GPU wait in every step.
        """
        if event.step % self._every == 0 or event.step == 1:
            self._noted.append(event)

    def drop_after(self, step: int) -> None:
        """Forget the lines of later steps."""
        self._lines = [line for line in self._lines if read_json(line)["step"] <= step]
        self._noted = [event for event in self._noted if event.step <= step]

    def flush(self) -> None:
        """Write all lines."""
        self._lines += [_line(event) for event in self._noted]
        self._noted = []
        write_atomically(self._path, "".join(f"{line}\n" for line in self._lines).encode())

    def _read(self, done: int) -> list[str]:
        if not done or not self._path.exists():
            return []
        content = read_file(self._path, LARGEST_METRICS, "remove the file, and resume again")
        text = content.decode("utf-8", errors="replace")

        kept = []
        for number, line in enumerate(text.splitlines(), start=1):
            if self._step_of(line, number) <= done:
                kept.append(line)
        return kept

    def _step_of(self, line: str, number: int) -> int:
        """Return the step that a line of an older file describes.

        Raises:
            InputError: the line is not one of these.
        """
        try:
            step = read_json(line)["step"]
        except (ValueError, KeyError, TypeError):
            step = None
        if not isinstance(step, int):
            raise InputError(
                f"{self._path}: line {number} is damaged; remove that line, or the file, and resume again"
            )
        return step


def _line(event: Stepped) -> str:
    line = {"step": event.step, "losses": _plain(event.losses)}
    line |= {name: _plain(figures) for name, figures in event.terms.items()}
    return json.dumps(line)


def _plain(figures: Sequence[float]) -> list[float | None]:
    """Return losses as JSON can write them: null in place of infinity and NaN."""
    return [figure if math.isfinite(figure) else None for figure in figures]
