"""How words become a configuration: the renderer's options, layers of options, and errors."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from artgen.batch.sheet import METADATA_KEY
from artgen.cli import paint_options
from artgen.cli.declaring import Sets, declared_options
from artgen.cli.paint_options import BatchOptions, ConfigurationOptions, OutputOptions
from artgen.cli.parsing import PaintCommand, parse_line
from artgen.cli.request import PaintRequest
from artgen.cli.values import set_dotted
from artgen.config import RunConfig
from artgen.errors import UsageError
from artgen.renderers import renderers

Asked = Callable[..., RunConfig]


@pytest.fixture
def asked(artgen, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Returns the configuration that a command line would paint."""
    configurations: list[RunConfig] = []
    make = RunConfig.make

    def record(values: dict[str, Any]) -> RunConfig:
        configurations.append(make(values))
        return configurations[-1]

    monkeypatch.setattr(RunConfig, "make", record)
    monkeypatch.setattr("artgen.cli.paint.run_and_report", lambda *_, **__: None)

    def ask(*arguments: object) -> RunConfig:
        answer = artgen(*arguments)
        assert (answer.status, answer.err) == (0, "")
        return configurations[-1]

    return ask


@pytest.mark.parametrize(
    "words",
    [
        ["--renderer", "strokes", "--strokes", "8"],
        ["--renderer=strokes", "--strokes=8"],
        ["-r", "strokes", "--strokes", "8"],
        ["-rstrokes", "--strokes=8"],
        ["--strokes", "8", "-rstrokes"],
        ["--set", "renderer=strokes", "--strokes", "8"],
        ["--strokes", "8", "-r", "pixel", "--set=renderer=strokes"],
        ["--renderer", "pixel", "--renderer", "strokes", "--strokes", "8"],
    ],
    ids=" ".join,
)
def test_renderer_is_found_however_it_is_given(words: list[str], asked: Asked):
    config = asked("a fox", *words)
    assert (config.renderer, config.options) == ("strokes", {"strokes": "8"})
    assert config.prompts == ("a fox",)


@pytest.mark.parametrize("name", ["config.yaml", "config.json"])
def test_renderer_of_a_configuration_file(name: str, asked: Asked):
    values = {"renderer": "strokes", "options": {"segments": 2}}
    Path(name).write_text(json.dumps(values))
    for option in (["--config", name], ["-c", name], [f"-c{name}"]):
        config = asked("a fox", *option, "--strokes", 8)
        assert (config.renderer, config.options) == ("strokes", {"segments": 2, "strokes": "8"})
    other = asked("a fox", "--config", name, "-rpixel", "--cells", 8)
    assert (other.renderer, other.options) == ("pixel", {"cells": "8"})


def test_options_of_a_file_without_a_renderer_belong_to_the_default(asked: Asked):
    Path("config.yaml").write_text("options: {cells: 9}\n")
    assert asked("a fox", "-c", "config.yaml", "-r", "pixel").options == {"cells": 9}


def test_switches_and_their_opposites(asked: Asked):
    collage = ["a fox", "-r", "collage"]
    assert asked(*collage).options == {}
    assert asked(*collage, "--skip-bad").options == {"skip_bad": True}
    assert asked(*collage, "--no-skip-bad").options == {"skip_bad": False}
    assert asked(*collage, "--skip-bad", "--no-skip-bad").options == {"skip_bad": False}

    Path("config.yaml").write_text("{wrap: true, transparent: true}")
    config = asked("a fox", "-c", "config.yaml", "--no-wrap")
    assert (config.wrap, config.transparent) == (False, True)
    assert asked("a fox", "-c", "config.yaml", "--no-transparent").transparent is False


def test_negative_values_and_values_like_options(asked: Asked):
    config = asked("a fox", "-r", "collage", "--margin", "-0.3", "--max-rotation=-5", "--include", "--steps")
    assert config.options == {"margin": "-0.3", "max_rotation": "-5", "include": "--steps"}
    assert config.steps == 200


