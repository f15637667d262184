"""What a run reports while it works, and the iterator that reports it."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from artgen.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

    from artgen.config import Turn
    from artgen.engine.view import View

Result = TypeVar("Result")


@dataclass(frozen=True)
class Stage:
    """The part of a run that an event belongs to.

    Args:
        name: "sketch" (the picture a collage starts on), "run", or "tile" (one tile of a large picture).
        index: number of the tile, from 0.
        count: number of tiles.
    """

    name: Literal["sketch", "run", "tile"] = "run"
    index: int = 0
    count: int = 1


@dataclass(frozen=True)
class Started:
    """The run starts, or continues from a checkpoint.

    Args:
        folder: where its files are written.
        seed: the seed that repeats the run.
        step: number of steps already done.
        steps: number of steps in total.
    """

    folder: Path
    seed: int
    step: int
    steps: int


class Figures:
    """The losses of a step, read from the device when they are first used: a GPU then has to be waited for.

    Args:
        losses: [P] weighted loss of each candidate.
        terms: unweighted losses by name, [P] each.
    """

    def __init__(self, losses: Tensor, terms: Mapping[str, Tensor]) -> None:
        self._losses = losses
        self._terms = terms

    @cached_property
    def losses(self) -> tuple[float, ...]:
        """Weighted loss of each candidate."""
        return tuple(self._losses.tolist())

    @cached_property
    def terms(self) -> Mapping[str, tuple[float, ...]]:
        """Unweighted losses by name, one per candidate."""
        return {name: tuple(figure.tolist()) for name, figure in self._terms.items()}


@dataclass(frozen=True)
class Stepped:
    """One step is done.

    Args:
        step: number of steps done, in the sketch or in the run.
        progress: fraction of the sketch or of the run that is done, in [0, 1].
        figures: the losses of the step; on a GPU reading them waits for the device.
        view: draws the pictures of this moment, until the next event is asked for.
        stage: the part of the run that the step belongs to.
        overall: fraction of everything, the sketch and all tiles included, that is done, in [0, 1].
        seconds: time that the step took.
    """

    step: int
    progress: float
    figures: Figures = field(repr=False)
    view: View = field(repr=False)
    stage: Stage = Stage()
    overall: float = 0.0
    seconds: float = 0.0

    @property
    def losses(self) -> tuple[float, ...]:
        """Weighted loss of each candidate."""
        return self.figures.losses

    @property
    def terms(self) -> Mapping[str, tuple[float, ...]]:
        """Unweighted losses by name, one per candidate."""
        return self.figures.terms


@dataclass(frozen=True)
class Notice:
    """Something the user should know, such as memory running short."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The run has ended and its pictures are written.

    Args:
        folder: where they are.
        reason: "done", "plateau", "stopped" or "failed".
    """

    folder: Path
    reason: str


@dataclass(frozen=True)
class Steered:
    """A turn was made, or taken back.

    Args:
        turn: as it is recorded, with its step and stage.
        step: number of steps done in its stage, after it.
        undone: whether it was taken back.
    """

    turn: Turn
    step: int
    undone: bool = False


@dataclass(frozen=True)
class Refused:
    """A turn cannot be made; the run continues without it.

    Args:
        turn: the turn, None if there was none to take back.
        reason: one line.
    """

    turn: Turn | None
    reason: str


Event = Started | Stepped | Steered | Refused | Notice | Finished


class Requests:
    """Turns that were asked for while a run paints, in order; `UNDO` takes the last one back.

    Example:
        >>> requests = Requests()
        >>> bool(requests)
        False
    """

    def __init__(self) -> None:
        self._waiting: deque[Turn | Undo] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, request: Turn | Undo) -> None:
        """Add a request."""
        self._waiting.append(request)

    def take(self) -> Turn | Undo:
        """Remove and return the oldest request."""
        return self._waiting.popleft()


class Undo:
    """Asks for the last turn to be taken back."""


class StopRequested(Exception):  # noqa: N818 - like StopIteration, it is not an error
    """Raised inside a run where it last yielded an event: end now, and write what is there."""


class EventStream(Generic[Result]):
    """A run as an iterator of events; the result is there when it ends.

    Not asking for the next event pauses the run. To stop it, call `stop` and iterate to the end, or leave
    the loop and ask for `result`: both write the picture of that moment. A stream that is dropped without
    either leaves its last checkpoint, as if the process had been killed.

    Between two events the run can be steered. What was asked for is done before the next step, and reported as
    `Steered` or `Refused`.

    Args:
        events: yields events and returns the result; handles `StopRequested`.
        requests: where the run looks for turns; None if it cannot be steered.

    Example:
        >>> def count():
        ...     yield Notice("one step")
        ...     return 7
        >>> EventStream(count()).finish()
        7
    """

    def __init__(self, events: Generator[Event, None, Result], requests: Requests | None = None) -> None:
        self._events = events
        self._requests = requests
        self._started = False
        self._stop: Literal["no", "requested", "sent"] = "no"
        self._ended = False
        self._value: Result | None = None

    def __iter__(self) -> EventStream[Result]:
        return self

    def __next__(self) -> Event:
        if self._ended:
            raise StopIteration
        try:
            if self._stop == "requested" and self._started:
                self._stop = "sent"
                return self._events.throw(StopRequested())

            self._started = True
            return next(self._events)
        except StopIteration as end:
            self._ended, self._value = True, end.value
            raise StopIteration from None
        except BaseException:
            self._ended = True
            raise

    def __enter__(self) -> EventStream[Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            _ = self.result
        self._events.close()

    def stop(self) -> None:
        """End the run before its next step; the remaining events are still to be iterated over."""
        if self._stop == "no":
            self._stop = "requested"

    def steer(self, *turns: Turn) -> None:
        """Make turns before the next step, or before the step they name.

        Raises:
            RunError: this is not a single run, or it has ended.
        """
        for turn in turns:
            self._open_requests().put(turn)

    def undo(self) -> None:
        """Take the last turn back: the run continues from the step before it.

        Raises:
            RunError: this is not a single run, or it has ended.
        """
        self._open_requests().put(Undo())

    def _open_requests(self) -> Requests:
        if self._requests is None:
            raise RunError("a batch cannot be steered; steer one of its runs (artgen steer)")
        if self._ended or self._stop != "no":
            raise RunError("the run has ended; steer it from its folder (artgen steer)")
        return self._requests

    def finish(self) -> Result:
        """Run to the end, and return the result.

        Raises:
            ArtgenError: what the run raises.
        """
        for _ in self:
            pass
        if self._value is None:
            raise RunError("the run failed earlier and has no result; run it again")
        return self._value

    @property
    def result(self) -> Result:
        """The result; a run that has not ended is stopped first.

        Raises:
            ArtgenError: what the run raises.
        """
        if not self._ended:
            self.stop()
        return self.finish()
