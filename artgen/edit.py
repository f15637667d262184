"""Editing a finished picture: keep some elements, delete others, and go on.

from pathlib import Path
from artgen.edit import edit

edit(Path("runs/2026-01-01-a-blue-rabbit-1"), lock=[3, 7], delete=[12], steps=100)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from artgen.config import RunConfig
from artgen.engine.events import Listener, ignore
from artgen.engine.evolution import Evolution
from artgen.engine.folder import clear_outputs, make_folder, write_atomically
from artgen.engine.loop import LoopState
from artgen.engine.optimiser import make_optimiser
from artgen.engine.randomness import Streams
from artgen.engine.report import RunResult
from artgen.engine.run import _Run
from artgen.engine.setup import make_workshop
from artgen.errors import UsageError
from artgen.export.saved import open_run
from artgen.renderers.base import Renderer


def edit(
    run: Path,
    *,
    lock: Sequence[int] = (),
    delete: Sequence[int] = (),
    steps: int = 0,
    out: Path | None = None,
    force: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Go on from a run's best candidate with some elements locked and some deleted.

    The edited picture is a run of its own, which leaves the first as it was and can be
    edited again. Elements are numbered as in `image.svg` (`path-3` is number 3), before
    anything is deleted; what the run had locked stays locked.

    Args:
        run: folder of a run, or a file in it.
        lock: elements that stay as they are.
        delete: elements to remove.
        steps: optimisation steps afterwards; with none the picture is only edited.
        out: the new run's folder; `runs/<date>-<slug>-<seed>` if None.
        force: replace what an earlier run left in `out`.
        listen: told what happens.
        should_stop: asked before every step.

    Raises:
        InputError: `run` is no run.
        UsageError: no such element, or the renderer has none.
    """
    if steps < 0:
        raise UsageError(f"{steps} steps cannot be made; give 0 or more")
    opened = open_run(run)
    edited = opened.candidate(1)
    change_elements(edited, lock, delete)
    config = opened.config.model_copy(update={"population": 1, "steps": max(1, steps), "seconds": None})
    return _continue(config, edited, steps, out, force, listen, should_stop)


def change_elements(renderer: Renderer, lock: Sequence[int], delete: Sequence[int]) -> None:
    """Lock and delete elements, numbered as before the change.

    Raises:
        UsageError: no such element, or one that is both locked and deleted.
    """
    both = sorted(set(lock) & set(delete))
    if both:
        raise UsageError(f"element {both[0]} is to be locked and deleted; choose one")
    if lock:
        renderer.lock(list(lock))
    if delete:
        renderer.remove(list(delete))


def _continue(
    config: RunConfig,
    edited: Renderer,
    steps: int,
    out: Path | None,
    force: bool,
    listen: Listener,
    should_stop: Callable[[], bool],
) -> RunResult:
    workshop = make_workshop(config)
    renderer = workshop.stage.renderer
    renderer.init(1, torch.Generator().manual_seed(config.seed))
    renderer.load_state(edited.state())
    renderer.to(workshop.device)
    state = LoopState(
        make_optimiser(renderer, config.optimiser),
        Streams(config.seed),
        Evolution(config.evolution),
        step=0 if steps else config.steps,
    )
    folder = make_folder(out, config.prompts[0] if config.prompts else "target", config.seed, force)
    clear_outputs(folder)
    write_atomically(folder / "config.yaml", config.to_yaml().encode())
    return _Run(config, folder, workshop, state, listen).go(should_stop)
