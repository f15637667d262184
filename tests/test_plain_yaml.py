"""YAML holds plain values or is refused with one line."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from artgen.config.yaml import LONGEST_NUMBER, read_yaml

REFUSED = {
    "alias": ("a: &x [1]\nb: *x", "line 2: aliases"),
    "standard tag": ("a: !!str 1", "line 1: tags"),
    "own tag": ("a: !mine 1", "line 1: tags"),
    "bare tag": ("a: ! 1", "line 1: tags"),
    "tagged list": ("a: !!set [1]", "line 1: tags"),
    "object": ("\na: !!python/object/apply:os.system [id]", "line 2: tags"),
    "key twice": ("a: 1\nb: {c: 1, c: 2}", "line 2: a key is repeated"),
    "list as key": ("? [1]\n: 2", "line 1"),
    "open list": ("a: [", "line 1"),
    "control character": ("a: \x00", "special characters"),
    "depth": ("[" * 3000, "nested"),
    "not text": (b"\xff\xfe\x00", "not plain YAML"),
    "latin 1": (b"a: caf\xe9", "not plain YAML"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused_with_the_place(case: str):
    text, place = REFUSED[case]
    with pytest.raises(ValueError, match=place) as caught:
        read_yaml(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["3:2", "16:9.5", "2024-13-45", "2024-01-01", "1" * 65, f"0x{'f' * 5000}"])
def test_what_is_no_number_of_today_is_text(text: str):
    assert read_yaml(f"a: {text}") == {"a": text}


def test_numbers_switches_and_nothing_stay():
    text = f"[1, -2, 0.5, 1.0e-9, .inf, true, no, null, {'9' * LONGEST_NUMBER}, '3']"
    assert read_yaml(text) == [1, -2, 0.5, 1e-9, float("inf"), True, False, None, 10**LONGEST_NUMBER - 1, "3"]


texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False), texts),
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(texts, below, max_size=4)),
    max_leaves=12,
)


@given(values)
def test_what_is_written_is_read(value: object):
    class Writer(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    assert read_yaml(yaml.dump(value, Dumper=Writer, allow_unicode=True)) == value


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused_with_one_line(text: str):
    try:
        read_yaml(text)
    except ValueError as error:
        assert "\n" not in str(error)