def test_words_after_two_dashes_are_prompts(asked: Asked):
    config = asked("a fox", "--cells", 8, "--", "-5 degrees", "--steps", "--seed=3")
    assert config.prompts == ("a fox", "-5 degrees", "--steps", "--seed=3")
    assert (config.options, config.steps) == ({"cells": "8"}, 200)
    assert asked("--", "-5 degrees").prompts == ("-5 degrees",)


def test_every_option_of_every_renderer_is_accepted():
    taken = {option.flag for option in declared_options(paint_options.RUN_OPTIONS)}
    for renderer in renderers.names():
        for name, field in renderers.get(renderer).Options.model_fields.items():
            flag = f"--{name.replace('_', '-')}"
            if flag in taken:
                continue
            words = [flag] if field.annotation is bool else [flag, "7"]
            request = parse_line(["a fox", "-r", renderer, *words], below=PaintRequest())
            assert request.renderer_options == {name: True if field.annotation is bool else "7"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cels", "3"], "no option --cels; did you mean '--cells'?"),
        (["--cels=3"], "no option --cels; did you mean '--cells'?"),
        (["--stepz", "3"], "did you mean '--steps'?"),
        (
            ["--strokes", "3"],
            "no option --strokes: it belongs to the renderer strokes; add --renderer strokes",
        ),
        (["--strokes=3", "-rcollage"], "add --renderer strokes"),
        (["--fill", "evenodd", "-r", "pixel"], "add --renderer strokes"),
        (["--no-invert"], "add --renderer collage"),
        (["-rstrokes", "--strkes", "3"], "did you mean '--strokes'?"),
        (["-rstrokes", "--no-strokes"], "did you mean '--strokes'?"),
        (["-rstroke", "--strokes", "3"], "no renderer 'stroke'; did you mean 'strokes'?"),
        (["--config", "nowhere.yaml", "--strokes", "3"], "nowhere.yaml"),
        (["--cells"], "--cells needs a value; write --cells=VALUE"),
        (["-n"], "-n needs a value; write -n VALUE"),
        (["--wrap=3"], "--wrap takes no value"),
        (["-rcollage", "--invert=3"], "--invert takes no value"),
        (["-5 degrees"], "a prompt that begins with '-' goes after '--'"),
        (["-5 rabbits"], "a prompt that begins with '-' goes after '--'"),
        (["-x"], "no option -x"),
    ],
    ids=str,
)
def test_errors_name_the_cure(words: list[str], said: str, artgen):
    answer = artgen("a fox", *words)
    assert answer.status == 2
    assert said in answer.error_line()
    assert answer.out == ""


def test_nothing_is_suggested_that_is_not_near(artgen):
    said = artgen("a fox", "--qwertyuiop", "3").error_line()
    assert "no option --qwertyuiop" in said
    assert "did you mean" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "run", "--sizes", "3x3"], "no option --sizes; did you mean '--size'?"),
        (["promote", "sheet.png", "1", "--seeds", "1-2"], "sheet.png"),
        (["promote"], "argument"),
    ],
    ids=str,
)
def test_errors_of_other_commands(words: list[str], said: str, artgen):
    answer = artgen(*words)
    assert (answer.status, said in answer.error_line()) == (2, True)


