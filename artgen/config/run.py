"""One description of a run: frozen, validated, with a YAML, JSON and PNG round trip."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from artgen.config.guide_spec import parse_guide
from artgen.config.reading import load_mapping, one_line_error
from artgen.config.request import Request, Strings
from artgen.config.sections import CutoutOptions as CutoutOptions
from artgen.config.sections import EvolutionOptions
from artgen.config.sections import OptimiserOptions as OptimiserOptions
from artgen.config.sections import SnapshotOptions as SnapshotOptions
from artgen.config.sections import Sorted as Sorted
from artgen.config.sections import TimelapseOptions as TimelapseOptions
from artgen.config.values import AspectField, NameField, SizeField
from artgen.errors import UsageError
from artgen.named_files import background_file, may_be_file, palette_file, patch_set_names
from artgen.options import Options
from artgen.terms import term_kinds

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
    renderer: str = Field("pixel", description="what the picture is made of (artgen renderers)")
    options: Annotated[dict[str, Any], Sorted] = Field({}, description="options of the renderer")
    guides: Strings = Field(
        ("doodle",), max_length=100, description="models that judge: NAME, NAME:TAG or NAME=FILE, @weight"
    )
    distance: Literal["spherical", "cosine"] = Field(
        "spherical", description="distance between the embeddings of picture and prompt"
    )
    contrast: float = Field(
        0.0, ge=0, le=1, description="weight of the softmax against the guide's other names"
    )
    steps: int = Field(200, ge=1, le=1_000_000, description="optimisation steps")
    seconds: float | None = Field(None, gt=0, description="stop after this many seconds instead")
    seed: int = Field(default_factory=lambda: secrets.randbelow(2**31), ge=0, lt=2**63)
    population: int | None = Field(
        None, ge=1, le=4096, description="number of candidates; default: the renderer's own"
    )
    canvas: SizeField | None = Field(None, description="size at which the picture is optimised, WxH")
    size: SizeField | None = Field(None, description="size of image.png, WxH; default: longer side 1024")
    aspect: AspectField | None = Field(None, description="width:height of the picture")
    background: NameField = Field(
        "white", description="background: a colour's name, #rrggbb, or a picture file"
    )
    transparent: bool = Field(
        False, description="export with alpha; the picture is optimised for any background"
    )
    clear: float = Field(
        0.4, ge=0, lt=1, description="with transparent: fraction of the picture that should be clear"
    )
    wrap: bool = Field(
        False, description="let cutouts cross the edges, so that copies of the picture tile without a seam"
    )
    palette: NameField | None = Field(
        None,
        description="colours separated by commas, a .gpl, .hex or .pal file, or a name (artgen palettes)",
    )
    cutouts: CutoutOptions = CutoutOptions()
    optimiser: OptimiserOptions = OptimiserOptions()
    evolution: EvolutionOptions = EvolutionOptions()
    losses: Annotated[dict[str, float], Sorted] = Field({}, description="weight of each additional loss")
    init: NameField | None = Field(None, description="picture or SVG to start from")
    target: NameField | None = Field(None, description="picture to fit")
    style: NameField | None = Field(None, description="picture whose style to imitate")
    mask: NameField | None = Field(
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

        if any("\0" in path for path in self._own_files()):  # those of an edited run were checked with it
            raise ValueError("a file's name contains the control character U+0000; remove it")
        return self

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

    def local_files(self) -> list[str]:
        """Return the paths of local files that a run of this configuration would open."""
        before = self.edited.config.local_files() if self.edited is not None else []
        return list(dict.fromkeys([*self._own_files(), *before]))

    def _own_files(self) -> list[str]:
        """Return the paths of this configuration, without those of the run it was edited from."""
        named = [path for path in (self.init, self.target, self.style) if path is not None]
        pictures: list[str] = []
        for term in self.all_terms():
            pictures += term_kinds.get(term.kind).files(term.content)
        specs = [parse_guide(guide) for guide in self.guides]
        weights = [spec.file for spec in specs if spec.file is not None]
        return [*named, *self.picture_files(), *pictures, *weights]

    def picture_files(self) -> list[str]:
        """Return the paths of local files that rendering a picture of this configuration would open."""
        kept = [path for path in (self.mask, self.init, self.target) if path is not None]
        palette = palette_file(self.palette) if self.palette is not None else None
        named = [path for path in (background_file(self.background), palette) if path is not None]
        named += self._option_files()
        return list(dict.fromkeys([*(kept if self.mask is not None else ()), *named]))

    def _option_files(self) -> list[str]:
        """Return the paths of local files in the renderer's options."""
        texts = {key: value for key, value in self.options.items() if isinstance(value, str)}
        palette = palette_file(texts.pop("palette", ""))

        # A renderer of another package may open the whole text as a path, or parts of it.
        listed = [text for key, text in texts.items() if key != "patches"]
        for text in texts.values():
            listed += patch_set_names(text)
        for row in self.tile_patches:
            for cell in row:
                listed += patch_set_names(cell)

        named = [text for text in listed if may_be_file(text)]
        return named if palette is None else [palette, *named]

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
