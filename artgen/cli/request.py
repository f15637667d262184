"""What one command line asks `paint` for, and the configuration that follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artgen.cli.declaring import DeclaredOption
from artgen.cli.values import set_dotted
from artgen.config import RunConfig, load_config_file
from artgen.config.presets import apply_preset, merged

DEFAULT_RENDERER: str = RunConfig.model_fields["renderer"].default


@dataclass(frozen=True)
class PaintRequest:
    """The parsed values of a command line.

    Args:
        settings: given values of the options that set a key of the configuration.
        renderer_options: the renderer's options that were given, as text or switches.
        assignments: of `--set`, as typed.
        config: file to start with.
        preset: name of a preset.
        seeds: seeds of a batch, as typed.
        prompt_file: file with a prompt and options on each line.
        out: folder of the run or the batch.
        runs: folder for new runs.
        force: whether to replace what is in it.
        as_json: whether to print one JSON object.
        quiet: whether to show nothing.
        below: a request that this one overrides: the command line, for a line of a batch.
    """

    settings: Mapping[DeclaredOption, Any] = field(default_factory=dict)
    renderer_options: Mapping[str, Any] = field(default_factory=dict)
    assignments: tuple[str, ...] = ()
    config: Path | None = None
    preset: str | None = None
    seeds: str | None = None
    prompt_file: Path | None = None
    out: Path | None = None
    runs: Path | None = None
    force: bool = False
    as_json: bool = False
    quiet: bool = False
    below: PaintRequest | None = None

    @classmethod
    def of(cls, values: Mapping[DeclaredOption, Any], renderer_options: Mapping[str, Any]) -> PaintRequest:
        """Return the request of parsed options.

        Args:
            values: each declared option's value, None or an empty sequence if it was not given.
            renderer_options: the renderer's options that were given.
        """
        given = {option: value for option, value in values.items() if value not in (None, (), [])}
        settings = {option: value for option, value in given.items() if option.sets is not None}
        controls = {option.name: value for option, value in given.items() if option.sets is None}

        assignments = tuple(controls.pop("assignments", ()))
        return cls(settings=settings, renderer_options=renderer_options, assignments=assignments, **controls)

    def over(self, below: PaintRequest) -> PaintRequest:
        """Return this request on top of another, which then sets what this one leaves open."""
        return dataclasses.replace(
            self,
            below=below,
            config=self.config if self.config is not None else below.config,
            preset=self.preset if self.preset is not None else below.preset,
        )

    def sets(self, key: str) -> bool:
        """Return whether this request, without any below it, sets a top-level key of the configuration."""
        return key in dataclasses.replace(self, below=None).given()

    def given(self) -> dict[str, Any]:
        """Return the keys of the configuration that options and `--set` give, this request's on top.

        Raises:
            UsageError: a value that cannot be read.
        """
        values = self._given_below()
        for option, value in self.settings.items():
            option.apply(value, values)
        if self.renderer_options:
            values["options"] = {**values.get("options", {}), **self.renderer_options}
        for assignment in self.assignments:
            set_dotted(values, assignment)
        return values

    def _given_below(self) -> dict[str, Any]:
        """Return what the request below gives, without its renderer's options if this one changes the renderer."""
        if self.below is None:
            return {}

        values = self.below.given()
        own = dataclasses.replace(self, below=None).given()
        if "renderer" in own and own["renderer"] != self.below.renderer():
            values.pop("options", None)
        return values

    def values(self) -> dict[str, Any]:
        """Return the configuration: that of the file, then the preset's, then what options and `--set` give.

        Raises:
            InputError: the configuration file cannot be read.
            UsageError: a value that cannot be read, or an unknown preset.
        """
        values = load_config_file(self.config) if self.config is not None else {}
        given = self.given()

        renderer_of_file = values.get("renderer", DEFAULT_RENDERER)
        if given.get("renderer", renderer_of_file) != renderer_of_file:
            values.pop("options", None)
        if self.preset is not None:
            values = apply_preset(values, self.preset, given)
        return merged(values, given)

    def renderer(self) -> str:
        """Return the name of the renderer that this request asks for.

        Raises:
            InputError: the configuration file cannot be read.
            UsageError: a value that cannot be read, or an unknown preset.
        """
        return str(self.values().get("renderer") or DEFAULT_RENDERER)
