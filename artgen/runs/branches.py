"""What a steered run keeps beside its checkpoint: the states before its turns, and branches that were left.

`turns/run-0000080.safetensors` is the state before a turn at step 80. `branches/1` is the folder of a run: its
configuration has the turn that was taken back, so that `artgen resume` continues from where it was left.
"""

from __future__ import annotations

from pathlib import Path

from artgen.config import RunConfig
from artgen.files import make_part_folder
from artgen.runs.checkpoint import CHECKPOINT, Checkpoint, save_checkpoint
from artgen.runs.folder import write_configuration

TURNS = "turns"
"""Folder of the states before turns in the folder of a run."""
BRANCHES = "branches"
"""Folder of the branches that were left."""
MOST_BYTES = 200_000_000
"""Largest size of all these states together; the oldest ones are removed. They can be computed again."""


def keep_turn(folder: Path, checkpoint: Checkpoint, name: str) -> None:
    """Keep the state before a turn.

    Args:
        folder: of the run.
        checkpoint: the state.
        name: of the stage and step.
    """
    make_part_folder(folder / TURNS)
    path = folder / TURNS / f"{name}.safetensors"
    path.unlink(missing_ok=True)  # a previous one at this step is of no use, so none is kept beside it
    save_checkpoint(path, checkpoint)
    _make_room(folder)


def keep_branch(folder: Path, checkpoint: Checkpoint, *, whole: bool) -> None:
    """Keep the state that an undo leaves, as the folder of a run.

    Args:
        folder: of the run.
        checkpoint: the state, with the configuration.
        whole: whether the run can continue from this state; otherwise only the configuration is kept, and the
            branch is painted from its start.
    """
    number = 1
    while (folder / BRANCHES / str(number)).exists():
        number += 1
    branch = folder / BRANCHES / str(number)
    make_part_folder(folder / BRANCHES)
    make_part_folder(branch)

    if whole:
        save_checkpoint(branch / CHECKPOINT, checkpoint)
    write_configuration(branch, RunConfig.make(checkpoint.facts["config"]))
    _make_room(folder)


def kept_states(folder: Path) -> list[Path]:
    """Return the files of all states, the oldest first."""
    files = [*(folder / TURNS).glob("*.safetensors"), *(folder / BRANCHES).glob(f"*/{CHECKPOINT}")]
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _make_room(folder: Path) -> None:
    """Remove the oldest states until the rest fits; the newest one always stays."""
    files = kept_states(folder)
    total = sum(path.stat().st_size for path in files)
    for path in files[:-1]:
        if total <= MOST_BYTES:
            break
        total -= path.stat().st_size
        path.unlink()
