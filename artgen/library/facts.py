"""From the files of a run to the facts about it, with every value checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from artgen.library.card import RunFacts
from artgen.library.files import (
    DamagedError,
    Stamp,
    read_configuration,
    read_end,
    read_report,
)
from artgen.library.lineage import ancestors, run_identity
from artgen.library.values import cells_in, losses_in, number_in, text_in, texts_in, time_in
from artgen.plain_json import read_json

REASONS = ("done", "plateau", "stopped", "failed")
"""Why a run ended, as run.json has it."""
LARGEST_SEED = 2**63 - 1
LONGEST_LINE = 1 << 16
"""Longest line of metrics.jsonl that is read, in bytes."""


def read_facts(folder: Path, report: Stamp | None, configuration: Stamp | None) -> RunFacts:
    """Return what the files of a run say; a damaged run has facts too.

    Args:
        folder: the run's.
        report: stamp of its run.json, None without one.
        configuration: stamp of its config.yaml, None without one.
    """
    try:
        if report is not None:
            return _from_report(read_report(folder), report, configuration)
        if configuration is not None:
            return _from_configuration(read_configuration(folder), configuration)
        raise DamagedError("neither run.json nor config.yaml is there")
    except RecursionError:
        damage = "its configuration is nested too deeply"
    except DamagedError as error:
        damage = str(error)

    return RunFacts(damage=damage, begun=_time_of(report or configuration))


def _from_report(report: Mapping[str, Any], stamp: Stamp, configuration: Stamp | None) -> RunFacts:
    """Return the facts in a run.json; those of earlier versions lack some keys."""
    config = report.get("config")
    if not isinstance(config, dict):
        raise DamagedError("run.json has no configuration")

    reason = report.get("reason")
    if reason not in REASONS:
        raise DamagedError("run.json does not say why the run ended")
    step = number_in(report, "step")
    if step is None or report.get("losses") is None:
        raise DamagedError("run.json has no step or no losses")

    facts = _about(config)
    facts |= {
        "reason": reason,
        "step": step,
        "losses": losses_in(report),
        "begun": time_in(report, "begun") or _time_of(configuration),
        "ended": time_in(report, "ended") or _time_of(stamp),
    }
    if "identity" in report:
        facts |= {"identity": text_in(report, "identity"), "ancestors": texts_in(report, "ancestors")}
    else:
        facts |= _lineage(config)
    return RunFacts(**facts)


def _from_configuration(config: Mapping[str, Any], stamp: Stamp) -> RunFacts:
    """Return the facts of a run that has not written its report."""
    return RunFacts(**_about(config), **_lineage(config), begun=_time_of(stamp))


def _lineage(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identities that follow from a configuration."""
    return {"identity": run_identity(config), "ancestors": ancestors(config)}


def _about(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that a configuration contains.

    Raises:
        DamagedError: a value is missing or has the wrong type.
    """
    seed = number_in(config, "seed", largest=LARGEST_SEED)
    renderer = text_in(config, "renderer")
    if seed is None or renderer is None:
        raise DamagedError("the configuration has no seed or no renderer")

    prompts = [
        *texts_in(config, "prompts"),
        *cells_in(config, "composition"),
        *cells_in(config, "tile_prompts"),
    ]
    steps = _total_steps(config)
    return {"prompts": tuple(prompts), "seed": seed, "renderer": renderer, "steps": steps}


def _total_steps(config: Mapping[str, Any]) -> int | None:
    """Return the number of steps of a run, all tiles included; None if it is limited by time."""
    steps = number_in(config, "steps")
    if steps is None or config.get("seconds") is not None:
        return None

    tiles = text_in(config, "tiles")
    if tiles is not None:
        columns, _, rows = tiles.lower().partition("x")
        if not (columns.isdecimal() and rows.isdecimal() and len(tiles) < 12):
            raise DamagedError("'tiles' is not COLUMNSxROWS")
        return steps * int(columns) * int(rows)

    grid = config.get("tile_prompts") or ()
    return steps * max(1, sum(len(row) for row in grid if isinstance(row, list)))


def latest_step(folder: Path) -> int | None:
    """Return the last step in a run's metrics.jsonl, None if there is none or it cannot be read."""
    lines = read_end(folder / "metrics.jsonl", LONGEST_LINE).split(b"\n")
    if len(lines) < 2:
        return None
    try:
        line = read_json(lines[-2])  # the file ends with a line break
        return number_in(line, "step") if isinstance(line, dict) else None
    except (ValueError, RecursionError, DamagedError):
        return None


def _time_of(stamp: Stamp | None) -> datetime | None:
    """Return when a file was changed, None for a time outside the calendar."""
    if stamp is None:
        return None
    try:
        return datetime.fromtimestamp(stamp[0] / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None
