"""What may come from a stranger's file cannot steer a terminal or break a document."""

from __future__ import annotations

import json
import unicodedata
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st

from artgen.printable import printable, printable_json, printable_lines, xml_text

BIDI = "\u061c\u200e\u200f" + "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
ORDINARY = "café 猫 नमस्ते שלום سلام 👩‍🚀 ß\u00a0½ “quoted” \u3000 می‌خواهم"
any_text = st.text(st.characters(codec=None))


def test_ordinary_text_stays():
    for change in (printable, printable_lines, printable_json, xml_text):
        assert change(ORDINARY) == ORDINARY


@given(any_text)
@example("\x1b]0;title\x07\x9b31m\x7f\u2028\u2029\ud800\r\n\t" + BIDI)
def test_nothing_that_steers_a_terminal_is_left(text: str):
    made = printable(text)
    assert not any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in made)
    assert not set(made) & set(BIDI)
    made.encode()


def test_escapes_show_what_was_there():
    assert printable("a\x1b[31m\u202egnp\n\udcff") == "a\\x1b[31m\\u202egnp\\n\\udcff"


@given(st.text())
@example("\x85\x7f\ud800\u2028" + BIDI)
def test_json_means_the_same(text: str):
    made = printable_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert printable(made) == made
    assert json.loads(made) == {text: [text]}


@given(any_text)
@example("\x00\x0b\x1f\ufffe\uffff\ud800 \x9b")
def test_xml_is_well_formed(text: str):
    element = ElementTree.Element("title", {"name": xml_text(text)})
    element.text = xml_text(text)
    assert ElementTree.fromstring(ElementTree.tostring(element)).text == (xml_text(text) or None)