@pytest.mark.parametrize(
    ("words", "renderer"),
    [
        ([], "pixel"),
        (["-r", "strokes"], "strokes"),
        (["-rcollage"], "collage"),
        (["-r", "nonesuch"], "pixel"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["paint", "promote"])
def test_help_lists_the_options_of_the_renderer(command: str, words: list[str], renderer: str, artgen):
    for order in ([*words, "--help"], ["--help", *words], [*words, "-h"]):
        answer = artgen(command, *order)
        assert (answer.status, answer.err) == (0, "")
        assert f"Options of the renderer {renderer}" in answer.out
        for name in renderers.get(renderer).Options.model_fields:
            assert f"--{name.replace('_', '-')}" in answer.out
        assert answer.out.count("Options of the renderer") == 1
    assert "Optimisation steps. Default: 200." in answer.out


def test_no_renderer_is_imported_without_need():
    code = (
        "import sys; from artgen.cli.parsing import parse_line; from artgen.cli.request import PaintRequest; "
        "request = parse_line(['a fox', '-rstrokes', '--steps=3', '--preset', 'draft'], below=PaintRequest()); "
        "assert request.values()['steps'] == 3; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def values_of(line: str, *common: str) -> dict[str, Any]:
    """The configuration of a line of a batch under a command line."""
    return parse_line(line.split(), below=parse_line(common, below=PaintRequest())).values()


def test_lines_override_the_command_line():
    assert values_of("fox", "dog") == {"prompts": ["dog", "fox"]}
    assert values_of("--steps 7", "--steps", "5")["steps"] == 7
    assert values_of("--steps 7", "--set", "steps=5")["steps"] == 7
    assert values_of("--set steps=7", "--steps", "5")["steps"] == 7
    assert values_of("--seed 7", "--steps", "5") == {"seed": 7, "steps": 5}
    assert values_of("--cutouts 7", "--set", "cutouts.flip=0")["cutouts"] == {"count": 7, "flip": 0}
    assert values_of("--guide b", "--guide", "a")["guides"] == ["a", "b"]
    assert values_of("--set guides=[b]", "--guide", "a")["guides"] == ["b"]
    assert values_of("--loss x=1 --loss y=2", "--loss", "x=3", "--loss", "z=4")["losses"] == {
        "x": 1.0,
        "y": 2.0,
        "z": 4.0,
    }
    assert values_of("--no-wrap", "--wrap")["wrap"] is False
    assert values_of("--cells 7", "--cells", "5", "--dither", "1")["options"] == {"cells": "7", "dither": "1"}


def test_lines_override_file_and_preset(tmp_path: Path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("{steps: 5, renderer: strokes, seed: 1}")
    second.write_text("{steps: 6, renderer: strokes}")
    assert values_of("--strokes 7", "-c", str(first)) == {
        "steps": 5,
        "renderer": "strokes",
        "seed": 1,
        "options": {"strokes": "7"},
    }
    assert values_of(f"-c {second}", "-c", str(first)) == {"steps": 6, "renderer": "strokes"}
    draft, best = values_of("fox", "--preset", "draft"), values_of("--preset best", "--preset", "draft")
    assert draft["steps"] < best["steps"]


def test_a_line_with_another_renderer_leaves_the_options_of_the_first():
    assert values_of("-rstrokes --strokes 7", "--cells", "5") == {
        "renderer": "strokes",
        "options": {"strokes": "7"},
    }
    assert values_of("-rpixel", "--cells", "5")["options"] == {"cells": "5"}


@pytest.mark.parametrize(
    "option", ["--out", "-o", "--force", "--json", "--quiet", "-q", "--seeds", "--prompts"]
)
def test_options_of_the_whole_batch_are_refused_in_a_line(option: str):
    for words in ([option], [option, "1"], [f"{option}=1"]):
        if words[0].startswith("--") or "=" not in words[0]:
            with pytest.raises(UsageError, match=f"{option} belongs to the whole batch"):
                parse_line(["a fox", *words], below=PaintRequest())


def test_a_line_asks_for_no_help():
    for option in ("--help", "-h"):
        with pytest.raises(UsageError, match=f"{option} belongs to the whole batch"):
            parse_line([option], below=PaintRequest())
    assert parse_line(["--include", "--out", "-rcollage"], below=PaintRequest()).values()["options"] == {
        "include": "--out"
    }


@pytest.fixture
def sheet() -> Path:
    """A contact sheet with one run of strokes."""
    folder = Path("batch/001-a-fox-1")
    folder.mkdir(parents=True)
    config = "{prompts: a fox, renderer: strokes, options: {segments: 2}, steps: 5, population: 3}"
    (folder / "config.yaml").write_text(config)
    information = PngInfo()
    information.add_itxt(METADATA_KEY, json.dumps({"cells": [{"number": 1, "folder": folder.name}]}))
    Pillow.new("RGB", (4, 4)).save("batch/sheet.png", pnginfo=information)
    return Path("batch/sheet.png")


def test_promote_takes_options_on_top_of_the_run(asked: Asked, sheet: Path):
    folder = "batch/001-a-fox-1"
    config = asked("promote", sheet, 1)
    assert (config.prompts, config.steps, config.population, config.init) == (("a fox",), 5, 1, folder)
    assert config.options == {"segments": 2}

    config = asked("promote", "--yes", sheet, 1, "a blue fox", "--population", 2, "--strokes=8")
    assert (config.prompts, config.population) == (("a blue fox",), 2)
    assert config.options == {"segments": 2, "strokes": "8"}
    assert asked("promote", sheet, 1, "--set", "init=x.png").init == "x.png"
    assert asked("promote", sheet, 1, "-rpixel", "--cells", 8).options == {"cells": "8"}


def test_promote_lists_and_checks_the_options_of_its_renderer(artgen, sheet: Path):
    assert "Options of the renderer strokes" in artgen("promote", sheet, 1, "--help").out
    assert "add --renderer pixel" in artgen("promote", sheet, 1, "--cells", 8).error_line()
    assert "no option --seeds" in artgen("promote", sheet, 1, "--seeds", "1-2").error_line()
    assert "after the sheet" in artgen("promote", "--strokes", 8, sheet, 1).error_line()
    assert "no picture 2" in artgen("promote", sheet, 2, "--strokes", 8).error_line()


def test_seeds_of_lines(artgen, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    monkeypatch.setattr("artgen.cli.batch._show", lambda work, *_: seen.extend(work.args[0]))
    Path("lines.txt").write_text(
        "a fox's den\na cat -s7\na dog --set seed=8\n-5 degrees --steps 3\n--cells 4 'a hat'\n"
    )
    assert artgen("--prompts", "lines.txt", "--seeds", "1-2", "--steps", 9).status == 0
    found = [(job.config.prompts, job.config.seed, job.config.steps) for job in seen]
    assert found == [
        (("a fox's den",), 1, 9),
        (("a fox's den",), 2, 9),
        (("a cat -s7",), 1, 9),
        (("a cat -s7",), 2, 9),
        (("a dog",), 8, 9),
        (("-5 degrees",), 1, 3),
        (("-5 degrees",), 2, 3),
        (("a hat",), 1, 9),
        (("a hat",), 2, 9),
    ]
    assert "one of them" in artgen("a fox", "--seeds", "1-2", "--set", "seed=3").error_line()


def test_an_option_is_declared_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    @dataclasses.dataclass(frozen=True)
    class AddedOptions:
        """Added in a test."""

        contrast: Annotated[float | None, typer.Option()] = None
        cropped: Annotated[float | None, typer.Option(), Sets("cutouts.smallest")] = None

    class AddedCommand(PaintCommand):
        groups = (*PaintCommand.groups, AddedOptions)

    app = typer.Typer(add_completion=False)
    seen: list[PaintRequest] = []

    @app.command(cls=AddedCommand)
    def paint(context: typer.Context) -> None:
        seen.append(context.obj)

    app(["a fox", "--contrast", "0.25", "--cropped=0.5", "--cells", "9"], standalone_mode=False)
    config = RunConfig.make(seen[0].values())
    assert (config.contrast, config.cutouts.smallest, config.options) == (0.25, 0.5, {"cells": "9"})

    app(["--help"], standalone_mode=False)
    shown = " ".join(capsys.readouterr().out.split())
    description = RunConfig.model_fields["contrast"].description or ""
    assert "Added in a test" in shown
    assert description[1:20] in shown


def test_each_option_sets_a_key_or_controls_the_command():
    control = {field.name for field in dataclasses.fields(PaintRequest)}
    for option in declared_options(PaintCommand.groups):
        if option.sets is None:
            assert option.name in control, option.name
    names = [option.name for option in declared_options(PaintCommand.groups)]
    assert len(names) == len(set(names))
    for group in (BatchOptions, ConfigurationOptions, OutputOptions):
        assert group in PaintCommand.groups


@pytest.mark.parametrize("text", ["#112233", " #112233,#fff "])
def test_a_colour_is_not_a_comment(text: str):
    values: dict[str, object] = {}
    set_dotted(values, f"palette={text}")
    assert values == {"palette": text.strip()}
