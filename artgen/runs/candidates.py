"""Starting where another run ended."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from artgen.errors import InputError, broken_input
from artgen.images import read_opaque
from artgen.renderers.base import Renderer
from artgen.runs.checkpoint import CHECKPOINT, has_checkpoint, load_checkpoint
from artgen.types import Size

TRIAL = Size(8, 8)
"""Size of the picture that shows whether a loaded state can be rendered."""


def start_from_run(renderer: Renderer, folder: Path, generator: torch.Generator) -> None:
    """Give every candidate the state of a run's best one, or, if that does not fit, its picture.

    Args:
        renderer: has its random candidates already.
        folder: of the other run.
        generator: for starting from the picture.

    Raises:
        InputError: the folder is not that of a run.
    """
    state = renderer.upgraded(best_state(folder, renderer.population))
    expected = renderer.state()
    fits = set(state) == set(expected) and all(
        tensor.shape == expected[name].shape and tensor.dtype == expected[name].dtype
        for name, tensor in state.items()
    )
    if fits:
        renderer.load_state(state)
        check_finite(renderer)
    else:
        renderer.init_from(read_opaque(folder / "image.png"), generator)


def best_state(folder: Path, population: int) -> dict[str, Tensor]:
    """Return the state of a run's best candidate, repeated for each place in the population.

    Raises:
        InputError: the folder has no intact checkpoint.
    """
    if not has_checkpoint(folder / CHECKPOINT):
        raise InputError(f"{folder}: is not the folder of a run; give a picture, an SVG, or a run's folder")
    tensors = load_checkpoint(folder / CHECKPOINT).tensors
    smoothed = tensors.get("loop", {}).get("smoothed")
    best = int(smoothed.argmin()) if smoothed is not None and smoothed.numel() else 0
    try:
        return {
            name: tensor[best : best + 1].repeat(population, *[1] * (tensor.dim() - 1))
            for name, tensor in tensors["renderer"].items()
        }
    except (KeyError, IndexError, RuntimeError):
        raise InputError(f"{folder}: its checkpoint is damaged; give its picture instead") from None


def check_finite(renderer: Renderer) -> None:
    """Render a small picture, to check that a loaded state can be used.

    Raises:
        InputError: it cannot, or the picture is not finite.
    """
    with broken_input("the saved state cannot be rendered", "start again"), torch.no_grad():
        usable = bool(torch.isfinite(renderer(TRIAL)).all())
    if not usable:
        raise InputError("the saved state gives a picture that is not finite; start again")
