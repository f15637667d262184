"""Going on from one run of a batch under another configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from artgen.config import RunConfig, load_config_file
from artgen.engine.events import Listener, ignore
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint, load_checkpoint
from artgen.runs.inputs import require_known
from artgen.runs.report import RunResult
from artgen.runs.single import paint
from artgen.runs.state import Facts


def promote(
    folder: Path,
    config: RunConfig,
    out: Path | None = None,
    *,
    open_files: bool = False,
    force: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Paint a configuration that was made from the one in a run's folder.

    Args:
        folder: of the run that is gone on from.
        config: what to paint now; files that only it names are the user's own wish.
        out: as in `artgen.engine.run.paint`.
        open_files: open the files that the folder's configuration names even if they are not
            those its run began with.
        force: as in `paint`.
        listen: as in `paint`.
        should_stop: as in `paint`.

    Raises:
        UsageError: it names files with another content than its run began with.
    """
    if not open_files:
        checkpoint = folder / CHECKPOINT
        recorded = Facts.of(load_checkpoint(checkpoint)).inputs if has_checkpoint(checkpoint) else {}
        named = set(RunConfig.make(load_config_file(folder / "config.yaml")).local_files())
        require_known([path for path in config.local_files() if path in named], recorded, folder)
    return paint(config, out, force=force, listen=listen, should_stop=should_stop)
