"""One description of a run: frozen, validated, with a YAML, JSON and PNG round trip."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    Field,
    ValidationError,
    model_validator,
)

from artgen.config.guide_spec import parse_guide
from artgen.config.reading import _one_line, load_mapping
from artgen.config.request import Request, Strings
from artgen.config.sections import CutoutOptions as CutoutOptions
from artgen.config.sections import EvolutionOptions
from artgen.config.sections import OptimiserOptions as OptimiserOptions
from artgen.config.sections import SnapshotOptions as SnapshotOptions
from artgen.config.sections import Sorted as Sorted
from artgen.config.sections import TimelapseOptions as TimelapseOptions
from artgen.config.values import Aspect, Named, WrittenSize
from artgen.errors import UsageError
from artgen.named_files import background_file, may_be_file, palette_file, patch_set_names
from artgen.options import Options
from artgen.terms import term_kinds

MOST_EDITS = 50
"""Most edits, one after the other, that a picture's configuration may tell of."""


class RunConfig(Request):
    """Everything that decides a picture.

    Unknown keys are refused. `seed` is drawn once when not given, so that every
    configuration can be run again.
    """

    templates: Strings = Field(
        ("{}",), max_length=1000, description="sentences around the words; their embeddings are averaged"
    )
    renderer: str = Field("pixel", description="what the picture is made of")
    options: Annotated[dict[str, Any], Sorted] = Field({}, description="the renderer's own options")
    guides: Strings = Field(
        ("doodle",), max_length=100, description="models that judge: NAME, NAME:TAG or NAME=FILE, @weight"
    )
    distance: Literal["spherical", "cosine"] = Field("spherical", description="between picture and words")
    contrast: float = Field(
        0.0, ge=0, le=1, description="part of the softmax against the guide's other names"
    )
    steps: int = Field(200, ge=1, le=1_000_000, description="optimisation steps")
    seconds: float | None = Field(None, gt=0, description="stop after so many seconds instead")
    seed: int = Field(default_factory=lambda: secrets.randbelow(2**31), ge=0, lt=2**63)
    population: int | None = Field(
        None, ge=1, le=4096, description="candidates optimised side by side; default: the renderer's own"
    )
    canvas: WrittenSize | None = Field(None, description="size that is optimised, WxH")
    size: WrittenSize | None = Field(None, description="size of image.png, WxH; default long side 1024")
    aspect: Aspect | None = Field(None, description="width:height of the picture")
    background: Named = Field(
        "white", description="what is behind the picture: a colour's name, #rrggbb, or a picture file"
    )
    transparent: bool = Field(
        False, description="keep the exported picture's alpha; painted to look right on anything"
    )
    clear: float = Field(
        0.4, ge=0, lt=1, description="with transparent: part of the picture that should be clear"
    )
    wrap: bool = Field(
        False, description="views may cross the edges, so that the picture tiles without a seam"
    )
    palette: Named | None = Field(
        None, description="colours divided by commas, a .gpl, .hex or .pal file, or a name (artgen palettes)"
    )
    cutouts: CutoutOptions = CutoutOptions()
    optimiser: OptimiserOptions = OptimiserOptions()
    evolution: EvolutionOptions = EvolutionOptions()
    losses: Annotated[dict[str, float], Sorted] = Field({}, description="weight of each additional loss")
    init: Named | None = Field(None, description="picture or SVG to start from")
    target: Named | None = Field(None, description="picture to fit")
    style: Named | None = Field(None, description="picture whose style is wanted")
    mask: Named | None = Field(
        None,
        description="picture: what is white in it changes, what is black stays as in init, target or background",
    )
    snapshots: SnapshotOptions = SnapshotOptions()
    timelapse: TimelapseOptions = TimelapseOptions()
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="the guides' number format")
    device: str = Field("auto", description="auto, cpu, cuda or mps")
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads")
    edited: EditOptions | None = Field(
        None, description="the run this one goes on from, and what was changed; written by artgen edit"
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
            raise ValueError("guides is empty, so nobody judges the words; name one, or leave it out")
        if not self.templates:
            raise ValueError("templates is empty; write '{}' for the words as they are, or leave it out")
        for template in self.templates:
            if template.count("{}") != 1:
                raise ValueError(f"template {template!r} needs exactly one {{}}, such as 'a drawing of {{}}'")
        if any("\0" in path for path in self._own_files()):  # the edited run's own were checked with it
            raise ValueError("a file's name holds the control character U+0000; remove it")
        return self

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> RunConfig:
        """Return the validated configuration.

        Raises:
            UsageError: a key is unknown (the nearest is named) or a value is of no use.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UsageError(_one_line(error, cls)) from None

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
        """Return the same without those of the run that this one was edited from."""
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
        """Return the paths that the renderer's own options name, one for each file."""
        texts = {key: value for key, value in self.options.items() if isinstance(value, str)}
        palette = palette_file(texts.pop("palette", ""))

        # A renderer of another package may take the whole text for a path, or its parts.
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
            UsageError: not YAML, tags other than plain ones, unknown keys, wrong types.
        """
        return cls.make(load_mapping(text))


class EditOptions(Options):
    """What `artgen edit` did to the best candidate of another run, so that it can be repeated."""

    config: RunConfig = Field(description="of the run that was edited")
    step: int = Field(ge=0, le=1_000_000, description="steps that run had made")
    lock: tuple[int, ...] = Field((), description="elements that stayed as they were, numbered as in it")
    delete: tuple[int, ...] = Field((), description="elements that were removed, numbered as in it")
    steps: int = Field(ge=0, le=1_000_000, description="steps made afterwards")

    @model_validator(mode="after")
    def _not_endless(self) -> EditOptions:
        edits, before = 1, self.config.edited
        while before is not None:
            edits, before = edits + 1, before.config.edited
        if edits > MOST_EDITS:
            raise ValueError(
                f"more than {MOST_EDITS} edits, one after the other; begin with its SVG (--init)"
            )
        return self


RunConfig.model_rebuild()
