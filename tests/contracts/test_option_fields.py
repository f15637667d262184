"""Every option of every part becomes a control: its kind, range, default and help agree with pydantic."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from artgen.cli.renderer_options import renderer_parameters
from artgen.config import RunConfig
from artgen.config.presets import Preset, describe_presets, load_preset, preset_field
from artgen.config.values import AspectField, SizeField
from artgen.errors import UsageError
from artgen.geometry import Size
from artgen.losses import losses
from artgen.option_fields import OptionField, option_field, option_fields
from artgen.option_kinds import ADVANCED, BASIC, Kind
from artgen.options import Options
from artgen.renderers import renderers
from artgen.renderers.base import Renderer, RendererOptions

PLAIN_TEXTS = {
    "RunConfig": {"tiles", "templates", "device"},
    "Preset": {"description"},
    "CollageOptions": {"include"},
}
"""Fields that are shown as plain text, by class. One that can name a file must state its kind instead."""


def sections_of(options: type[Options]) -> Iterator[type[Options]]:
    """Yield a class of options and the classes of its sections, each once."""
    found = [options]
    for each in found:
        yield each
        inner = [field.options for field in option_fields(each).values() if field.options is not None]
        found += [section for section in inner if section not in found]


def all_options() -> list[type[Options]]:
    parts = [renderers.get(name).Options for name in renderers.names()]
    return [*sections_of(RunConfig), Preset, *parts]


def all_fields() -> list[Any]:
    found: list[Any] = []
    for options in all_options():
        names = options.model_fields
        found += [pytest.param(options, name, id=f"{options.__name__}.{name}") for name in names]
    return found


def accepts(options: type[Options], name: str, value: object) -> bool:
    """Return whether pydantic accepts a value for a field alone, without comparing it with other fields."""
    field = options.model_fields[name]
    annotation: Any = field.annotation
    if field.metadata:
        annotation = Annotated[(annotation, *field.metadata)]
    try:
        TypeAdapter(annotation).validate_python(value)
    except (ValidationError, UsageError):
        return False
    return True


@pytest.mark.parametrize("options", all_options(), ids=lambda options: options.__name__)
def test_every_field_is_described(options: type[Options]):
    fields = option_fields(options)
    assert list(fields) == list(options.model_fields)
    assert [field.name for field in fields.values()] == list(fields)


@pytest.mark.parametrize(("options", "name"), all_fields())
def test_facts_agree_with_pydantic(options: type[Options], name: str):
    field = option_fields(options)[name]
    declared = options.model_fields[name]
    assert field.help and not field.help.endswith(".")
    assert field.required == declared.is_required()
    assert accepts(options, name, None) == field.optional

    drawn = declared.default_factory is not None
    if not field.required and not drawn:
        assert field.default == declared.default
        assert accepts(options, name, field.default)
    if field.default_text:
        assert accepts(options, name, field.default_text)


@pytest.mark.parametrize(("options", "name"), all_fields())
def test_ranges_are_those_of_pydantic(options: type[Options], name: str):
    field = option_fields(options)[name]
    if field.kind not in ("int", "float", "aspect"):
        assert (field.low, field.high, field.step) == (None, None, None)
        return

    assert field.step is not None and field.step > 0
    if field.low is None:
        assert accepts(options, name, -(10**9))
    else:
        assert accepts(options, name, field.low) == field.low_included
        assert accepts(options, name, field.low + field.step)
        assert not accepts(options, name, field.low - 1)
    if field.high is None:
        assert accepts(options, name, 10**9)
    else:
        assert accepts(options, name, field.high) == field.high_included
        assert accepts(options, name, field.high - field.step)
        assert not accepts(options, name, field.high + 1)


@pytest.mark.parametrize(("options", "name"), all_fields())
def test_a_slider_can_show_the_default(options: type[Options], name: str):
    field = option_fields(options)[name]
    if field.step is None or field.low is None or field.default is None:
        return
    positions = (field.default - field.low) / field.step
    assert positions == pytest.approx(round(positions), abs=1e-6)
    if field.kind == "float" and field.high is not None:
        assert 90 < (field.high - field.low) / field.step <= 10_000


@pytest.mark.parametrize(("options", "name"), all_fields())
def test_choices_are_those_of_pydantic(options: type[Options], name: str):
    field = option_fields(options)[name]
    for choice in field.choices:
        assert accepts(options, name, choice)
    if field.kind == "choice":
        assert field.choices and field.default in field.choices
        assert not accepts(options, name, "another choice")


@pytest.mark.parametrize("options", all_options(), ids=lambda options: options.__name__)
def test_plain_texts_are_known(options: type[Options]):
    """A field that can name a file, a colour or a palette may not pass as plain text by mistake."""
    found = {field.name for field in option_fields(options).values() if field.kind in ("text", "texts")}
    assert found == PLAIN_TEXTS.get(options.__name__, set())


@pytest.mark.parametrize("name", renderers.names())
def test_a_renderer_shows_few_options_first(name: str):
    fields = option_fields(renderers.get(name).Options).values()
    assert 3 <= sum(not field.advanced for field in fields) <= 7


def test_the_first_options_of_a_run():
    first = [name for name, field in option_fields(RunConfig).items() if not field.advanced]
    assert first[:2] == ["prompts", "renderer"]
    assert {"palette", "steps", "seed", "size", "background"} < set(first)
    for section in list(sections_of(RunConfig))[1:]:
        if section.__name__ != "EditOptions":
            assert all(field.advanced for field in option_fields(section).values())


@pytest.mark.parametrize("name", losses.names())
def test_a_loss_is_a_weight(name: str):
    field = losses.weight_field(name, 0.5)
    assert (field.name, field.kind, field.default) == (name, "float", 0.5)
    assert field.help and not field.help.endswith(".")
    assert RunConfig(prompts="a fox", losses={name: field.default}).losses == {name: 0.5}


def test_weights_of_losses_meet_the_slider():
    for name in renderers.names():
        for loss, weight in renderers.get(name).default_losses.items():
            step = losses.weight_field(loss).step
            assert step is not None
            assert weight / step == pytest.approx(round(weight / step))


def test_an_unknown_loss_has_no_weight():
    with pytest.raises(UsageError, match="did you mean 'edge'"):
        losses.weight_field("edgy")


def test_presets_are_a_choice():
    field = preset_field()
    assert field.kind == "choice" and field.optional
    assert field.choices == tuple(describe_presets())


@pytest.mark.parametrize("name", preset_field().choices)
def test_a_preset_sets_fields(name: str):
    preset = load_preset(name)
    for values in (preset.values, *preset.renderers.values(), *preset.guides.values()):
        RunConfig.make({"prompts": "a fox", **values})
        for key, value in values.items():
            field = option_fields(RunConfig)[key]
            for inner in value if field.kind == "section" else ():
                assert option_field(RunConfig, f"{key}.{inner}").name == inner


class Inner(Options):
    """Options of a section.

    More about it.
    """

    model_config = ConfigDict(json_schema_extra=ADVANCED)
    plain: int = Field(2, description="a number")
    first: int = Field(3, description="another number", json_schema_extra=BASIC)


class Own(Options):
    """One field of each type."""

    switch: bool = False
    whole: int | None = Field(None, gt=2, lt=9)
    number: float = Field(0.5, gt=0, le=1, json_schema_extra={"step": 0.25})
    unlimited: float = 30.0
    below: float = Field(0.0, lt=5)
    choice: Literal["a", "b"] = "a"
    text: str = ""
    texts: tuple[str, ...] = ()
    numbers: tuple[int, ...] = (1, 2)
    weights: dict[str, float] = Field({})
    mapping: dict[str, Any] = Field({})
    size: SizeField | None = None
    aspect: AspectField = 1.5
    file: Annotated[str, Kind("file")] | None = Field(None, description="a file", json_schema_extra=ADVANCED)
    colour: Annotated[str, Kind("colour", words=("none",))] = "red"
    either: Annotated[int | str, Kind("text")] = 1
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    required: int


EXPECTED = {
    "switch": OptionField("switch", "bool", default=False),
    "whole": OptionField("whole", "int", 3, 8, step=1, optional=True),
    "number": OptionField("number", "float", 0, 1, low_included=False, step=0.25, default=0.5),
    "unlimited": OptionField("unlimited", "float", step=1.0, default=30.0),
    "below": OptionField("below", "float", None, 5, high_included=False, step=1.0, default=0.0),
    "choice": OptionField("choice", "choice", choices=("a", "b"), default="a"),
    "text": OptionField("text", "text", default=""),
    "texts": OptionField("texts", "texts", default=()),
    "numbers": OptionField("numbers", "numbers", default=(1, 2)),
    "region": OptionField("region", "region", default=(0.0, 0.0, 1.0, 1.0)),
    "weights": OptionField("weights", "weights", default={}),
    "mapping": OptionField("mapping", "mapping", default={}),
    "size": OptionField("size", "size", optional=True),
    "aspect": OptionField(
        "aspect", "aspect", 0.02, 50, low_included=False, high_included=False, step=0.01, default=1.5
    ),
    "file": OptionField("file", "file", optional=True, help="a file", advanced=True),
    "colour": OptionField("colour", "colour", choices=("none",), default="red"),
    "either": OptionField("either", "text", default=1),
    "inner": OptionField("inner", "section", default=Inner(), help="Options of a section", options=Inner),
    "several": OptionField("several", "sections", default=(), help="Options of a section", options=Inner),
    "required": OptionField("required", "int", step=1, required=True),
}


@pytest.mark.parametrize("name", Own.model_fields)
def test_each_type_has_its_kind(name: str):
    assert option_fields(Own)[name] == EXPECTED[name]


def test_a_class_may_be_advanced_except_for_some_fields():
    assert option_field(Own, "inner.plain").advanced
    assert not option_field(Own, "inner.first").advanced


def test_a_default_as_text():
    texts = {name: field.default_text for name, field in option_fields(Own).items()}
    assert texts["numbers"] == "1,2" and texts["choice"] == "a" and texts["unlimited"] == "30.0"
    assert not any(texts[name] for name in ("switch", "whole", "weights", "inner", "required"))


def test_a_key_that_does_not_exist():
    for key in ("nonesuch", "inner.nonesuch", "text.plain"):
        with pytest.raises(KeyError):
            option_field(Own, key)


@pytest.mark.parametrize(
    "kind", [complex, int | str, bytes, list[str], Any, Size, tuple[float, ...]], ids=str
)
def test_a_type_without_a_kind_is_refused(kind: Any):
    class Unknown(Options):
        """Options of a test."""

        strange: kind = Field(None, description="something")

    with pytest.raises(TypeError, match=r"Unknown\.strange.*state one"):
        option_fields(Unknown)


def without_type_checks(code: str) -> str:
    """Return what a program that the tests' type checker does not watch writes to stderr."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr


