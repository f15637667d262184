"""The parts of a run's configuration that stand by themselves: views, optimiser, snapshots, film."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, model_validator

from artgen.options import Options

Sorted = PlainSerializer(lambda values: dict(sorted(values.items())))
"""Writes a mapping in the order of its keys, as checkpoints do: a resumed run writes the same bytes."""


class CutoutOptions(Options):
    """How the guide is shown the picture."""

    count: int = Field(16, ge=1, le=4096, description="views per region and step")
    smallest: float | None = Field(
        None,
        gt=0.01,
        le=1,
        description="smallest crop, as part of the region's side; default the guide's, 0.8",
    )
    largest: float = Field(1.0, gt=0.01, le=1, description="largest crop, as part of the region's side")
    perspective: float | None = Field(
        None, ge=0, le=0.9, description="strength of the random perspective; default the guide's, 0.1"
    )
    flip: float | None = Field(
        None,
        ge=0,
        le=1,
        description="part of the views that are mirrored; default the guide's, 0.5; 0 if words say left or right",
    )
    noise: float | None = Field(
        None,
        ge=0,
        le=1,
        description="standard deviation of the noise added to views; default the guide's, 0.05",
    )

    @model_validator(mode="after")
    def _ordered(self) -> CutoutOptions:
        if self.smallest is not None and self.smallest > self.largest:
            raise ValueError("cutouts.smallest is larger than cutouts.largest; swap them")
        return self


class OptimiserOptions(Options):
    """How the gradient is followed."""

    rate: float = Field(1.0, gt=0, le=100, description="factor on every learning rate")
    rates: Annotated[dict[str, float], Sorted] = Field(
        {}, description="factor per parameter group of the renderer"
    )
    schedule: Literal["constant", "cosine", "linear"] = Field("cosine", description="how the rate falls")
    final: float = Field(0.1, ge=0, le=1, description="the rate's factor at the end")
    warmup: float = Field(0.02, ge=0, lt=1, description="part of the run in which the rate rises")
    clip: float | None = Field(None, gt=0, description="largest gradient norm per candidate")
    patience: int | None = Field(None, ge=1, description="stop after this many steps without gain")


class SnapshotOptions(Options):
    """When a run's state is kept on disk."""

    checkpoint_seconds: float = Field(10.0, ge=0, description="least time between two checkpoints")
    picture_steps: int | None = Field(None, ge=1, description="also write image.png every so many steps")


class TimelapseOptions(Options):
    """The film of a run."""

    kind: Literal["mp4", "gif", "both", "none"] = Field("mp4", description="what the film is written as")
    every: int | None = Field(
        None, ge=1, description="steps between two frames; default: `frames` over the run"
    )
    frames: int = Field(
        60, ge=1, le=10_000, description="about how many frames there are if `every` is not given"
    )
    side: int = Field(320, ge=16, le=4096, description="longer side of the film in pixels")
    rate: int = Field(20, ge=1, le=120, description="frames per second")
    hold: float = Field(1.5, ge=0, le=60, description="seconds for which the last frame stays")


class EvolutionOptions(Options):
    """When and how candidates replace each other."""

    method: Literal["none", "microbial", "strategy"] = Field(
        "microbial",
        description="none; microbial: of two random candidates the better one's mutant replaces the other; "
        "strategy: mutants of the best replace all others",
    )
    every: int = Field(25, ge=1, le=100_000, description="steps between two rounds of evolution")
    search: int = Field(
        1, ge=1, le=10_000, description="random candidates tried at the start per place in the population"
    )
