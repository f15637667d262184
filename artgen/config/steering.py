"""Turns: changes to a run while it paints, recorded so that it can be repeated with the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from artgen import prompts as grammar
from artgen.config.reading import load_config_file, one_line_error
from artgen.config.request import PromptsField
from artgen.config.sections import Sorted
from artgen.config.values import PaletteField
from artgen.errors import UsageError
from artgen.geometry import Region
from artgen.option_kinds import ADVANCED, Kind
from artgen.options import Options

MOST_TURNS = 1000
"""Most turns that a configuration may record."""
LATEST_STEP = 1_000_000

Elements = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=10_000), Kind("numbers")]
"""Ids of elements, as in image.svg."""
StageName = Literal["sketch", "run", "tile"]


def _read_region(value: Any) -> Any:
    """Return a region that is written as text, `0,0,0.5,1`, as a list; anything else is checked later."""
    return value.strip("[] ").split(",") if isinstance(value, str) else value


class Addition(Options):
    """Elements that a turn adds."""

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    count: int = Field(8, ge=1, le=10_000, description="number of strokes or patches")
    region: Annotated[tuple[float, float, float, float], BeforeValidator(_read_region), Kind("region")] = (
        Field((0.0, 0.0, 1.0, 1.0), description="where: x0, y0, x1, y1 in fractions of the picture")
    )

    @model_validator(mode="after")
    def _is_a_region(self) -> Addition:
        left, top, right, bottom = self.region
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError("add: a region needs 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1")
        return self

    def place(self) -> Region:
        """Return the region."""
        return Region(*self.region)


class Turn(Options):
    """Changes that are made between two steps; what is not given stays as it is.

    Elements are named by their ids, as in `image.svg`. The changes are made in the order of the fields.
    """

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    step: int | None = Field(
        None, ge=0, le=LATEST_STEP, description="number of steps done before it; None: now, in a run"
    )
    stage: StageName = Field("run", description="sketch, run, or tile")
    tile: int | None = Field(None, ge=0, description="number of the tile, from 0")
    candidate: int | None = Field(
        None,
        ge=0,
        description="the only candidate whose elements change, numbered from 0 as in metrics.jsonl",
    )

    keep: int | None = Field(None, ge=0, description="the candidate that is kept; the others are dropped")
    unlock: Elements = Field((), description="elements that may change again")
    lock: Elements = Field((), description="elements that stay as they are")
    delete: Elements = Field((), description="elements that are removed")
    duplicate: Elements = Field((), description="elements that are copied")
    front: Elements = Field((), description="elements that move above all others")
    back: Elements = Field((), description="elements that move below all others")
    recolour: Annotated[dict[int, str], Kind("mapping")] = Field(
        {}, description="a colour for each of these elements"
    )
    add: Annotated[tuple[Addition, ...], Field(max_length=100)] = Field(
        (), description="strokes or patches that are added in a region"
    )

    prompts: PromptsField | None = Field(None, description="all prompts from now on, in the prompt grammar")
    losses: Annotated[dict[str, float], Sorted] = Field({}, description="weights of losses")
    rate: float | None = Field(None, gt=0, le=100, description="factor of all learning rates")
    palette: PaletteField | None = Field(None, description="palette from now on")
    steps: int | None = Field(None, ge=1, le=LATEST_STEP, description="number of steps in total")
    restart: bool = Field(
        False, description="learning rates follow their schedule from its start over the steps that remain"
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Turn:
        for first, second in (
            ("lock", "unlock"),
            ("lock", "delete"),
            ("unlock", "delete"),
            ("front", "back"),
        ):
            both = set(getattr(self, first)) & set(getattr(self, second))
            if both:
                raise ValueError(
                    f"element {min(both)} is in both {first} and {second} of one turn; leave it out of one"
                )
        if (self.stage == "tile") != (self.tile is not None):
            raise ValueError("a turn in a tile needs both stage: tile and the number of the tile")
        if self.stage == "tile" and (self.steps is not None or self.restart):
            raise ValueError("the number of steps of a tile cannot change; leave out steps and restart")
        if self.steps is not None and self.step is not None and self.steps < self.step:
            raise ValueError(
                f"steps is {self.steps}, but the turn is at step {self.step}; give at least that"
            )

        self.terms()  # raises what is wrong with the prompts
        if not self._changes():
            raise ValueError("a turn changes nothing; give it prompts, losses, elements, steps or the like")
        return self

    def _changes(self) -> bool:
        where = {"step", "stage", "tile", "candidate"}
        fields = type(self).model_fields
        return any(
            getattr(self, name) != field.default for name, field in fields.items() if name not in where
        )

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialise: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Leave out what is not given: most turns change one thing."""
        fields = type(self).model_fields
        values = serialise(self)
        return {name: value for name, value in values.items() if getattr(self, name) != fields[name].default}

    def described(self) -> str:
        """Return what the turn changes, in one line.

        Example:
            >>> Turn(delete=(3, 7), rate=0.5).described()
            'delete 3, 7; rate 0.5'
        """
        where = {"step", "stage", "tile", "candidate"}
        parts = []
        for name, value in self.model_dump().items():
            if name not in where:
                parts.append(f"{name} {_shown(value)}")
        return "; ".join(parts)

    @property
    def at(self) -> int:
        """The step; a recorded turn has one."""
        assert self.step is not None
        return self.step

    @property
    def place(self) -> tuple[str, int | None]:
        """The stage, and the tile in it."""
        return self.stage, self.tile

    def terms(self) -> list[grammar.Term]:
        """Return the terms of the prompts, none if they stay."""
        return grammar.parse_all(self.prompts or ())


