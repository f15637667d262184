"""Continuing one run of a batch under another configuration."""

from __future__ import annotations

from pathlib import Path

from artgen.config import RunConfig, load_config_file
from artgen.engine.events import EventStream
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint, load_checkpoint
from artgen.runs.folder import CONFIGURATION
from artgen.runs.inputs import require_known
from artgen.runs.paint import painting
from artgen.runs.report import RunResult
from artgen.runs.state import CheckpointHeader


def promoting(
    folder: Path,
    config: RunConfig,
    out: Path | None = None,
    *,
    open_files: bool = False,
    force: bool = False,
) -> EventStream[RunResult]:
    """Paint a configuration that was made from the one in the folder of a run.

    Args:
        folder: of the run that is continued.
        config: what to paint now; files that only it names are the user's own choice.
        out: as in `artgen.paint`.
        open_files: open the files that the folder's configuration names even if they are not those its run
            began with.
        force: as in `artgen.paint`.

    Raises:
        UsageError: it names files with other content than its run began with.
    """
    if not open_files:
        checkpoint = folder / CHECKPOINT
        recorded = {}
        if has_checkpoint(checkpoint):
            recorded = dict(CheckpointHeader.of(load_checkpoint(checkpoint)).inputs)
        named = set(RunConfig.make(load_config_file(folder / CONFIGURATION)).local_files())
        require_known([path for path in config.local_files() if path in named], recorded, folder)
    return painting(config, out, force=force)
