"""Branches: a new run that follows another one up to a step, and then takes other turns."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from artgen.config import RunConfig, Turn
from artgen.config.steering import ordered
from artgen.engine.events import EventStream
from artgen.errors import ArtgenError, InputError, UsageError
from artgen.export.timelapse import FOLDER as FRAMES
from artgen.files import make_part_folder
from artgen.guides.base import Guide
from artgen.guides.pool import GuidePool
from artgen.runs.branches import TURNS
from artgen.runs.checkpoint import (
    CHECKPOINT,
    Checkpoint,
    has_checkpoint,
    load_newest,
    previous_checkpoint,
    save_checkpoint,
)
from artgen.runs.folder import claimed, make_folder, prepare_folder
from artgen.runs.inputs import fingerprints, require_known
from artgen.runs.metrics import METRICS
from artgen.runs.paint import start
from artgen.runs.recorder import Run
from artgen.runs.report import RunResult
from artgen.runs.setting import Setting
from artgen.runs.single import resume_single
from artgen.runs.sketch import FILE as SKETCH
from artgen.runs.state import CheckpointHeader
from artgen.runs.steering import validated
from artgen.runs.tile_files import TILES, tile_checkpoint
from artgen.runs.tiled import resume_tiles


def branching(
    run: Path,
    turns: Sequence[Turn] = (),
    *,
    at: int | None = None,
    tile: int | None = None,
    out: Path | None = None,
    force: bool = False,
    open_files: bool = False,
    guides: GuidePool | Sequence[Guide] | None = None,
) -> EventStream[RunResult]:
    """Return a run that repeats another one up to a step, without its later turns, and then takes new turns.

    The other run stays as it was. The new one starts from the nearest state that the other one kept, or from the
    beginning. Its configuration contains all its turns, so that it can be run again without the other one.

    Args:
        run: folder of the other run, or a file in it.
        turns: the new turns; those without a step are made at `at`.
        at: number of steps done before the branch; the run's last step if None.
        tile: number of the tile in which the branch is, None for a picture in one piece.
        out: the new run's folder; `runs/<date>-<slug>-<seed>` if None.
        force: replace what an earlier run left in `out`.
        open_files: open the local files the run names even if they are not those it began with.
        guides: guides that are loaded already, or a pool that keeps those it loads.

    Raises:
        InputError: `run` is not a run.
        UsageError: the turns do not fit the run, or it names files with other content than it began with.

    Example:
        >>> run = Path("runs/2026-01-01-a-red-apple-1")                              # doctest: +SKIP
        >>> branching(run, [Turn(prompts="a blue fish")], at=80).finish()            # doctest: +SKIP
    """
    origin = _Origin.of(run, tile)
    if not open_files:
        require_known(origin.config.local_files(), origin.header.inputs, origin.folder)

    config = origin.branched(turns, at)
    setting = Setting.of(guides)
    return EventStream(_continue(origin, config, at, out, force, setting), setting.requests)


def last_step(run: Path, tile: int | None = None) -> int:
    """Return the number of steps that a run, or one of its tiles, has done.

    Raises:
        InputError: `run` is not a run.
    """
    return _Origin.of(run, tile).header.step


@dataclass(frozen=True)
class _Origin:
    """The run that a branch leaves.

    Args:
        folder: the run's.
        tile: number of the tile in which the branch is, None for a picture in one piece.
        newest: its newest checkpoint.
        header: of that checkpoint.
        config: its configuration.
    """

    folder: Path
    tile: int | None
    newest: Checkpoint
    header: CheckpointHeader
    config: RunConfig

    @classmethod
    def of(cls, run: Path, tile: int | None) -> _Origin:
        """Open a run.

        Raises:
            InputError: it is not a run, or has no such tile yet.
        """
        folder = run if run.is_dir() else run.parent
        path = folder / CHECKPOINT if tile is None else tile_checkpoint(folder, tile)
        if not run.exists() or not has_checkpoint(path):
            part = "" if tile is None else f", tile {tile}"
            raise InputError(f"{run}{part}: is not the folder of a run (no {path.name}); give runs/<name>")
        newest = load_newest(path)
        header = CheckpointHeader.of(newest)
        return cls(folder, tile, newest, header, header.configuration())

    @property
    def path(self) -> Path:
        """The newest checkpoint of the picture, or of the tile."""
        return self.folder / CHECKPOINT if self.tile is None else tile_checkpoint(self.folder, self.tile)

    @property
    def name(self) -> str:
        """Beginning of the names of the states before turns."""
        return "run" if self.tile is None else f"tile-{self.tile + 1:03d}"

    def is_own(self, turn: Turn) -> bool:
        """Return whether a turn belongs to the picture, or to the tile, that is branched."""
        return turn.stage != "sketch" and turn.tile == self.tile

    def branched(self, turns: Sequence[Turn], at: int | None) -> RunConfig:
        """Return the configuration of a branch.

        Raises:
            UsageError: the turns do not fit.
        """
        kept = [turn for turn in self.config.steering if self._stays(turn, at)]
        step = self.header.step if at is None else at
        stage = "run" if self.tile is None else "tile"

        new = []
        for turn in turns:
            own = turn.step if turn.step is not None else step
            if own < step:
                raise UsageError(f"a turn is at step {own}, before the branch at step {step}; use --at {own}")
            new.append(turn.model_copy(update={"step": own, "stage": stage, "tile": self.tile}))

        steering = ordered([*kept, *new])
        config = validated(self.config.model_copy(update={"steering": steering}))
        _require_steps_after(config, new)
        return config

    def _stays(self, turn: Turn, at: int | None) -> bool:
        """Return whether the branch makes a turn of the run."""
        if turn.stage == "sketch":
            return True
        if turn.tile != self.tile:
            return (turn.tile or 0) < (self.tile or 0)
        if at is not None:
            return turn.at < at
        own = [each for each in self.config.steering if self.is_own(each)]
        return turn in own[: self.header.turns]

    def states(self) -> Iterator[Checkpoint]:
        """Yield the states that the run kept, those of late steps first; damaged ones are passed over."""
        yield self.newest
        kept = sorted((self.folder / TURNS).glob(f"{self.name}-*.safetensors"), reverse=True)
        for path in [previous_checkpoint(self.path), *kept]:
            try:
                yield load_newest(path)
            except ArtgenError:
                continue

    def nearest(self, config: RunConfig, at: int | None) -> Checkpoint | None:
        """Return the latest state from which a branch can start, None if it starts from the beginning."""
        wanted = [turn for turn in config.steering if self.is_own(turn)]
        best: tuple[int, Checkpoint] | None = None
        for state in self.states():
            step = self._step_of(state, wanted)
            is_usable = step is not None and (at is None or step <= at)
            if step is not None and is_usable and (best is None or step > best[0]):
                best = step, state
        return best[1] if best is not None else None

    def _step_of(self, state: Checkpoint, wanted: Sequence[Turn]) -> int | None:
        """Return the step of a state, None if other turns than the wanted ones led to it."""
        try:
            header = CheckpointHeader.of(state)
            config = header.configuration()
        except ArtgenError:
            return None
        made = [turn for turn in config.steering if self.is_own(turn)][: header.turns]
        return header.step if made == list(wanted[: header.turns]) else None


def _require_steps_after(config: RunConfig, new: Iterable[Turn]) -> None:
    """Refuse turns at the last step that could only show in later steps.

    Raises:
        UsageError: a turn changes prompts or rates where no step follows.
    """
    total = config.steered(len(config.steering)).steps
    for turn in new:
        needs_steps = turn.prompts is not None or turn.rate is not None
        if config.seconds is None and turn.at >= total and needs_steps:
            raise UsageError(
                f"step {turn.at} is the last one, so new prompts or rates change nothing; "
                "add steps (--continue 100), or branch earlier (--at STEP)"
            )


def _continue(
    origin: _Origin, config: RunConfig, at: int | None, out: Path | None, force: bool, setting: Setting
) -> Run:
    """Start the branch from the nearest state, or from the beginning."""
    state = origin.nearest(config, at)
    if state is None and not origin.tile:
        return (yield from start(config, out, force, setting))

    title = config.steered(len(config.steering)).title
    folder = make_folder(out, title, config.seed, force)
    with claimed(folder):
        prepare_folder(folder, config)
        _copy_records(origin.folder, folder)
        if origin.tile is None:
            assert state is not None
            save_checkpoint(folder / CHECKPOINT, _with_config(state, config))
            return (yield from resume_single(folder, False, setting))

        _copy_tiles(origin, folder, config)
        if state is not None:
            save_checkpoint(tile_checkpoint(folder, origin.tile), _with_config(state, config))
        return (yield from resume_tiles(folder, False, setting))


def _with_config(state: Checkpoint, config: RunConfig) -> Checkpoint:
    """Return a state with another configuration; files that only the new turns name count as known."""
    known = CheckpointHeader.of(state).inputs
    new = [path for path in config.local_files() if path not in known]
    facts = {
        **state.facts,
        "config": config.model_dump(mode="json"),
        "inputs": {**known, **fingerprints(new)},
    }
    return replace(state, facts=facts, notice=None)


def _copy_records(origin: Path, folder: Path) -> None:
    """Copy the losses, the frames and the sketch; those of later steps are dropped when the branch starts."""
    names = [METRICS, SKETCH]
    if (origin / FRAMES).is_dir():
        make_part_folder(folder / FRAMES)
        names += [f"{FRAMES}/{path.name}" for path in (origin / FRAMES).glob("*.png")]
    for name in names:
        source = origin / name
        if source.is_file() and not source.is_symlink():
            shutil.copyfile(source, folder / name)


def _copy_tiles(origin: _Origin, folder: Path, config: RunConfig) -> None:
    """Copy the tiles before the one in which the branch is."""
    assert origin.tile is not None
    make_part_folder(folder / TILES)
    for index in range(origin.tile):
        state = load_newest(tile_checkpoint(origin.folder, index))
        save_checkpoint(tile_checkpoint(folder, index), _with_config(state, config))
