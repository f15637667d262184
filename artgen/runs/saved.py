"""Opening finished or stopped runs, without their guides."""

from __future__ import annotations

from pathlib import Path

from artgen.errors import InputError, broken_input
from artgen.export.saved_run import SavedRun
from artgen.memory import check_canvas
from artgen.renderers.background import make_background
from artgen.runs.checkpoint import CHECKPOINT, Checkpoint, has_checkpoint, load_checkpoint
from artgen.runs.context import empty_renderer
from artgen.runs.defaults import resolve, with_population
from artgen.runs.inputs import require_known
from artgen.runs.state import CheckpointHeader, smoothed_losses, take_state


def open_run(path: Path, open_files: bool = False) -> SavedRun:
    """Open a run by its folder, or by a file in it.

    Args:
        path: the folder or the file.
        open_files: open the local files its picture is made of (patches, palette, background,
            mask) even if they are not those it began with.

    Raises:
        InputError: there is no intact checkpoint, or it does not fit.
        UsageError: its picture is made of files with other content than it began with.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists() or not has_checkpoint(folder / CHECKPOINT):
        raise InputError(f"{path}: is not the folder of a run (no {CHECKPOINT}); give runs/<name>")
    checkpoint = load_checkpoint(folder / CHECKPOINT)
    header = CheckpointHeader.of(checkpoint)
    config = header.configuration()
    if not open_files:
        require_known(config.picture_files(), header.inputs, folder)

    # The run may have used a device that this machine does not have.
    on_cpu = config.steered(header.turns).model_copy(update={"device": "cpu"})
    settings = resolve(on_cpu, guides=(), canvas=header.canvas)
    check_canvas(settings.population, settings.canvas, settings.device)
    renderer = empty_renderer(settings)
    with broken_input(f"{folder}: its checkpoint is damaged", "run it again"):
        take_state(renderer, checkpoint.tensors["renderer"], settings.population)
        order = _best_first(checkpoint, settings.population)

    return SavedRun(
        folder,
        with_population(config)[0],
        renderer,
        order,
        make_background(config, settings.device),
        header.step,
        header.inputs,
    )


def _best_first(checkpoint: Checkpoint, population: int) -> list[int]:
    """Return the indices of the candidates by smoothed loss, the best first."""
    order = list(range(population))
    smoothed = smoothed_losses(checkpoint, population)
    if smoothed is None:
        return order
    return sorted(order, key=lambda index: float(smoothed[index]))
