"""A kind of prompt term is one file: the grammar, the guides and the checks find it by its mark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from artgen.config import RunConfig
from artgen.errors import InputError, PromptError
from artgen.guides import load_guide
from artgen.guides.goals import make_goals
from artgen.prompts import Term, format_terms, parse
from artgen.terms import TermKind, term_kinds
from artgen.terms.base import marks
from artgen.types import WHOLE


class Shade(TermKind):
    """A plain picture of one colour: `%0.5`."""

    mark = "%"
    missing = "a grey after '%'"

    def embed(self, guide: Any, content: str, templates: Sequence[str]) -> torch.Tensor:
        return guide.encode_image(torch.full((1, 3, 8, 8), float(content)))

    def files(self, content: str) -> list[str]:
        return [f"shades/{content}"]


@pytest.fixture
def shade() -> Iterator[None]:
    term_kinds.register("shade")(Shade())
    marks.cache_clear()
    yield
    del term_kinds._parts["shade"]
    marks.cache_clear()


def test_a_new_kind_is_parsed_written_encoded_and_checked(shade: None, tiny_guide: str):
    terms = parse(r"%0.5:2 | \%0.5 | 50% grey")
    assert terms == [Term("0.5", 2.0, "shade"), Term("%0.5"), Term("50% grey")]
    assert parse(format_terms(terms)) == terms

    guide = load_guide(tiny_guide)
    goals = make_goals(guide, terms, ["{}"], [WHOLE])
    torch.testing.assert_close(goals[0].embedding, guide.encode_image(torch.full((1, 3, 8, 8), 0.5)))
    assert "shades/0.5" in RunConfig(prompts="%0.5").local_files()
    with pytest.raises(PromptError, match="a grey after '%'"):
        parse("%:2")


def test_without_it_the_mark_is_plain_text():
    assert parse("%0.5") == [Term("%0.5")]


def test_a_picture_that_is_missing_is_refused_before_anything_is_painted():
    with pytest.raises(InputError, match="no such picture"):
        term_kinds.get("picture").check("missing.png")
    assert term_kinds.get("words").files("a cat") == []
