"""Steering a run: turns that were recorded, and turns that are asked for while it paints.

Before each step the turns that are due are made, then those that were asked for since the last step. The latter are
recorded in the run's configuration with their step, so that a rerun makes them again at the same place.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

from artgen.config import RunConfig, Turn
from artgen.config.steering import StageName, of_stage, ordered
from artgen.engine.events import (
    Event,
    Notice,
    Refused,
    Requests,
    Stage,
    Steered,
    Stepped,
    StopRequested,
    Undo,
)
from artgen.engine.loop import optimise
from artgen.engine.state import LoopState
from artgen.errors import ArtgenError, UsageError
from artgen.runs.checkpoint import Checkpoint
from artgen.runs.history import History, Moment
from artgen.runs.state import capture
from artgen.runs.turns import take_turn
from artgen.runs.work import Work


@runtime_checkable
class Keeper(Protocol):
    """Writes down that a run was steered."""

    def before_turn(self, checkpoint: Checkpoint, name: str) -> None:
        """Keep the state before a turn, for branches.

        Args:
            checkpoint: the state.
            name: of the stage and step, for a file.
        """
        ...

    def after_turn(self) -> None:
        """Write the configuration and the state after a turn."""
        ...

    def before_undo(self, checkpoint: Checkpoint) -> None:
        """Keep the state that an undo leaves, as a branch."""
        ...

    def after_undo(self) -> None:
        """Write the configuration and the state after an undo, and drop what is recorded of later steps."""
        ...


class Steering:
    """The turns of a run, in all its stages.

    Args:
        config: the configuration, with the turns that are recorded so far.
        requests: turns that are asked for.

    Attributes:
        config: the configuration as it is recorded, with every turn that was made.
    """

    def __init__(self, config: RunConfig, requests: Requests) -> None:
        self.config = config
        self.requests = requests

    def of(self, stage: Stage) -> StageSteering:
        """Return the steering of one stage."""
        return StageSteering(self, stage)

    def turns_of(self, name: StageName, tile: int | None) -> tuple[Turn, ...]:
        """Return the recorded turns of one stage."""
        return of_stage(self.config.steering, name, tile)

    def record(self, turn: Turn) -> None:
        """Add a turn to the configuration.

        Raises:
            UsageError: it does not fit the configuration.
        """
        turns = ordered([*self.config.steering, turn])
        self.config = validated(self.config.model_copy(update={"steering": turns}))

    def remove(self, name: StageName, tile: int | None, index: int) -> None:
        """Remove a turn from the configuration, given by its index in its stage."""
        own = [turn for turn in self.config.steering if turn.place == (name, tile)]
        removed = own[index]
        rest = tuple(turn for turn in self.config.steering if turn is not removed)
        self.config = self.config.model_copy(update={"steering": rest})


def validated(config: RunConfig) -> RunConfig:
    """Return a changed configuration, checked as a new one is.

    Raises:
        UsageError: it is invalid.
    """
    return RunConfig.make(json.loads(config.to_json()))


class StageSteering:
    """The turns of one stage of a run: of its sketch, of the run itself, or of a tile.

    Args:
        steering: of the whole run.
        stage: which stage.
    """

    def __init__(self, steering: Steering, stage: Stage) -> None:
        self._steering = steering
        self._stage = stage
        self._place: tuple[StageName, int | None] = (
            stage.name,
            stage.index if stage.name == "tile" else None,
        )
        self._history = History()

    def is_due(self, state: LoopState) -> bool:
        """Return whether there is something to do before the next step."""
        return bool(self._steering.requests) or self._next_turn(state) is not None

    def missed(self, state: LoopState) -> int:
        """Return how many recorded turns are at later steps."""
        return len(self._turns()) - state.turns

    def _turns(self) -> tuple[Turn, ...]:
        return self._steering.turns_of(*self._place)

    def _next_turn(self, state: LoopState) -> Turn | None:
        """Return the recorded turn that is due, None if there is none."""
        later = self._turns()[state.turns :]
        return later[0] if later and later[0].at <= state.step else None

    def prepare(self, work: Work, keeper: Keeper) -> Iterator[Event]:
        """Do what is due before the next step, yielding what was done."""
        work.state.finite.read(work.context.problem, work.state)

        while (turn := self._next_turn(work.state)) is not None:
            yield self._make(work, keeper, turn)
        while self._steering.requests:
            request = self._steering.requests.take()
            if isinstance(request, Undo):
                yield self._undo(work, keeper)
            else:
                yield self._make_requested(work, keeper, request)

    # --- turns ---------------------------------------------------------------------

    def _make(self, work: Work, keeper: Keeper, turn: Turn) -> Event:
        """Make a recorded turn; one that cannot be made is passed over."""
        before = self._moment(work)
        try:
            take_turn(work, turn)
        except ArtgenError as error:
            before.restore(work)
            work.state.turns += 1
            return Refused(self._named(turn), str(error))

        self._made(work, keeper, before)
        return Steered(self._named(turn), work.state.step)

    def _make_requested(self, work: Work, keeper: Keeper, request: Turn) -> Event:
        """Record a turn that was asked for, and make it unless it is for a later step."""
        earlier = self._steering.config
        before = self._moment(work)
        try:
            turn = self._placed(request, work.state.step)
            self._steering.record(self._named(turn))
            if turn.at > work.state.step:
                keeper.after_turn()
                return Notice(f"a turn is planned for step {turn.at}: {turn.described()}")
            take_turn(work, turn)
        except ArtgenError as error:
            self._steering.config = earlier
            before.restore(work)
            return Refused(request, str(error))

        self._made(work, keeper, before)
        return Steered(self._named(turn), work.state.step)

    def _placed(self, request: Turn, step: int) -> Turn:
        """Return a turn of this stage with its step.

        Raises:
            UsageError: it is for another stage, or for a step that has passed.
        """
        if request.step is None:
            return request.model_copy(update={"step": step, "stage": "run", "tile": None})
        if request.place != self._place:
            raise UsageError(
                f"the turn is for another part of the run than the one that is painted now "
                f"({_described(self._place)}); leave out its step and stage"
            )
        if request.at < step:
            raise UsageError(
                f"step {request.at} has passed (the run is at step {step}); start a branch there: "
                f"artgen steer RUN --at {request.at}"
            )
        return request.model_copy(update={"stage": "run", "tile": None})

    def _named(self, turn: Turn) -> Turn:
        """Return a turn with the name of this stage, as it is recorded."""
        name, tile = self._place
        return turn.model_copy(update={"stage": name, "tile": tile})

    def _made(self, work: Work, keeper: Keeper, before: Moment) -> None:
        work.state.turns += 1
        self._history.add(before)
        name, tile = self._place
        part = name if tile is None else f"{name}-{tile + 1:03d}"
        keeper.before_turn(self._with_config(before.checkpoint), f"{part}-{before.step:07d}")
        keeper.after_turn()

    def _with_config(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return a checkpoint with the configuration as it is recorded now."""
        facts = {**checkpoint.facts, "config": json.loads(self._steering.config.to_json())}
        return replace(checkpoint, facts=facts)

    def _moment(self, work: Work) -> Moment:
        checkpoint = capture(self._steering.config, work.context, work.state)
        return Moment.of(work, checkpoint)

    # --- undo ----------------------------------------------------------------------

    def _undo(self, work: Work, keeper: Keeper) -> Event:
        """Go back to the state before the last turn of this stage."""
        moment = self._history.take()
        if moment is None:
            return Refused(
                None, "there is no turn that can be taken back; start a branch: artgen steer RUN --at STEP"
            )

        name, tile = self._place
        turn = self._turns()[moment.turns]
        keeper.before_undo(capture(self._steering.config, work.context, work.state))
        self._steering.remove(name, tile, moment.turns)
        moment.restore(work)
        keeper.after_undo()
        return Steered(self._named(turn), work.state.step, undone=True)


