"""The index: facts about runs, kept in the user's cache so that a list of many runs is quick.

The folders are the truth. An entry counts only while its run.json and config.yaml are those it was made from. An
index that is damaged or was written for another folder or by another version is ignored, and written again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from platformdirs import user_cache_path

from artgen.errors import RunError
from artgen.files import write_atomically
from artgen.library.card import RunFacts
from artgen.library.facts import LARGEST_SEED
from artgen.library.files import DamagedError, Stamp, read_index
from artgen.library.lineage import MOST_ANCESTORS
from artgen.library.values import losses_in, number_in, text_in, texts_in, time_in

FORMAT = 1
"""Version of the file's content; another one is ignored."""
LARGEST_INDEX = 1 << 27
"""Largest index in bytes; it has about 600 bytes for each run."""

Stamps = tuple[Stamp | None, Stamp | None]
"""Of run.json and of config.yaml."""


class Index:
    """Facts about the runs in a folder.

    Args:
        root: the folder, as an absolute path without links.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        name = hashlib.sha256(root.encode(errors="surrogateescape")).hexdigest()[:32]
        self._path = user_cache_path("artgen") / "library" / f"{name}.json"
        self._old = self._load()
        self._new: dict[str, Any] = {}
        self._changed = False

    def find(self, name: str, stamps: Stamps) -> RunFacts | None:
        """Return the facts about a run, None if they are not known or its files have changed.

        Args:
            name: path of the run's folder, from the root.
            stamps: of its files.
        """
        entry = self._old.get(name)
        if not isinstance(entry, dict) or entry.get("stamps") != _as_text(stamps):
            return None
        try:
            facts = facts_from(entry)
        except DamagedError:
            return None
        self._new[name] = entry
        return facts

    def note(self, name: str, stamps: Stamps, facts: RunFacts) -> None:
        """Keep the facts about a run; the arguments are those of `find`."""
        known = {key: _plain(value) for key, value in vars(facts).items() if value not in (None, ())}
        self._new[name] = {"stamps": _as_text(stamps), **known}
        self._changed = True

    def save(self) -> None:
        """Write the index if a run has changed or is gone; a cache that cannot be written is no error."""
        if not self._changed and len(self._new) == len(self._old):
            return
        content = json.dumps({"format": FORMAT, "root": self._root, "runs": self._new}).encode()
        if len(content) > LARGEST_INDEX:
            return
        with contextlib.suppress(RunError, OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._path, content)

    def _load(self) -> dict[str, Any]:
        """Return the entries of the index file, none if it is missing or not usable."""
        try:
            content = read_index(self._path, LARGEST_INDEX)
        except DamagedError:
            return {}
        runs = content.get("runs")
        is_ours = content.get("format") == FORMAT and content.get("root") == self._root
        return runs if is_ours and isinstance(runs, dict) else {}


def facts_from(values: Mapping[str, Any]) -> RunFacts:
    """Return facts that were written into an index.

    Raises:
        DamagedError: a value is missing or has the wrong type.
    """
    is_damaged = values.get("damage") is not None
    if not is_damaged and (values.get("seed") is None or values.get("renderer") is None):
        raise DamagedError("the entry has no seed or no renderer")
    if len(texts_in(values, "ancestors")) > MOST_ANCESTORS:
        raise DamagedError("'ancestors' is too long")
    return RunFacts(
        prompts=texts_in(values, "prompts"),
        seed=number_in(values, "seed", largest=LARGEST_SEED),
        renderer=text_in(values, "renderer"),
        reason=text_in(values, "reason"),
        losses=losses_in(values),
        step=number_in(values, "step"),
        steps=number_in(values, "steps"),
        begun=time_in(values, "begun"),
        ended=time_in(values, "ended"),
        identity=text_in(values, "identity"),
        ancestors=texts_in(values, "ancestors"),
        damage=text_in(values, "damage"),
    )


def _as_text(stamps: Stamps) -> str:
    """Return stamps as one text, which is quicker to read and to compare than lists."""
    report, configuration = stamps
    return f"{report} {configuration}"


def _plain(value: Any) -> Any:
    """Return a value as JSON can write it."""
    return value.isoformat() if isinstance(value, datetime) else value
