"""Every `artgen ...` in the documentation is a command line that artgen understands."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import typer

from artgen.cli import app
from artgen.cli.messages import ClickException
from artgen.config import RunConfig, options_from
from artgen.errors import UsageError
from artgen.losses import losses
from artgen.palettes import load_palette
from artgen.prompts import parse_all
from artgen.renderers import renderers
from tests.docs.pages import PAGES, blocks, commands_in_blocks, commands_in_sentences, name_of

FILES = {
    "animals.txt": "a blue rabbit\na fox's den --steps 50 --cells 16\n",
    "runs/boat/config.yaml": "prompts: [a boat]\n",
    "turns.yaml": "steering:\n  - {step: 100, prompts: a blue fish}\n",
}
"""Files that the documentation's commands read while they are parsed."""


@pytest.fixture(autouse=True)
def reader_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with the reader's files."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.chdir(tmp_path)


def check(words: list[str]) -> None:
    """Parse a command as artgen does, without running it.

    Raises:
        ClickException, UsageError: artgen would refuse it.
    """
    group: Any = typer.main.get_command(app)
    if words[:1] in (["--help"], ["--version"]):
        return
    if words[0] not in group.commands:
        check_paint(words)
        return

    command, rest = group.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        if rest[0] not in command.commands:
            raise UsageError(f"artgen {words[0]} has no command {rest[0]}")
        command, rest = command.commands[rest[0]], rest[1:]
    if rest == ["--help"]:
        return
    if command.name == "paint":
        check_paint(rest)
        return

    context = command.make_context(command.name, rest)
    if command.name == "promote":
        context.obj.values()
    if command.name == "renderers" and context.params["name"] not in (None, "NAME"):
        renderers.get(context.params["name"])


def is_known(words: list[str]) -> bool:
    """Return whether a command that is only named, such as `artgen edit`, exists."""
    return len(words) == 1 and words[0] in typer.main.get_command(app).commands  # type: ignore[attr-defined]


def check_paint(words: list[str]) -> None:
    """Parse the options of `paint`, and check what they say."""
    group: Any = typer.main.get_command(app)
    request = group.commands["paint"].make_context("paint", list(words)).obj
    values = request.values()
    if request.prompt_file is not None:
        values = {**values, "prompts": ["a line of the file"]}
    config = RunConfig.make(values)
    parse_all(config.prompts)
    kind = renderers.get(config.renderer)
    options = dict(config.options)
    if config.palette is not None and "palette" in kind.Options.model_fields:
        options["palette"] = config.palette
    options_from(kind.Options, options, config.renderer)
    for name in config.losses:
        losses.get(name)
    if config.palette is not None:
        load_palette(config.palette)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_understood(page: Path):
    text = page.read_text(encoding="utf-8")
    in_sentences = [words for words in commands_in_sentences(text) if not is_known(words)]
    for words in [*commands_in_blocks(text), *in_sentences]:
        try:
            check(words)
        except (ClickException, UsageError) as error:
            pytest.fail(f"artgen {' '.join(words)}: {error!r}")


def test_there_are_commands_in_the_readme():
    readme = PAGES[0].read_text(encoding="utf-8")
    assert len(list(commands_in_blocks(readme))) > 10
    assert 'python -m pip install . && artgen "a blue rabbit"' in readme
    assert "python -m pip install '.[test]' && python -P -m pytest" in readme


@pytest.mark.parametrize(
    "line",
    [
        'artgen "a fox" --no-such-option 3',
        'artgen "a fox" --strokes 12',  # of another renderer
        'artgen "a fox" --shape round',
        'artgen "a fox" --loss softness=1',
        'artgen "a fox" --palette nothing',
        'artgen "a fox:heavy"',
        'artgen "a fox" --set no.key=1',
        'artgen "a fox" --renderer crayon',
        "artgen export RUN --sise 3",
        "artgen export",
        "artgen promote SHEET 3 --prest best",
        "artgen renderers crayon",
        "artgen assets mke photos",
    ],
)
def test_a_wrong_command_is_noticed(line: str):
    (words,) = commands_in_blocks(f"```sh\n{line}\n```")
    assert [words] == list(commands_in_sentences(f"a sentence with `{line}` in it"))
    with pytest.raises((ClickException, UsageError)):
        check(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_examples_import_what_exists(page: Path):
    for code in blocks(page.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "artgen":
                module = importlib.import_module(str(node.module))
                assert [each.name for each in node.names if not hasattr(module, each.name)] == []
