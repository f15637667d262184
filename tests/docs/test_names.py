"""How many names the bundled guide knows is one number everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name_of

DOODLE = ROOT / "artgen" / "guides" / "doodle"
CARDS = [DOODLE / "MODEL_CARD.md", ROOT / "training" / "card.md"]
COUNT = re.compile(r"(\d[\d,]*)\s+names\b")


def counts(text: str) -> list[int]:
    return [int(number.replace(",", "")) for number in COUNT.findall(text)]


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=name_of)
def test_every_count_is_the_number_of_names(page: Path):
    known = len(json.loads((DOODLE / "names.json").read_text(encoding="utf-8")))
    assert set(counts(page.read_text(encoding="utf-8"))) <= {known}


def test_the_readme_and_the_card_have_a_count():
    assert counts((ROOT / "README.md").read_text(encoding="utf-8"))
    assert counts(CARDS[0].read_text(encoding="utf-8"))
    assert "{names:,} names" in CARDS[1].read_text(encoding="utf-8")


def test_counts_are_found():
    assert counts("knows some 1,500 names\nand 12 names") == [1500, 12]
