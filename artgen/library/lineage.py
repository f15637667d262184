"""Which run was edited from which: runs are matched by a digest of their configurations.

A configuration can name files of the machine. Its digest does not reveal them, and it stays the same when a
folder is renamed, moved or copied to another machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

MOST_ANCESTORS = 50
"""Longest chain of edits that is followed; a configuration may not record a longer one."""


def run_identity(config: Mapping[str, Any]) -> str:
    """Return the identity of a run: 32 hexadecimal digits of the SHA-256 of its configuration.

    The step is not part of it, because a run that continues after it was edited is still the same run.

    Args:
        config: the configuration as JSON data.

    Raises:
        RecursionError: it is nested too deeply.

    Example:
        >>> run_identity({"seed": 1, "steps": 5}) == run_identity({"steps": 5, "seed": 1})
        True
    """
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def ancestors(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the identities of the runs that a picture was steered or edited from, the nearest first.

    A steered run comes from the one that made all its turns except the last, and so on.

    A large picture has a step in between: its joined tiles, which have no folder of their own. Therefore the
    whole chain is recorded, and the nearest run that has a folder counts as the parent.

    Args:
        config: the configuration as JSON data.
    """
    found = _before_turns(config)
    edited = config.get("edited")
    while isinstance(edited, Mapping) and len(found) < MOST_ANCESTORS:
        before = edited.get("config")
        if not isinstance(before, Mapping):
            break
        found.append(run_identity(before))
        edited = before.get("edited")
    return tuple(found)


def _before_turns(config: Mapping[str, Any]) -> list[str]:
    """Return the identities of a run without its last turn, without the last two, and so on."""
    turns = config.get("steering")
    if not isinstance(turns, Sequence) or isinstance(turns, str):
        return []
    counts = range(len(turns) - 1, -1, -1)[:MOST_ANCESTORS]
    return [run_identity({**config, "steering": list(turns[:count])}) for count in counts]
