"""Sections of a configuration: cutouts, optimiser, snapshots, time-lapse, evolution."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PlainSerializer, model_validator

from artgen.option_kinds import ADVANCED
from artgen.options import Options

Sorted = PlainSerializer(lambda values: dict(sorted(values.items())))
"""Writes a mapping sorted by key, as checkpoints do, so that a resumed run writes the same bytes."""


class CutoutOptions(Options):
    """Random cutouts of the picture, which the guides judge."""

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    count: int = Field(16, ge=1, le=4096, description="cutouts per region and step")
    smallest: float | None = Field(
        None,
        gt=0.01,
        le=1,
        description="smallest crop, as a fraction of the region's side; default: the guide's, 0.8",
    )
    largest: float = Field(1.0, gt=0.01, le=1, description="largest crop, as a fraction of the region's side")
    perspective: float | None = Field(
        None, ge=0, le=0.9, description="strength of the random perspective; default: the guide's, 0.1"
    )
    flip: float | None = Field(
        None,
        ge=0,
        le=1,
        description="fraction of the cutouts that are mirrored; "
        "default: the guide's, 0.5; 0 if the prompt says left or right",
    )
    noise: float | None = Field(
        None,
        ge=0,
        le=1,
        description="standard deviation of the noise added to cutouts; default: the guide's, 0.05",
    )

    @model_validator(mode="after")
    def _ordered(self) -> CutoutOptions:
        if self.smallest is not None and self.smallest > self.largest:
            raise ValueError("cutouts.smallest is larger than cutouts.largest; swap them")
        return self


class OptimiserOptions(Options):
    """The optimiser: Adam with a schedule for its learning rates."""

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    rate: float = Field(
        1.0, gt=0, le=100, description="factor of all learning rates", json_schema_extra={"step": 0.1}
    )
    rates: Annotated[dict[str, float], Sorted] = Field(
        {}, description="factor of the learning rate of each parameter group"
    )
    schedule: Literal["constant", "cosine", "linear"] = Field("cosine", description="how learning rates fall")
    final: float = Field(0.1, ge=0, le=1, description="factor of the learning rates at the end")
    warmup: float = Field(0.02, ge=0, lt=1, description="fraction of the run in which learning rates rise")
    clip: float | None = Field(None, gt=0, description="largest gradient norm per candidate")
    patience: int | None = Field(None, ge=1, description="stop after this many steps without improvement")


class SnapshotOptions(Options):
    """When a run's state is saved."""

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    checkpoint_seconds: float = Field(
        10.0, ge=0, description="shortest time between two checkpoints in seconds"
    )
    picture_steps: int | None = Field(None, ge=1, description="also write image.png every this many steps")


class TimelapseOptions(Options):
    """The time-lapse film of a run."""

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    kind: Literal["mp4", "gif", "both", "none"] = Field("mp4", description="file format of the film")
    every: int | None = Field(
        None, ge=1, description="steps between two frames; default: `frames` over the run"
    )
    frames: int = Field(
        60, ge=1, le=10_000, description="approximate number of frames if `every` is not given"
    )
    side: int = Field(320, ge=16, le=4096, description="longer side of the film in pixels")
    rate: int = Field(20, ge=1, le=120, description="frames per second")
    hold: float = Field(1.5, ge=0, le=60, description="seconds for which the last frame is shown")


class EvolutionOptions(Options):
    """When and how candidates replace each other."""

    model_config = ConfigDict(json_schema_extra=ADVANCED)

    method: Literal["none", "microbial", "strategy"] = Field(
        "microbial",
        description="none; microbial: of two random candidates, a mutant of the better replaces the worse; "
        "strategy: mutants of the best replace all others",
    )
    every: int = Field(25, ge=1, le=100_000, description="steps between two rounds of evolution")
    search: int = Field(
        1,
        ge=1,
        le=10_000,
        description="random candidates tried at the start for each member of the population",
    )
