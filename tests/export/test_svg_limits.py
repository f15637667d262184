"""SVG that would take minutes, gigabytes or the whole program: refused in one line."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from artgen.errors import InputError
from artgen.svg import rasterise
from artgen.svg.rasterise import rasterise_svg
from artgen.svg.read import parse_svg

pytest.importorskip("resvg_py")

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"'
LONG = 1_000_000


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < 5


def drawing(body: str, attributes: str = "") -> str:
    return f"{HEAD} {attributes}>{body}</svg>"


FILTERED = '<rect width="10" height="10" filter="url(#f)"/>'


def noise(octaves: str) -> str:
    filters = f'<filter id="f"><feTurbulence numOctaves="{octaves}"/></filter>'
    return drawing(filters + FILTERED)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (drawing("", 'width="1' + " " * LONG + 'x"'), None),
        (drawing('<rect width="1' + " " * LONG + '" height="1"/>'), None),
        (drawing('<rect style="fill:url(' + " " * LONG + '"/>'), "refers to something outside"),
        (drawing("<style>url(" + " '" * LONG + "#</style>"), None),
        (drawing("<style>" + "url(" * (LONG // 4) + "</style>"), "refers to something outside"),
        (drawing("<style>" * 90 + "a" * LONG + "</style>" * 90), "within a style element"),
        (drawing('<g transform="rotate' + " " * LONG + '"/>'), "transform"),
        (drawing('<path d="' + "-" * LONG + '"/>'), "path data"),
        (drawing('<path d="M' + "1" * LONG + '"/>'), "path data"),
        (
            drawing("", 'viewBox2="' + "," * LONG + '"').replace('viewBox="0 0 10 10" viewBox2', "viewBox"),
            None,
        ),
        ("<svg>" * 100_000, "more than|well-formed"),
        ("<svg>" + "<g>" * 101 + "</g>" * 101 + "</svg>", "nested more than 100 deep"),
        ("<svg>" + "<a/>" * 50_001 + "</svg>", "more than 50,000 elements"),
        ("<a/>" * 300_000, "more than 50,000 elements"),
    ],
)
def test_parsers_are_linear_and_bounded(text: str, reason: str | None):
    if reason is None:
        parse_svg(text)
        return
    with pytest.raises(InputError, match=reason) as caught:
        parse_svg(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (drawing("<g>" * 5000 + "</g>" * 5000), "nested more than 100 deep"),
        (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 200000"/>',
            "would be 384 x 76800000 pixels",
        ),
        (drawing("", 'width="1" height="1e999"'), "invalid"),
        (noise("1000000"), "numOctaves"),
        (noise("many"), "numOctaves"),
        (drawing("<filter>" + "<feGaussianBlur/>" * 101 + "</filter>"), "101 filter operations"),
        (drawing("<text>caf\xe9</text>").encode("latin-1"), "well-formed"),
        (drawing('<path d="nonsense" '), "well-formed"),
        ("<html/>", "not svg"),
        (drawing("").encode("utf-16"), "cannot be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_refused(text: str | bytes, reason: str):
    with pytest.raises(InputError, match=reason):
        rasterise_svg(text if isinstance(text, bytes) else text.encode(), "a.svg", 384)


def test_usual_drawings_are_drawn():
    body = noise("4") + '<rect width="5" height="10" fill="red"/>'
    old = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    drawn = rasterise_svg((old + drawing(body)).encode(), "a.svg", 384)
    picture = Image.open(io.BytesIO(drawn))
    assert picture.size == (384, 384)
    assert picture.convert("RGBA").getpixel((1, 200)) == (255, 0, 0, 255)


def test_the_time_of_drawing_is_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rasterise, "LONGEST_SECONDS", 1)
    slow = drawing("<filter id='f'>" + "<feTurbulence numOctaves='16'/>" * 100 + "</filter>" + FILTERED)
    with pytest.raises(InputError, match="simplify the drawing"):
        rasterise_svg(slow.encode(), "a.svg", 4000)


def test_the_memory_of_drawing_is_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rasterise, "LARGEST_MEMORY", 2**28)
    large = drawing('<rect width="10" height="10" opacity=".5"/>')
    with pytest.raises(InputError, match="limits of time and memory"):
        rasterise_svg(large.encode(), "a.svg", 8000)
