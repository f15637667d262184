from __future__ import annotations

import pytest

from artgen.errors import PromptError
from artgen.geometry import WHOLE, Region
from artgen.prompts import Term, format_terms, parse, parse_all


@pytest.mark.parametrize(
    ("prompt", "terms"),
    [
        ("a blue rabbit", [Term("a blue rabbit")]),
        ("a blue rabbit:2 | photo:-0.5", [Term("a blue rabbit", 2.0), Term("photo", -0.5)]),
        ("@reference.png:0.3", [Term("reference.png", 0.3, kind="picture")]),
        (r"ratio 3\:2:2", [Term("ratio 3:2", 2.0)]),
        (r"a \| b", [Term("a | b")]),
        (r"\@home", [Term("@home")]),
        (r"\[draft]", [Term("[draft]")]),
        (r"back\slash \\ two", [Term("back\\slash \\ two")]),
        ("[0,0,0.5,1] a tree:2", [Term("a tree", 2.0, region=Region(0, 0, 0.5, 1))]),
        ("[0.5, 0, 1, 1] @a.png", [Term("a.png", 1.0, "picture", Region(0.5, 0, 1, 1))]),
        ("  spaces   around  ", [Term("spaces   around")]),
        ("日本 🐇:1e-1", [Term("日本 🐇", 0.1)]),
    ],
)
def test_what_a_prompt_means(prompt: str, terms: list[Term]):
    assert parse(prompt) == terms
    assert parse(format_terms(terms)) == terms


@pytest.mark.parametrize(
    ("prompt", "position", "reason"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("a||b", 2, "empty"),
        ("a |", 3, "empty"),
        ("star wars: a new hope", 10, "not a number"),
        ("a:1:2", 1, "two weights"),
        ("a:nan", 2, "finite"),
        ("a:inf", 2, "finite"),
        (":2", 0, "no content"),
        ("@:2", 0, "file name"),
        ("[0,0,1] a", 1, "four numbers"),
        ("[0,0,1,x] a", 1, "four numbers"),
        ("[0,0,2,1] a", 1, "x0 < x1"),
        ("[0.5,0,0.5,1] a", 1, "x0 < x1"),
        ("[nan,0,1,1] a", 1, "x0 < x1"),
        ("[0,0,1,1 a", 0, "not closed"),
        ("a\x00b", 1, "U\\+0000"),
        ("a\nb", 1, "U\\+000A"),
        ("a" * 10_000, 2000, "at most 2000"),
    ],
)
def test_bad_grammar_points_at_the_place(prompt: str, position: int, reason: str):
    with pytest.raises(PromptError, match=reason) as caught:
        parse(prompt)
    assert caught.value.position == position
    assert "\n" not in str(caught.value)


def test_repeated_prompts_mean_the_same_as_bars():
    assert parse_all(["a:2", "b"]) == parse("a:2 | b")
    assert parse("a")[0].region == WHOLE
