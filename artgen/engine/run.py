"""Painting: a configuration in, a folder with the finished picture out."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch

from artgen.config import RunConfig
from artgen.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from artgen.engine.evolution import Evolution, initial_search
from artgen.engine.events import Event, Finished, Listener, Started, Stepped, ignore
from artgen.engine.folder import make_folder, write_atomically
from artgen.engine.loop import LoopState, Stage, on_background, optimise
from artgen.engine.metrics import Metrics
from artgen.engine.optimiser import load_moments, make_optimiser, moments
from artgen.engine.randomness import Streams
from artgen.engine.setup import Workshop, make_workshop, start_candidates
from artgen.errors import InputError, RunError
from artgen.export.pictures import write_pictures

CHECKPOINT = "checkpoint.safetensors"
MEASURED_PACKAGES = ("artgen", "torch", "open-clip-torch", "kornia", "timm", "numpy", "pillow", "safetensors")

Outcome = Literal["done", "plateau", "stopped", "not finite"]


@dataclass(frozen=True)
class RunResult:
    """What a run ended with.

    Args:
        folder: the run's folder.
        picture: the best candidate's picture.
        pictures: all pictures written, best first.
        reason: why the run ended.
        loss: the best candidate's smoothed loss.
        losses: all candidates' smoothed losses, in the order of `pictures`.
        step: number of steps done.
        seconds: time spent, over all sittings.
        seed: what it can be run again with.
    """

    folder: Path
    picture: Path
    pictures: Sequence[Path]
    reason: Outcome
    loss: float
    losses: Sequence[float]
    step: int
    seconds: float
    seed: int


def paint(
    config: RunConfig,
    out: Path | None = None,
    *,
    force: bool = False,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run a configuration from the start.

    Args:
        config: what to paint, and how.
        out: the run's own folder; `runs/<date>-<slug>-<seed>` if None.
        force: replace what an earlier run left in `out`.
        listen: told what happens.
        should_stop: asked before every step; the picture of that moment is kept.

    Raises:
        ArtgenError: with one line that names the cure.

    Example:
        >>> result = paint(RunConfig(prompts="a blue rabbit", seed=1))   # doctest: +SKIP
        >>> result.picture                                               # doctest: +SKIP
    """
    _use_threads(config.threads)
    workshop = make_workshop(config)
    folder = make_folder(out, config.prompts[0] if config.prompts else "target", config.seed, force)
    streams = Streams(config.seed)
    start_candidates(workshop, config, streams["init"])
    _search(workshop, config, streams)
    renderer = workshop.stage.renderer
    state = LoopState(make_optimiser(renderer, config.optimiser), streams, Evolution(config.evolution))
    write_atomically(folder / "config.yaml", config.to_yaml().encode())
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return _Run(config, folder, workshop, state, listen).go(should_stop)