def _shown(value: Any) -> str:
    """Return a value of a turn for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(_shown(each) for each in value)
    return "yes" if value is True else str(value)


def make_turn(values: Mapping[str, Any]) -> Turn:
    """Return the validated turn.

    Raises:
        UsageError: a key is unknown, or a value is invalid.
    """
    try:
        return Turn.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(f"turn: {one_line_error(error, Turn)}") from None


def read_steering(path: Path) -> list[dict[str, Any]]:
    """Read a steering file: YAML or JSON with the key `steering`, a list of turns.

    Raises:
        InputError: the file cannot be read.
        UsageError: it has another content.
    """
    values = load_config_file(path)
    turns = values.get("steering")
    if not isinstance(turns, list) or len(values) > 1:
        raise UsageError(
            f"{path}: is not a steering file; write 'steering:' and below it a list of turns, such as "
            "'- {step: 80, prompts: a blue fish}'"
        )
    return turns


def ordered(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return turns in the order in which they are made; those of one step stay in theirs."""
    rank = {"sketch": 0, "run": 1, "tile": 1}
    return tuple(sorted(turns, key=lambda turn: (rank[turn.stage], turn.tile or 0, turn.at)))


def of_stage(turns: Iterable[Turn], stage: StageName, tile: int | None = None) -> tuple[Turn, ...]:
    """Return the turns of one stage, as turns of a run of its own."""
    own = [turn for turn in turns if turn.place == (stage, tile)]
    return tuple(turn.model_copy(update={"stage": "run", "tile": None}) for turn in own)


def check_turns(turns: Sequence[Turn], steps: int | None) -> None:
    """Check that recorded turns fit together.

    Args:
        turns: of all stages.
        steps: number of steps of the run, None if it is limited by time.

    Raises:
        ValueError: a turn has no step, they are out of order, or one is after the end.
    """
    if any(turn.step is None for turn in turns):
        raise ValueError("steering: a turn has no step; write step: 80")
    if tuple(turns) != ordered(turns):
        raise ValueError("steering: turns are not in the order of their steps; sort them")

    total = steps
    for turn in of_stage(turns, "run"):
        if total is not None and turn.at > total:
            raise ValueError(
                f"steering: a turn is at step {turn.at}, but the run has {total} steps then; "
                "move it, or add steps"
            )
        total = turn.steps or total
