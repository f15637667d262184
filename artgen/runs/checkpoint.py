"""Checkpoints: everything a run needs to go on and end with the same bits, as safetensors.

The file holds named tensors and one JSON object (one metadata key, since safetensors
does not keep the order of several). Nothing in it depends on the time of day or on how
long the run took, except for runs limited by `--seconds`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from artgen.errors import InputError
from artgen.files import require_plain_file, write_atomically

CHECKPOINT = "checkpoint.safetensors"
"""Name of the file in a run's folder."""
FORMAT = 1
"""Version of the file's layout."""


@dataclass(frozen=True)
class Checkpoint:
    """A run at one step.

    Args:
        facts: JSON values: configuration, step, number formats, versions.
        tensors: by group ("renderer", "optimiser", "streams", "evolution", "loop", "sketch"), then name.
    """

    facts: Mapping[str, Any]
    tensors: Mapping[str, Mapping[str, Tensor]]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; an older one is replaced only by a whole new one."""
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous().clone(memory_format=torch.contiguous_format)
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    facts = json.dumps({"format": FORMAT, **checkpoint.facts}, sort_keys=True)
    write_atomically(path, save(flat, metadata={"artgen": facts}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: no such file, damaged, or not a checkpoint of artgen.
    """
    try:
        require_plain_file(path)
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["artgen"])
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise InputError(f"{path}: no checkpoint here; give the folder of a run") from None
    except (SafetensorError, KeyError, ValueError, OSError, MemoryError) as error:
        reason = type(error).__name__
        raise InputError(f"{path}: not a whole artgen checkpoint ({reason}); start the run again") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise InputError(f"{path}: a checkpoint of another artgen version; run it there, or start again")
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        group, _, rest = name.partition("/")
        grouped.setdefault(group, {})[rest] = tensor
    return Checkpoint(facts, grouped)
