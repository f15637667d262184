"""Presets: named settings for a first look, everyday work and a finished piece.

A preset is a YAML file in `artgen_assets/presets`:

    description: one line for `artgen presets`
    values: {steps: 200}                 # any keys of the configuration
    renderers: {strokes: {steps: 300}}   # override `values` for one renderer
    guides: {doodle: {cutouts: {count: 16}}, others: {cutouts: {count: 8}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from artgen.config import RunConfig, load_mapping, options_from
from artgen.config.reading import LARGEST_CONFIG
from artgen.errors import UsageError, did_you_mean
from artgen.files import read_text, shipped_folder
from artgen.option_fields import OptionField
from artgen.options import Options

SHIPPED = ("draft", "normal", "best")
"""Presets, fastest first."""
OTHERS = "others"
"""Key for all guides that a preset does not name."""


class Preset(Options):
    """The content of a preset's file; the module's docstring has an example."""

    description: str = Field(description="one line for artgen presets")
    values: dict[str, Any] = Field({}, description="keys of the configuration")
    renderers: dict[str, dict[str, Any]] = Field({}, description="keys that override values, by renderer")
    guides: dict[str, dict[str, Any]] = Field({}, description="keys that override values, by guide")


def load_preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        UsageError: no such preset; the message names the nearest.
    """
    known = _files()
    if name not in known:
        hint = did_you_mean(name, known)
        raise UsageError(
            f"no preset {name!r}{hint} (known: {', '.join(known)}; artgen presets describes them)"
        )
    return options_from(Preset, load_mapping(read_text(known[name], LARGEST_CONFIG)), f"preset {name}")


def describe_presets() -> dict[str, str]:
    """Return each preset's description by name."""
    return {name: load_preset(name).description for name in _files()}


def preset_field() -> OptionField:
    """Return the choice of a preset as an option; without one, the configuration keeps its defaults."""
    return OptionField(
        name="preset",
        kind="choice",
        choices=tuple(_files()),
        optional=True,
        help="named settings, from a first look to a finished piece",
    )


def apply_preset(values: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values overridden by a preset, as it is for the renderer and guides in use.

    Args:
        values: the configuration so far.
        name: of the preset.
        given: values that will override the preset; only their renderer and guides matter here.
    """
    preset = load_preset(name)
    renderer = given.get("renderer", values.get("renderer", RunConfig.model_fields["renderer"].default))
    guides = given.get("guides", values.get("guides", RunConfig.model_fields["guides"].default))

    result = merged(values, preset.values)
    result = merged(result, preset.renderers.get(str(renderer), {}))
    others = preset.guides.get(OTHERS, {})
    for guide in [guides] if isinstance(guides, str) else guides:
        result = merged(result, preset.guides.get(_bare_name(str(guide)), others))
    return result


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two nested mappings as one; where both have a value, `above` wins.

    Example:
        >>> merged({"cutouts": {"count": 4, "flip": 0}}, {"cutouts": {"count": 8}})
        {'cutouts': {'count': 8, 'flip': 0}}
    """
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def _bare_name(guide: str) -> str:
    """Return the guide's name without tag, file and weight."""
    return guide.partition("@")[0].partition("=")[0].partition(":")[0].strip()


def _files() -> dict[str, Path]:
    """Return the presets' files by name, fastest preset first."""
    folder = shipped_folder("presets")
    files = [file for file in folder.iterdir() if file.name.endswith(".yaml")]
    found = {file.name.removesuffix(".yaml"): file for file in files}

    shipped = [name for name in SHIPPED if name in found]
    others = sorted(set(found) - set(shipped))
    return {name: found[name] for name in [*shipped, *others]}