def resume(
    folder: Path,
    *,
    listen: Listener = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Go on with a run from its checkpoint; it ends with the bits of an uninterrupted run.

    Raises:
        InputError: the folder has no whole checkpoint.
    """
    checkpoint = load_checkpoint(folder / CHECKPOINT)
    facts = checkpoint.facts
    config = RunConfig.from_text(json.dumps(facts["config"]))
    _use_threads(facts["threads"])
    workshop = make_workshop(config, facts["formats"])
    workshop.stage.objective.views_per_pass = facts["views_per_pass"]
    state = _restore(checkpoint, workshop, config)
    return _Run(config, folder, workshop, state, listen).go(should_stop)


class _Run:
    """One sitting of a run: the loop, with its checkpoints and files.

    Args:
        config: the run's description.
        folder: where its files go.
        workshop: what it works with.
        state: where it stands.
        listen: told what happens.
    """

    def __init__(
        self, config: RunConfig, folder: Path, workshop: Workshop, state: LoopState, listen: Listener
    ) -> None:
        self.config = config
        self.folder = folder
        self.workshop = workshop
        self.state = state
        self.metrics = Metrics(folder / "metrics.jsonl", config.steps, state.step)
        self._listener = listen
        self._last_checkpoint = time.monotonic()

    def go(self, should_stop: Callable[[], bool]) -> RunResult:
        """Optimise to the end, and write everything."""
        self._listener(Started(self.folder, self.config.seed, self.state.step, self.config.steps))
        failure: RunError | None = None
        reason: Outcome
        try:
            reason = optimise(
                self.workshop.stage,
                self.state,
                self.config.steps,
                self.config.seconds,
                self._listen,
                should_stop,
                self._after_step,
            )
        except RunError as error:
            failure, reason = error, "not finite"
        result = self._finish(reason)
        if failure is not None:
            raise failure
        self._listener(Finished(self.folder, reason))
        return result

    def _listen(self, event: Event) -> None:
        if isinstance(event, Stepped):
            self.metrics.note(event)
        self._listener(event)

    def _after_step(self) -> None:
        if time.monotonic() - self._last_checkpoint >= self.config.snapshots.checkpoint_seconds:
            self.checkpoint()
        every = self.config.snapshots.picture_steps
        if every is not None and self.state.step % every == 0:
            self._write_pictures()

    def checkpoint(self) -> None:
        """Write the metrics so far and a checkpoint."""
        self.metrics.flush()
        save_checkpoint(self.folder / CHECKPOINT, _capture(self.config, self.workshop, self.state))
        self._last_checkpoint = time.monotonic()

    def _write_pictures(self) -> list[Path]:
        order = _best_first(self.state)
        return write_pictures(self.folder, self.workshop, self.config, order)

    def _finish(self, reason: Outcome) -> RunResult:
        self.checkpoint()
        pictures = self._write_pictures()
        order = _best_first(self.state)
        smoothed = self.state.smoothed
        losses = [float(smoothed[index]) for index in order] if smoothed is not None else [float("nan")] * len(order)
        result = RunResult(
            self.folder,
            pictures[0],
            pictures,
            reason,
            losses[0],
            losses,
            self.state.step,
            self.state.elapsed,
            self.config.seed,
        )
        write_atomically(self.folder / "run.json", _report(self, result).encode())
        return result


def _best_first(state: LoopState) -> list[int]:
    if state.smoothed is None:
        return [0]
    return [int(index) for index in state.smoothed.argsort(stable=True)]


def _search(workshop: Workshop, config: RunConfig, streams: Streams) -> None:
    """Try many random populations first, all with the same views, if asked to."""
    if config.evolution.search <= 1 or config.init is not None:
        return
    stage = workshop.stage
    shared = Streams(config.seed)

    def evaluate(renderer: Any) -> torch.Tensor:
        views = [torch.Generator().manual_seed(shared["search"].initial_seed()) for _ in range(config.population)]
        return stage.objective(on_background(renderer(stage.canvas), stage.background), views).losses

    initial_search(stage.renderer, evaluate, config.evolution.search, streams["init"])


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)


def _capture(config: RunConfig, workshop: Workshop, state: LoopState) -> Checkpoint:
    stage: Stage = workshop.stage
    optimiser = {
        f"{name}/{key}": tensor
        for name, tensors in moments(stage.renderer, state.optimiser).items()
        for key, tensor in tensors.items()
    }
    loop = {} if state.smoothed is None else {"smoothed": state.smoothed}
    if state.feedback is not None:
        loop |= {"image": state.feedback.image, "gradient": state.feedback.gradient}
    facts = {
        "config": json.loads(config.to_json()),
        "step": state.step,
        "lowest": state.lowest if state.smoothed is not None else None,
        "waiting": state.waiting,
        "elapsed": state.elapsed if config.seconds is not None else 0.0,
        "threads": torch.get_num_threads(),
        "formats": {guide.name: str(guide.precision).removeprefix("torch.") for guide in workshop.guides},
        "digests": {guide.name: guide.digest for guide in workshop.guides},
        "views_per_pass": stage.objective.views_per_pass,
        "versions": versions(),
    }
    groups = {
        "renderer": stage.renderer.state(),
        "optimiser": optimiser,
        "streams": state.streams.state(),
        "evolution": state.evolution.state(),
        "loop": loop,
    }
    return Checkpoint(facts, groups)


def _restore(checkpoint: Checkpoint, workshop: Workshop, config: RunConfig) -> LoopState:
    facts, tensors = checkpoint.facts, checkpoint.tensors
    for guide in workshop.guides:
        if facts["digests"].get(guide.name) != guide.digest:
            raise InputError(f"the guide {guide.name!r} is not the one this run began with; use artgen rerun instead")
    renderer = workshop.stage.renderer
    start_candidates(workshop, config.model_copy(update={"init": None}), torch.Generator().manual_seed(0))
    renderer.load_state(tensors["renderer"])
    optimiser = make_optimiser(renderer, config.optimiser)
    by_parameter: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.get("optimiser", {}).items():
        parameter, _, key = name.rpartition("/")
        by_parameter.setdefault(parameter, {})[key] = tensor
    load_moments(renderer, optimiser, by_parameter)
    streams, evolution = Streams(config.seed), Evolution(config.evolution)
    streams.load_state(tensors.get("streams", {}))
    evolution.load_state(tensors.get("evolution", {}))
    loop = tensors.get("loop", {})
    state = LoopState(optimiser, streams, evolution, facts["step"], facts["elapsed"], loop.get("smoothed"))
    if "image" in loop:
        from artgen.renderers.base import Feedback

        state.feedback = Feedback(loop["image"].to(workshop.device), loop["gradient"].to(workshop.device))
    lowest = facts["lowest"]
    return replace(state, lowest=float("inf") if lowest is None else lowest, waiting=facts["waiting"])


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"python": platform.python_version()}
    for package in MEASURED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _report(run: _Run, result: RunResult) -> str:
    """Return run.json: what was made, with what, how long it took."""
    facts = _capture(run.config, run.workshop, run.state).facts
    report = {
        "reason": result.reason,
        "step": result.step,
        "seconds": round(result.seconds, 3),
        "seconds_per_step": round(result.seconds / result.step, 5) if result.step else None,
        "seed": result.seed,
        "pictures": [picture.name for picture in result.pictures],
        "losses": list(result.losses),
        "guides": [
            {"name": guide.name, "sha256": guide.digest, "format": facts["formats"][guide.name]}
            for guide in run.workshop.guides
        ],
        "device": str(run.workshop.device),
        "threads": facts["threads"],
        "versions": facts["versions"],
        "config": facts["config"],
    }
    return json.dumps(report, indent=2, allow_nan=True)
