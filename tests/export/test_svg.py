import io
import math
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from artgen.errors import InputError
from artgen.geometry import Size
from artgen.renderers.strokes.outline import tapered_outline
from artgen.svg.path_data import arc_curves, parse_path, parse_transform
from artgen.svg.read import parse_svg, read_svg
from artgen.svg.write import Drawing, VectorPath, number, write_svg


def rasterise(svg: str) -> torch.Tensor:
    """[3 or 4, H, W] in [0, 1] by resvg, straight alpha."""
    picture = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def wrapped(body: str, attributes: str = 'width="100" height="80"') -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'


def curve(*points):
    return torch.tensor([points], dtype=torch.float32)


LINE = curve((10, 20), (20, 20), (30, 20), (40, 20))


def test_a_drawing_comes_back_as_it_was():
    wave = curve((1.25, 2), (30, -7.5), (40, 90), (60.125, 41))
    loop = torch.cat([wave, curve((60.125, 41), (80, 0), (3, 3), (1.25, 2))])
    paths = [
        VectorPath(wave, (1.0, 0.2, 0.4), 0.25, 3.5, layer="a & <b>"),
        VectorPath(loop, (0.0, 1.0, 0.0), 1.0, 0.0, True, "evenodd", layer="fills"),
        VectorPath(
            wave,
            (0.2, 0.4, 0.6),
            0.5,
            6.0,
            taper=0.3,
            outline=tapered_outline(wave, 6.0, 0.3),
            layer="fills",
        ),
    ]
    drawing = parse_svg(write_svg(Drawing(Size(50, 70), paths, (1.0, 1.0, 0.8), 'a "title"\x00')))
    assert drawing.size == Size(50, 70)
    assert drawing.paper == pytest.approx((1.0, 1.0, 0.8))
    for mine, back in zip(paths, drawing.paths, strict=True):
        torch.testing.assert_close(back.curves, mine.curves, rtol=0, atol=1e-3)
        assert back.colour == pytest.approx(mine.colour, abs=1 / 255)
        assert (back.opacity, back.width) == pytest.approx((mine.opacity, mine.width))
        assert (back.closed, back.rule, back.taper, back.layer) == (
            mine.closed,
            mine.rule,
            mine.taper,
            mine.layer,
        )


def test_one_group_per_layer_is_an_inkscape_layer():
    paths = [VectorPath(LINE, layer=name) for name in ("a", "a", "b")]
    root = ElementTree.fromstring(write_svg(Drawing(Size(9, 9), paths, (1.0, 1.0, 1.0))))
    key = "{http://www.inkscape.org/namespaces/inkscape}label"
    assert [(g.get(key), len(g)) for g in root] == [("paper", 1), ("a", 2), ("b", 1)]


@given(st.floats(-1e5, 1e5))
def test_numbers_are_short_and_right(value):
    text = number(value)
    assert abs(float(text) - value) <= 5.1e-4
    assert text != "-0" and "e" not in text


@pytest.mark.parametrize(
    "body",
    [
        '<path d="M10 10 L50 20 H80 v20 h-30 Q 20 70 60 60 T 90 70" fill="none" stroke="red" stroke-width="3"/>',
        '<path d="M10 40 C 20 0 40 0 50 40 s 30 40 40 0" stroke="#00f" fill="none" stroke-width="5"/>',
        '<path d="M20 40 a 20 10 30 1 0 40 5 A 15 25 -20 01 80 30z" fill="green"/>',
        '<path d="m10 10 l20 0 0 20 z m30 30 h10 v10 z" fill="teal"/>',
        '<circle cx="40" cy="40" r="25" fill="purple"/><ellipse cx="60" cy="40" rx="30" ry="9" fill="#fa0"/>',
        '<rect x="5" y="6" width="70" height="30" fill="rgb(10%,50%,90%)"/>',
        '<polygon points="10,10 90,20 50,70" style="fill:#123456;fill-opacity:.5"/>',
        '<polyline points="10 10 90 20 50 70" fill="none" stroke="black" stroke-width="2"/>',
        '<line x1="5" y1="5" x2="90" y2="70" stroke="black" stroke-width="4" opacity="50%"/>',
        '<g transform="translate(20 5) rotate(20) scale(0.5 0.7)" stroke="navy" stroke-width="4" fill="none">'
        '<g transform="skewX(10)"><path d="M0 0 L100 30 50 80"/></g></g>',
    ],
)
def test_foreign_drawings_keep_their_looks(body):
    """Read, written and rasterised, they look as resvg shows the original, with round caps."""
    original = wrapped(f'<g stroke-linecap="round" stroke-linejoin="round">{body}</g>')
    again = rasterise(write_svg(parse_svg(original)))
    difference = (again - rasterise(original)).abs().mean()
    # a skewed or stretched stroke has no single width; all else agrees to rounding
    assert difference < (0.02 if "skewX" in body else 2e-3)
    assert rasterise(original)[3].mean() > 0.01


