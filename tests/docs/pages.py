"""The pages of the documentation, and what the tests look for in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "training" / "README.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(artgen [^`\n]+)`")


def name_of(page: Path) -> str:
    """Return a page's path in the repository, for the names of tests."""
    return page.relative_to(ROOT).as_posix()


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks in one language."""
    return [code for found, code in _FENCE.findall(text) if found == language]


def without_code(text: str) -> str:
    """Return the text without code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def commands_in_blocks(text: str) -> Iterator[list[str]]:
    """Yield the words after `artgen` of every command in sh blocks."""
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            yield from _commands_of(shlex.split(line, comments=True))


def commands_in_sentences(text: str) -> Iterator[list[str]]:
    """Yield the words after `artgen` of every command in inline code; many only name a command."""
    for inline in _INLINE.findall(_FENCE.sub("", text)):
        yield from _commands_of(shlex.split(inline))


def _commands_of(words: list[str]) -> Iterator[list[str]]:
    """Yield the artgen commands of a line such as `pip install . && artgen "a fox"`."""
    command: list[str] = []
    for word in [*words, "&&"]:
        if word != "&&":
            command.append(word)
            continue
        if command and command[0] == "artgen":
            yield command[1:]
        command = []