def test_an_unknown_kind_is_refused():
    error = without_type_checks("from artgen.option_kinds import Kind; Kind('palete')")
    assert "TypeError: 'palete' is not a kind of option; use one of: bool, int" in error


def test_fields_are_frozen():
    field = option_fields(Own)["text"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        field.help = "changed"
    with pytest.raises(TypeError):
        option_fields(Own)["text"] = field


def test_a_renderer_of_one_file_needs_nothing_else(monkeypatch: pytest.MonkeyPatch):
    """Its options are described, and typed on the command line, once it is registered."""
    renderers.names()
    monkeypatch.setattr(renderers, "_parts", dict(renderers._parts))

    class DotsOptions(RendererOptions):
        """Options of the renderer."""

        dots: int = Field(7, ge=2, le=50, description="number of dots")
        tone: Literal["warm", "cold"] = Field("warm", description="colours", json_schema_extra=ADVANCED)
        filled: bool = Field(True, description="fill the dots")

    @renderers.register("dots-of-a-test")
    class Dots(Renderer[DotsOptions]):
        """Dots."""

        Options = DotsOptions

    fields = option_fields(renderers.get("dots-of-a-test").Options)
    assert fields["dots"] == OptionField("dots", "int", 2, 50, step=1, default=7, help="number of dots")
    assert fields["tone"].choices == ("warm", "cold")

    parameters = {
        parameter.opts[0]: parameter for parameter in renderer_parameters("dots-of-a-test", frozenset())
    }
    assert list(parameters) == ["--dots", "--filled", "--tone"]
    assert parameters["--tone"].metavar == "warm|cold"
    assert parameters["--tone"].rich_help_panel == "More options of the renderer dots-of-a-test"
    assert parameters["--filled"].secondary_opts == ["--no-filled"]
    assert parameters["--dots"].help == "Number of dots. Default: 7."


def test_torch_is_not_imported():
    code = (
        "import sys; from artgen.option_fields import option_fields; from artgen.config import RunConfig; "
        "option_fields(RunConfig); assert 'torch' not in sys.modules"
    )
    assert without_type_checks(code) == ""
