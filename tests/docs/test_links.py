"""Links and pictures of the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name_of, without_code

CARD = ROOT / "artgen" / "guides" / "doodle" / "MODEL_CARD.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
GENERATED = re.compile(r"reference/artgen[\w.]*\.md$")


def relative_links(text: str) -> list[str]:
    """Return the targets of links and pictures without those on the web."""
    return [link for link in LINK.findall(without_code(text)) if "://" not in link]


def missing(page: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    paths = [link.partition("#")[0] for link in relative_links(text)]
    return [path for path in paths if path and not leads_somewhere(page.parent / path)]


def leads_somewhere(path: Path) -> bool:
    """Return whether a file exists, or is a reference page of a package that exists."""
    if GENERATED.search(path.as_posix()):
        return ROOT.joinpath(*path.stem.split("."), "__init__.py").is_file()
    return path.is_file()


@pytest.mark.parametrize("page", [*PAGES, CARD], ids=name_of)
def test_relative_links_exist(page: Path):
    assert missing(page) == []


def test_the_readme_shows_pictures():
    pictures = [
        link for link in relative_links((ROOT / "README.md").read_text("utf-8")) if link.endswith(".png")
    ]
    assert len(pictures) >= 3


def test_the_model_card_needs_no_repository():
    assert relative_links(CARD.read_text(encoding="utf-8")) == []


def test_a_missing_file_is_noticed(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("![a](there.png) [b](gone.md#part) [c](https://example.org) `[d](code.md)`")
    (tmp_path / "there.png").touch()
    assert missing(page) == ["gone.md"]
    assert not leads_somewhere(tmp_path / "reference" / "artgen.nothing.md")


def test_every_picture_is_shown_somewhere():
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in relative_links(page.read_text(encoding="utf-8"))
    }
    pictures = [path for ending in ("png", "webp") for path in (ROOT / "docs").rglob(f"*.{ending}")]
    assert [path.name for path in pictures if path.resolve() not in shown] == []
