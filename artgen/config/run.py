"""One description of a run: frozen, validated, with a YAML, JSON and PNG round trip."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from artgen.config.named_inputs import files_of, files_of_fields
from artgen.config.reading import load_mapping, one_line_error
from artgen.config.request import Request, Strings
from artgen.config.sections import CutoutOptions as CutoutOptions
from artgen.config.sections import EvolutionOptions
from artgen.config.sections import OptimiserOptions as OptimiserOptions
from artgen.config.sections import SnapshotOptions as SnapshotOptions
from artgen.config.sections import Sorted as Sorted
from artgen.config.sections import TimelapseOptions as TimelapseOptions
from artgen.config.steering import MOST_TURNS, Turn, check_turns, of_stage
from artgen.config.values import AspectField, BackgroundField, FileField, PaletteField, SizeField
from artgen.errors import UsageError
from artgen.option_kinds import BASIC, Kind
from artgen.options import Options

MOST_EDITS = 50
"""Longest chain of edits a configuration may record."""


class RunConfig(Request):
    """Everything that decides a picture.

    Unknown keys are refused. `seed` is drawn once when not given, so that every
    configuration can be run again.
    """

    templates: Strings = Field(
        ("{}",),
        max_length=1000,
        description="sentences that contain the prompt as {}; their embeddings are averaged",
    )
    renderer: Annotated[str, Kind("renderer")] = Field(
        "pixel", description="what the picture is made of (artgen renderers)", json_schema_extra=BASIC
    )
    options: Annotated[dict[str, Any], Sorted] = Field({}, description="options of the renderer")
    guides: Annotated[Strings, Kind("guides")] = Field(
        ("doodle",),
        max_length=100,
        description="models that judge: NAME, NAME:TAG or NAME=FILE, @weight",
        json_schema_extra=BASIC,
    )
    distance: Literal["spherical", "cosine"] = Field(
        "spherical", description="distance between the embeddings of picture and prompt"
    )
    contrast: float = Field(
        0.0, ge=0, le=1, description="weight of the softmax against the guide's other names"
    )
    steps: int = Field(200, ge=1, le=1_000_000, description="optimisation steps", json_schema_extra=BASIC)
    seconds: float | None = Field(None, gt=0, description="stop after this many seconds instead")
    step_seconds: float | None = Field(
        None, gt=0, description="end the run after a step that takes longer than this many seconds"
    )
    seed: int = Field(
        default_factory=lambda: secrets.randbelow(2**31),
        ge=0,
        lt=2**63,
        description="seed of all random numbers; drawn if not given",
        json_schema_extra=BASIC,
    )
    population: int | None = Field(
        None, ge=1, le=4096, description="number of candidates; default: the renderer's own"
    )
    canvas: SizeField | None = Field(None, description="size at which the picture is optimised, WxH")
    size: SizeField | None = Field(
        None, description="size of image.png, WxH; default: longer side 1024", json_schema_extra=BASIC
    )
    aspect: AspectField | None = Field(
        None, description="width:height of the picture", json_schema_extra=BASIC
    )
    background: BackgroundField = Field(
        "white",
        description="background: a colour's name, #rrggbb, or a picture file",
        json_schema_extra=BASIC,
    )
    transparent: bool = Field(
        False,
        description="export with alpha; the picture is optimised for any background",
        json_schema_extra=BASIC,
    )
    clear: float = Field(
        0.4, ge=0, lt=1, description="with transparent: fraction of the picture that should be clear"
    )
    wrap: bool = Field(
        False, description="let cutouts cross the edges, so that copies of the picture tile without a seam"
    )
    palette: PaletteField | None = Field(
        None,
        description="colours separated by commas, a .gpl, .hex or .pal file, or a name (artgen palettes)",
        json_schema_extra=BASIC,
    )
    cutouts: CutoutOptions = CutoutOptions()
    optimiser: OptimiserOptions = OptimiserOptions()
    evolution: EvolutionOptions = EvolutionOptions()
    losses: Annotated[dict[str, float], Sorted] = Field({}, description="weight of each additional loss")
    init: FileField | None = Field(None, description="picture or SVG to start from", json_schema_extra=BASIC)
    target: FileField | None = Field(None, description="picture to fit", json_schema_extra=BASIC)
    style: FileField | None = Field(
        None, description="picture whose style to imitate", json_schema_extra=BASIC
    )
    mask: FileField | None = Field(
        None,
        description="picture: white areas are painted, black areas stay as in init, target or background",
    )
    snapshots: SnapshotOptions = SnapshotOptions()
    timelapse: TimelapseOptions = TimelapseOptions()
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="number format of the guides"
    )
    device: str = Field("auto", description="auto, cpu, cuda or mps")
    deterministic: bool = Field(
        False, description="on a GPU: the same seed gives the same bits, at lower speed; a CPU always does"
    )
    cuda_graph: bool = Field(
        False, description="on a CUDA GPU: start the guides' kernels with one call; uses more memory"
    )
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads")
    steering: Annotated[tuple[Turn, ...], Field(max_length=MOST_TURNS)] = Field(
        (), description="changes made while the run paints, each with its step (artgen steer)"
    )
    edited: EditOptions | None = Field(
        None, description="the run that was edited, and the changes; written by artgen edit"
    )

    @model_validator(mode="after")
    def _has_a_goal(self) -> RunConfig:
        if not self.all_terms() and self.target is None and self.style is None:
            raise ValueError(
                'nothing to paint: give a prompt ("a blue rabbit"), --target FILE or --style FILE'
            )

        if self.canvas is not None and self.aspect is not None:
            raise ValueError("canvas and aspect contradict each other; give one of them")
        if self.all_terms() and not self.guides:
            raise ValueError("guides is empty, but the prompts need a guide; name one, or leave it out")

        if not self.templates:
            raise ValueError("templates is empty; write '{}' for the prompt alone, or leave it out")
        for template in self.templates:
            if template.count("{}") != 1:
                raise ValueError(f"template {template!r} needs exactly one {{}}, such as 'a drawing of {{}}'")

        self._check_steering()
        own_files = files_of(self, without=["edited"])  # those of an edited run were checked with it
        if any("\0" in path for path in own_files):
            raise ValueError("a file's name contains the control character U+0000; remove it")
        return self

    def _check_steering(self) -> None:
        check_turns(self.steering, self.steps if self.seconds is None else None)
        tiling = self.tiling()
        for turn in self.steering:
            if turn.prompts and not self.guides:
                raise ValueError("steering: prompts need a guide, but guides is empty; name one")
            if turn.tile is not None and (tiling is None or turn.tile >= tiling.count):
                count = 0 if tiling is None else tiling.count
                raise ValueError(f"steering: there is no tile {turn.tile}; the picture has {count} tiles")
            if turn.stage == "run" and tiling is not None:
                raise ValueError("steering: this picture is painted in tiles; name the stage and the tile")

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> RunConfig:
        """Return the validated configuration.

        Raises:
            UsageError: a key is unknown (the message names the nearest) or a value is invalid.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UsageError(one_line_error(error, cls)) from None

    def to_json(self) -> str:
        """Return the configuration as one JSON object."""
        return self.model_dump_json()

    def to_yaml(self) -> str:
        """Return the configuration as YAML, as `from_text` reads it."""
        return yaml.safe_dump(json.loads(self.to_json()), sort_keys=False, allow_unicode=True)

    def turned(self, turn: Turn) -> RunConfig:
        """Return the configuration as a turn changes it; what it does to elements is not part of it."""
        changes: dict[str, Any] = {}
        if turn.keep is not None:
            changes["population"] = 1
        if turn.prompts is not None:
            changes |= {"prompts": turn.prompts, "composition": ()}
        if turn.losses:
            changes["losses"] = {**self.losses, **turn.losses}
        if turn.rate is not None:
            changes["optimiser"] = self.optimiser.model_copy(update={"rate": turn.rate})
        if turn.palette is not None:
            own = {key: value for key, value in self.options.items() if key != "palette"}
            changes |= {"palette": turn.palette, "options": own}
        if turn.steps is not None:
            changes |= {"steps": turn.steps, "seconds": None}
        return self.model_copy(update=changes)

    def steered(self, count: int) -> RunConfig:
        """Return the configuration after the first turns of the run itself."""
        config = self
        for turn in of_stage(self.steering, "run")[:count]:
            config = config.turned(turn)
        return config

    def without_turns_from(self, step: int) -> RunConfig:
        """Return the configuration without the turns of the run itself that are at this step or later."""
        kept = [turn for turn in self.steering if turn.stage != "run" or turn.at < step]
        return self.model_copy(update={"steering": tuple(kept)})

    @property
    def most_steps(self) -> int:
        """The largest number of steps that the run has at any time."""
        return max([self.steps, *(turn.steps or 0 for turn in self.steering)])

    def local_files(self) -> list[str]:
        """Return the paths of local files that a run of this configuration would open."""
        return list(dict.fromkeys([*self.picture_files(), *files_of(self)]))

    def picture_files(self) -> list[str]:
        """Return the paths of local files that rendering a picture of this configuration would open."""
        kept = [path for path in (self.mask, self.init, self.target) if path is not None]
        named = files_of_fields(self, ["background", "palette", "options", "tile_patches"])
        for turn in self.steering:
            named += files_of_fields(turn, ["palette"])
        return list(dict.fromkeys([*(kept if self.mask is not None else ()), *named]))

    @classmethod
    def from_text(cls, text: str) -> RunConfig:
        """Read YAML or JSON.

        Raises:
            UsageError: not plain YAML, an unknown key, or a value of the wrong type.
        """
        return cls.make(load_mapping(text))


class EditOptions(Options):
    """The changes that `artgen edit` made to the best candidate of another run, so that they can be repeated."""

    config: RunConfig = Field(description="configuration of the edited run")
    step: int = Field(ge=0, le=1_000_000, description="number of steps of the edited run")
    lock: tuple[int, ...] = Field((), description="locked elements, with their numbers in the edited run")
    delete: tuple[int, ...] = Field((), description="removed elements, with their numbers in the edited run")
    steps: int = Field(ge=0, le=1_000_000, description="number of steps after the edit")

    @model_validator(mode="after")
    def _not_endless(self) -> EditOptions:
        edits, before = 1, self.config.edited
        while before is not None:
            edits += 1
            before = before.config.edited

        if edits > MOST_EDITS:
            raise ValueError(f"more than {MOST_EDITS} edits in a row; start a new run from the SVG (--init)")
        return self


RunConfig.model_rebuild()
