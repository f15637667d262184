"""How the command line finds its command, and a renderer's own options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import typer
from typer.core import TyperCommand

from artgen.cli.messages import CommandLineError
from artgen.config.yaml import read_yaml
from artgen.errors import ArtgenError, InputError, UsageError, did_you_mean

RENDERER_OPTIONS = "artgen.renderer_options"
"""Key under which the renderer's own options wait in the context's `meta`."""
ARGUMENTS = "artgen.arguments"
"""Key under which all that was written after `paint` waits in the context's `meta`."""
CONFIGURATION_KEYS = {
    "prompts": "prompts",
    "composition": "composition",
    "tiles": "tiles",
    "tile_prompts": "tile_prompts",
    "tile_patches": "tile_patches",
    "renderer": "renderer",
    "guide": "guides",
    "steps": "steps",
    "seconds": "seconds",
    "seed": "seed",
    "population": "population",
    "canvas": "canvas",
    "size": "size",
    "aspect": "aspect",
    "cutouts": "cutouts.count",
    "init": "init",
    "target": "target",
    "style": "style",
    "mask": "mask",
    "palette": "palette",
    "background": "background",
    "transparent": "transparent",
    "wrap": "wrap",
    "template": "templates",
    "timelapse": "timelapse.kind",
}
"""What the options of `paint` set in the configuration."""
GRIDS = ("composition", "tile_prompts", "tile_patches")
"""Options that take rows of texts, or a file that holds them."""
LARGEST_GRID = 1 << 20
"""Largest file of such rows in bytes."""


_context: ContextVar[Any] = ContextVar("artgen.context")


def current_context() -> Any:
    """Return the context of the command that runs; whose class it is depends on typer's version."""
    return _context.get()


class ContextCommand(TyperCommand):
    """A command that finds its context by `current_context`."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        token = _context.set(ctx)
        try:
            return super().invoke(ctx)
        finally:
            _context.reset(token)


class PaintCommand(ContextCommand):
    """A command that also takes the chosen renderer's own options under their own names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the renderer's options out of `args` and keep them in `ctx.meta`."""
        known = {name: parameter for parameter in self.get_params(ctx) for name in parameter.opts}
        ctx.meta[ARGUMENTS] = list(args)
        try:
            args, own = split_renderer_options(args, known)
        except ArtgenError as error:
            raise CommandLineError(str(error), ctx) from None
        ctx.meta[RENDERER_OPTIONS] = own
        return super().parse_args(ctx, args)


def split_renderer_options(args: Sequence[str], known: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Return the arguments without the renderer's own options, and those options.

    Args:
        args: what was written on the command line.
        known: the command's own options by name.

    Raises:
        UsageError: an option that neither the command nor the renderer has.
    """
    rest: list[str] = []
    own: dict[str, Any] = {}
    fields: dict[str, Any] | None = None
    words = list(args)
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
            break
        if not word.startswith("--") or name in known:
            rest.append(word)
            if name in known and "=" not in word and not known[name].is_flag and words:
                rest.append(words.pop(0))
            continue
        fields = fields if fields is not None else _fields_of_renderer(args)
        key, flag = _field_name(name, fields, known)
        if flag is not None:
            own[key] = flag
            continue
        if "=" not in word:
            if not words:
                raise UsageError(
                    f"{name} needs a value; write {name}=VALUE (artgen renderers NAME tells which)"
                )
            value = words.pop(0)
        own[key] = value
    return rest, own


def _fields_of_renderer(args: Sequence[str]) -> dict[str, Any]:
    """Return the fields of the options of the renderer that the arguments name."""
    from artgen.renderers import renderers

    kind = renderers.get(_chosen_renderer(args))
    return dict(kind.Options.model_fields)


def _chosen_renderer(args: Sequence[str]) -> str:
    """Return the renderer from `--renderer`, from the file of `--config`, or the default."""
    from pathlib import Path

    from artgen.config import RunConfig, load_config_file

    chosen: dict[str, str | None] = {"--renderer": None, "--config": None}
    for index, word in enumerate(args):
        name, equals, value = word.partition("=")
        name = {"-r": "--renderer", "-c": "--config"}.get(name, name)
        if name in chosen:
            chosen[name] = value if equals else next(iter(args[index + 1 : index + 2]), None)
    if chosen["--renderer"] is None and chosen["--config"] is not None:
        chosen["--renderer"] = load_config_file(Path(chosen["--config"])).get("renderer")
    return str(chosen["--renderer"] or RunConfig.model_fields["renderer"].default)