def _described(place: tuple[StageName, int | None]) -> str:
    name, tile = place
    return f"the {name}" if tile is None else f"tile {tile}"


def _too_long(event: Stepped, longest: float) -> Notice:
    return Notice(
        f"step {event.step} took {event.seconds:.1f} s, longer than step_seconds ({longest:g} s), so the run ends "
        "here; a smaller --canvas or fewer --cutouts make steps shorter, and artgen resume continues"
    )


def optimise_steered(work: Work, steering: StageSteering, keeper: Keeper) -> Generator[Event, None, None]:
    """Optimise to the end, making turns between steps; see `artgen.engine.loop.optimise`.

    Args:
        work: the run; changed in place.
        steering: its turns.
        keeper: writes down that they were made.

    Raises:
        StopRequested: a step took longer than the configuration allows.
    """
    longest = work.context.settings.config.step_seconds
    while True:
        yield from steering.prepare(work, keeper)
        for event in optimise(work.context.problem, work.state, work.context.budget):
            yield event
            if not isinstance(event, Stepped):
                continue
            if longest is not None and event.seconds > longest:
                yield _too_long(event, longest)
                raise StopRequested
            if steering.is_due(work.state):
                break
        else:
            if not steering.is_due(work.state):
                break

    missed = steering.missed(work.state)
    if missed:
        yield Notice(f"the run ended at step {work.state.step}; {missed} recorded turns are at later steps")
