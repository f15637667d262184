"""The tables of options and losses agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from artgen.losses import losses
from artgen.renderers import renderers
from tests.docs.pages import ROOT

GUIDE = ROOT / "docs" / "guide"
ROW = re.compile(r"^\| `--([\w-]+)` \| ([^|]*) \|", re.MULTILINE)


def as_written(default: object) -> str:
    """Return a default as the tables write it."""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def close_enough(written: str, default: object) -> bool:
    """Return whether a table's entry means a default; numbers may be written as 180 for 180.0."""
    try:
        return float(written) == float(as_written(default))
    except ValueError:
        return written == as_written(default)


@pytest.mark.parametrize("name", ["collage", "pixel", "strokes"])
def test_options_of_a_renderer(name: str):
    text = (GUIDE / "renderers" / f"{name}.md").read_text(encoding="utf-8")
    fields = renderers.get(name).Options.model_fields
    written = {option.replace("-", "_"): default.strip() for option, default in ROW.findall(text)}

    assert list(written) == list(fields)
    wrong = {key: value for key, value in written.items() if not close_enough(value, fields[key].default)}
    assert wrong == {}


@pytest.mark.parametrize("name", ["collage", "pixel", "strokes"])
def test_default_losses_of_a_renderer(name: str):
    text = (GUIDE / "renderers" / f"{name}.md").read_text(encoding="utf-8")
    for loss, weight in renderers.get(name).default_losses.items():
        assert f"`{loss}` ({weight})" in text


def test_every_renderer_has_a_page():
    pages = {path.stem for path in (GUIDE / "renderers").glob("*.md")}
    assert pages == set(renderers.names())


def test_losses():
    text = (GUIDE / "first-picture.md").read_text(encoding="utf-8")
    table = text.partition("| loss |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == losses.names()


def test_every_package_is_in_the_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = [path.parent.relative_to(ROOT) for path in (ROOT / "artgen").rglob("__init__.py")]
    names = [".".join(path.parts) for path in packages]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_close_enough():
    assert close_enough("180", 180.0) and close_enough("160", (160,)) and close_enough("None", None)
    assert not close_enough("0.05", 0.04) and not close_enough("rgb", "hsv")


def test_no_page_is_left_out_of_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    pages = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []


def test_examples_are_shown():
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    examples = sorted(Path(path).name for path in (ROOT / "docs" / "examples").glob("*.py"))
    assert [name for name in examples if f'--8<-- "examples/{name}"' not in text] == []