def _field_name(name: str, fields: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[str, bool | None]:
    """Return the field an option means, and its value if it is a switch."""
    field = name.removeprefix("--").replace("-", "_")
    if field in fields:
        return field, True if fields[field].annotation is bool else None
    positive = field.removeprefix("no_")
    if positive in fields and fields[positive].annotation is bool:
        return positive, False
    options = [f"--{each.replace('_', '-')}" for each in fields]
    raise UsageError(
        f"no option {name}{did_you_mean(name, [*known, *options])} (artgen renderers lists them all)"
    )


def configuration_values(params: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration's values: the file's, then the preset's, the options' and `--set`'s.

    Args:
        params: the parameters of `paint` by name.
        own: the renderer's own options.
    """
    from pathlib import Path

    from artgen.config import load_config_file
    from artgen.config.presets import apply_preset, merged

    values = load_config_file(Path(params["config"])) if params["config"] is not None else {}
    given: dict[str, Any] = {}
    for name, key in CONFIGURATION_KEYS.items():
        value = read_grid_file(params[name], name) if name in GRIDS else params[name]
        if value is not None and value != () and value != []:
            _put(given, key, list(value) if isinstance(value, tuple) else value, f"--{name}")
    if params["loss"]:
        given["losses"] = parse_weights(params["loss"], "--loss")
    if own:
        given["options"] = dict(own)
    for assignment in params["assignments"] or ():
        set_dotted(given, assignment)
    if given.get("renderer", values.get("renderer")) != values.get("renderer"):
        values.pop("options", None)
    if params["preset"] is not None:
        values = apply_preset(values, params["preset"], given)
    return merged(values, given)


def read_grid_file(value: str | None, name: str) -> str | None:
    """Return the text of a file if `value` names one, else `value`: rows divided by ` / `, cells by `;`.

    Raises:
        UsageError: it is empty.
        InputError: it names a file that cannot be read.
    """
    from pathlib import Path

    option = f"--{name.replace('_', '-')}"
    if value is not None and not value.strip():
        raise UsageError(f"{option} is empty; give the prompts, or a text file of them")
    if value is None or ";" in value:
        return value
    path = Path(value)
    try:
        if path.suffix.lower() != ".txt" and not path.is_file():
            return value
        if path.stat().st_size > LARGEST_GRID:
            raise InputError(f"{option} {path}: larger than {LARGEST_GRID} bytes; give a file of prompts")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{option} {value[:100]}: {reason}; give a text file, or the prompts") from None


def parse_paint_arguments(arguments: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters of `paint` and the renderer's own options, as the command line reads them.

    Raises:
        UsageError: an option that does not exist, or a value of no use.
    """
    from artgen.cli import app
    from artgen.cli.messages import WrittenWrong, written_wrong

    group: Any = typer.main.get_command(app)
    command = group.commands["paint"]
    try:
        context = command.make_context("paint", list(arguments))
    except WrittenWrong as error:
        raise UsageError(written_wrong(error)) from None
    return context.params, context.meta[RENDERER_OPTIONS]


def set_dotted(values: dict[str, Any], assignment: str) -> None:
    """Apply one `--set key.subkey=value`; the value is read as YAML.

    Raises:
        UsageError: no `=`, a key below a plain value, or a value that is not YAML.

    Example:
        >>> values = {}
        >>> set_dotted(values, "optimiser.rate=0.5"); values
        {'optimiser': {'rate': 0.5}}
    """
    key, equals, written = assignment.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {assignment!r}: write key=value, such as --set optimiser.rate=0.5")
    try:
        value = read_yaml(written)
    except ValueError as error:
        raise UsageError(
            f"--set {assignment[:80]!r}: {error} (text with such signs goes in quotes)"
        ) from None
    _put(values, key.strip(), value, f"--set {assignment!r}")


def _put(values: dict[str, Any], key: str, value: Any, option: str) -> None:
    """Set the value of a dotted key."""
    *path, last = key.split(".")
    place = values
    for part in path:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise UsageError(f"{option}: {part!r} has no keys below it")
    place[last] = value


def parse_weights(assignments: Sequence[str], option: str) -> dict[str, float]:
    """Read `name=weight` pairs.

    Raises:
        UsageError: not a name and a number.
    """
    weights = {}
    for assignment in assignments:
        name, _, written = assignment.partition("=")
        try:
            weights[name.strip()] = float(written)
        except ValueError:
            raise UsageError(f"{option} {assignment!r}: write NAME=WEIGHT, such as smoothness=0.1") from None
    return weights
