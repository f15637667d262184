"""Finished or stopped runs, opened again without their guides."""

from __future__ import annotations

from pathlib import Path

import torch

from artgen.errors import InputError, broken_input
from artgen.export.files import SavedRun
from artgen.memory import check_canvas
from artgen.renderers.background import make_background
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint, load_checkpoint
from artgen.runs.inputs import require_known
from artgen.runs.setup import build_renderer, population_of
from artgen.runs.state import Facts, take_state


def open_run(path: Path, open_files: bool = False) -> SavedRun:
    """Open a run by its folder, or by a file in it.

    Args:
        path: the folder or the file.
        open_files: open the local files its picture is made of (patches, palette, background,
            mask) even if they are not those it began with.

    Raises:
        InputError: there is no whole checkpoint, or it does not fit.
        UsageError: its picture is made of files with another content than it began with.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists() or not has_checkpoint(folder / CHECKPOINT):
        raise InputError(f"{path}: is not the folder of a run (no {CHECKPOINT}); give runs/<name>")
    checkpoint = load_checkpoint(folder / CHECKPOINT)
    facts = Facts.of(checkpoint)
    config = facts.configuration()
    if not open_files:
        require_known(config.picture_files(), facts.inputs, folder)
    population = population_of(config)
    device = torch.device("cpu")
    check_canvas(population, facts.canvas, device)
    renderer = build_renderer(config, facts.canvas)
    renderer.init(population, torch.Generator().manual_seed(0))
    with broken_input(f"{folder}: its checkpoint is damaged", "run it again"):
        take_state(renderer, checkpoint.tensors["renderer"], population)
        smoothed = checkpoint.tensors.get("loop", {}).get("smoothed")
        order = list(range(population))
        order = order if smoothed is None else sorted(order, key=lambda index: float(smoothed[index]))
    return SavedRun(
        folder, config, renderer, order, make_background(config, device), facts.step, facts.inputs
    )