def test_view_box_scales_to_the_size():
    drawing = parse_svg(
        wrapped(
            '<path d="M0 0 L10 5" stroke="red" stroke-width="1"/>',
            'width="40" height="20" viewBox="0 0 10 5"',
        )
    )
    stroke = drawing.paths[-1]
    assert drawing.size == Size(20, 40)
    assert stroke.width == pytest.approx(4)
    torch.testing.assert_close(stroke.curves[-1, -1], torch.tensor([40.0, 20.0]))


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 6.3), st.floats(0.2, 6), st.booleans(), st.floats(0, 180))
def test_arcs_lie_on_their_ellipse(first, span, sweep, turn):
    rx, ry, rotation = 7.0, 3.0, complex(math.cos(math.radians(turn)), math.sin(math.radians(turn)))

    def place(angle):
        return complex(rx * math.cos(angle), ry * math.sin(angle)) * rotation

    last = first + (span if sweep else -span)
    curves = arc_curves(place(first), place(last), rx, ry, math.radians(turn), span > math.pi, sweep)
    for a, b, c, d in curves:
        for t in (0.25, 0.5, 1.0):
            s = 1 - t
            point = s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d
            back = point / rotation
            assert abs(math.hypot(back.real / rx, back.imag / ry) - 1) < 1e-3
    assert len(curves) == math.ceil(span / (math.pi / 2) - 1e-6)


@pytest.mark.parametrize(
    "data", ["L 1 1", "M 1", "M 1 2 C 3 4", "M 1 2 X 3", "3 4", "M 0 0 L nan 1", "M 0 0 L 1e999 1", "M L"]
)
def test_wrong_path_data_is_refused(data):
    with pytest.raises(ValueError, match="path"):
        parse_path(data)


@pytest.mark.parametrize("text", ["rotate()", "turn(3)", "scale(1 2 3)", "matrix(1 2)", "translate(1) x"])
def test_wrong_transforms_are_refused(text):
    with pytest.raises(ValueError, match="transform"):
        parse_transform(text)


HOSTILE = {
    "entities": '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>',
    "external entity": '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    "external DTD": '<!DOCTYPE svg SYSTEM "http://example.com/a.dtd"><svg/>',
    "script": wrapped("<script>alert(1)</script>"),
    "handler": wrapped('<path d="M0 0L1 1" onload="alert(1)"/>'),
    "image": wrapped('<image href="http://example.com/a.png"/>'),
    "foreign object": wrapped("<foreignObject><p/></foreignObject>"),
    "reference": wrapped('<a xlink:href="file:///etc/passwd" xmlns:xlink="http://www.w3.org/1999/xlink"/>'),
    "use of a file": wrapped('<use href="other.svg#a"/>'),
    "CSS import": wrapped("<style>@import 'http://example.com/a.css';</style>"),
    "CSS url": wrapped('<path d="M0 0L1 1" style="fill:url(http://example.com/a)"/>'),
    "not XML": "<svg><path></svg>",
    "not an SVG": "<html/>",
    "empty": "",
    "binary": b"\x89PNG\r\n\x1a\n\x00\xff",
    "deep": wrapped("<g>" * 500 + "</g>" * 500),
    "many elements": wrapped("<g/>" * 1010),
    "many commands": wrapped(f'<path d="M0 0 {"l1 1" * 110}"/>'),
    "many curves": wrapped('<path d="M0 0 h1 v1 h1" fill="none" stroke="red"/>' * 40),
    "endless numbers": wrapped('<path d="M 1e999 0 L 1 1"/>'),
    "no size": wrapped("", 'width="0" viewBox="0 0 0 0"'),
    "giant": wrapped("", 'width="1e30" height="1e30"'),
    "bad colour": wrapped('<path d="M0 0L1 1" stroke="#12"/>'),
    "bad number": wrapped('<path d="M0 0L1 1" stroke="red" opacity="much"/>'),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_drawings_are_refused_in_one_line(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("artgen.svg.document.MOST_ELEMENTS", 1000)
    monkeypatch.setattr("artgen.svg.read.MOST_CURVES", 100)
    path = tmp_path / "drawing.svg"
    content = HOSTILE[kind]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_svg(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 400
    assert ";" in message, "no cure is named"


def test_a_file_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "large.svg"
    with path.open("wb") as file:
        file.truncate(17_000_000)
    with pytest.raises(InputError, match="larger than"):
        read_svg(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_svg(tmp_path / "missing.svg")
