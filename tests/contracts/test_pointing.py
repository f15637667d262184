"""Pointing at elements, tested on every renderer that has some."""

from __future__ import annotations

import pytest

from artgen.errors import UsageError
from artgen.renderers import Renderer, renderers
from artgen.renderers.point import elements_in, ids_of, shares_at
from artgen.renderers.silhouette import outline
from artgen.svg.path_data import parse_path
from tests.contracts.parts import CANVAS, make

every_renderer = pytest.mark.parametrize("name", renderers.names())
WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
PLACES = [((column + 0.5) / 12, (row + 0.5) / 12) for row in range(12) for column in range(12)]


def with_elements(name: str) -> Renderer:
    renderer = make(name)
    try:
        ids_of(renderer, 0)
    except UsageError as refusal:
        assert "elements" in str(refusal)
        pytest.skip("has no elements")
    return renderer


@every_renderer
def test_what_shows_at_points_shows_in_the_picture(name: str):
    renderer = with_elements(name)
    visible = 0
    for candidate in range(2):
        known = ids_of(renderer, candidate)
        found = set()
        for x, y in PLACES:
            shares = shares_at(renderer, x, y, candidate=candidate)
            assert set(shares) <= set(known)
            assert all(0 < share <= 1.001 for share in shares.values())
            found |= {element for element, share in shares.items() if share > 0.5}
        anywhere = elements_in(renderer, WHOLE, candidate)
        assert found <= set(anywhere)
        assert len(set(anywhere)) == len(anywhere)
        visible += len(found)
    assert visible


@every_renderer
def test_every_visible_element_has_an_outline_within_the_picture(name: str):
    renderer = with_elements(name)
    for element in elements_in(renderer, WHOLE, candidate=1)[:20]:
        path = outline(renderer, element, CANVAS, candidate=1)
        corners = [curve[0] for subpath in parse_path(path) for curve in subpath.curves]
        assert len(corners) > 2
        assert all(-1 <= corner.real <= CANVAS.width + 1 for corner in corners)
        assert all(-1 <= corner.imag <= CANVAS.height + 1 for corner in corners)
