"""What a batch is to do: seeds written as `1-8,12`, and files with a prompt and options on each line.

A batch's folder holds its jobs (`jobs.json`), so that a stopped batch can continue.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from artgen.config import RunConfig
from artgen.errors import ArtgenError, InputError, UsageError
from artgen.files import read_file, read_text, write_atomically
from artgen.options import Options
from artgen.plain_json import read_json
from artgen.runs.inputs import fingerprints

MOST_JOBS = 10_000
"""Most runs one command starts."""
LARGEST_FILE = 1 << 22
"""Largest file of prompts in bytes."""
JOBS = "jobs.json"
"""Name of the file in a batch's folder that holds its jobs."""
LARGEST_JOBS = 1 << 27
"""Largest such file in bytes."""
_OPTION = re.compile(r"(^|\s)(--[a-z]|-[a-z](\s|$))")
_DASH = re.compile(r"-[^-a-z]")


@dataclass(frozen=True)
class ParsedLine:
    """What a line of a batch asks for.

    Args:
        values: of a configuration, the command line's included.
        has_seed: whether the line itself gives a seed.
    """

    values: dict[str, Any]
    has_seed: bool


@dataclass(frozen=True)
class Job:
    """One run of a batch.

    Args:
        number: its place, from 1.
        text: as it was written.
        config: what to paint, None if that is not to be had.
        error: why it is not.
    """

    number: int
    text: str
    config: RunConfig | None
    error: str | None = None


def parse_seeds(text: str) -> list[int]:
    """Read seeds written as numbers and ranges.

    Raises:
        UsageError: anything else, or too many.

    Example:
        >>> parse_seeds("1-3,8")
        [1, 2, 3, 8]
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,19})\s*(?:-\s*(\d{1,19})\s*)?", part, re.ASCII)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"--seeds {text[:60]!r}: write numbers and ranges, such as 1-8 or 1,5,9-12")
        first, last = int(match[1]), int(match[2] or match[1])
        if len(seeds) + last - first + 1 > MOST_JOBS:
            raise UsageError(f"--seeds {text[:60]!r}: more than {MOST_JOBS} runs; take fewer")
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file of prompts, without empty ones and such as begin with `#`.

    Raises:
        InputError: it cannot be read, is too large or holds no prompts.
    """
    lines = read_text(path, LARGEST_FILE, "give a text file with one prompt on each line").splitlines()
    kept = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    if not kept:
        raise InputError(
            f"{path}: holds no prompts; write one a line, with options such as --steps 100 after it"
        )
    return kept


def split_line(line: str) -> list[str]:
    """Return a line's words as the command line would see them.

    The text before the first option is one prompt, with or without quotes. A prompt that
    starts with a dash and no letter, such as `-5 degrees`, comes last, after `--`.

    Raises:
        UsageError: quotes are not closed.

    Example:
        >>> split_line("a fox's den --steps 50 --cells 16")
        ["a fox's den", '--steps', '50', '--cells', '16']
    """
    try:
        if line.startswith(("'", '"')):
            words = shlex.split(line)
        else:
            option = _OPTION.search(line)
            end = option.start() if option else len(line)
            words = shlex.split(line[end:])
            prompt = line[:end].strip()
            if _DASH.match(prompt):
                words = [*words, "--", prompt]
            elif prompt:
                words = [prompt, *words]
    except ValueError:
        raise UsageError(
            "quotes are not closed; close them, or write \\' for an apostrophe in an option"
        ) from None
    return words


def make_jobs(
    lines: Sequence[str], seeds: Sequence[int], parse: Callable[[Sequence[str]], ParsedLine]
) -> list[Job]:
    """Return a job for each line and seed; a line that is wrong becomes a job with an error.

    Args:
        lines: prompts with options, each to be added to what the command line says.
        seeds: one run each per line; a line's own `--seed` goes before; may be empty.
        parse: turns the words of a line into what it asks for.

    Raises:
        UsageError: too many runs.
    """
    jobs: list[Job] = []
    for line in lines:
        try:
            parsed = parse(split_line(line))
            chosen: Sequence[int | None] = [None] if parsed.has_seed or not seeds else seeds
            for seed in chosen:
                values = parsed.values | ({} if seed is None else {"seed": seed})
                jobs.append(Job(len(jobs) + 1, line, RunConfig.make(values)))
        except ArtgenError as error:
            jobs.append(Job(len(jobs) + 1, line, None, str(error)))
        if len(jobs) > MOST_JOBS:
            raise UsageError(f"more than {MOST_JOBS} runs; take fewer lines or seeds")
    return jobs


class _SavedJob(Options):
    """A job as `jobs.json` has it."""

    number: int = Field(ge=1, le=MOST_JOBS + 1)
    text: str
    config: dict[str, Any] | None
    error: str | None


class _SavedBatch(Options):
    """What `jobs.json` holds."""

    format: Literal[1]
    jobs: list[_SavedJob] = Field(max_length=MOST_JOBS)
    inputs: dict[str, str] = Field(description="fingerprints of the local files that the jobs name")


def is_batch(folder: Path) -> bool:
    """Return whether a folder is that of a batch."""
    return (folder / JOBS).is_file()


def local_files(jobs: Sequence[Job]) -> list[str]:
    """Return the paths of local files that the jobs would open, each once."""
    named = (path for job in jobs if job.config is not None for path in job.config.local_files())
    return list(dict.fromkeys(named))


def write_jobs(folder: Path, jobs: Sequence[Job]) -> None:
    """Write the jobs of a batch, with their seeds and the fingerprints of the files they name."""
    saved = [
        {
            "number": job.number,
            "text": job.text,
            "config": json.loads(job.config.to_json()) if job.config is not None else None,
            "error": job.error,
        }
        for job in jobs
    ]
    content = {"format": 1, "jobs": saved, "inputs": fingerprints(local_files(jobs))}
    write_atomically(folder / JOBS, json.dumps(content, ensure_ascii=False).encode(errors="replace"))


def read_jobs(folder: Path) -> tuple[list[Job], Mapping[str, str]]:
    """Return the jobs of a batch, and the fingerprints of the files it began with.

    Raises:
        InputError: the folder has no such file, or one that is damaged.
        UsageError: a configuration in it is invalid.
    """
    path = folder / JOBS
    try:
        saved = _SavedBatch.model_validate(read_json(read_file(path, LARGEST_JOBS, "start the batch again")))
    except ValueError:  # which pydantic's error is too
        raise InputError(f"{path}: is damaged, or of another version; start the batch again") from None
    jobs = [
        Job(job.number, job.text, RunConfig.make(job.config) if job.config is not None else None, job.error)
        for job in saved.jobs
    ]
    return jobs, saved.inputs
