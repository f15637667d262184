"""Configurations in PNG and WebP pictures: written, read back, and refused when they are hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from artgen.errors import InputError
from artgen.export.metadata import LONGEST_METADATA, METADATA_KEY, read_configuration, xmp_packet


def webp(path: Path, xmp: bytes) -> Path:
    Pillow.new("RGB", (3, 2)).save(path, "WEBP", xmp=xmp)
    return path


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.floats(allow_nan=False), st.none()), max_size=4))
def test_webp_gives_back_any_configuration(tmp_path: Path, values: dict):
    path = webp(tmp_path / "picture.webp", xmp_packet(json.dumps(values)))
    assert json.loads(read_configuration(path)) == values


def test_packet_is_xmp_that_other_programs_read(tmp_path: Path):
    path = webp(tmp_path / "picture.webp", xmp_packet('{"prompts": "a <b> & ]]> c"}'))
    with Pillow.open(path) as picture:
        read = picture.getxmp()["xmpmeta"]["RDF"]["Description"]["configuration"]
    assert json.loads(read) == {"prompts": "a <b> & ]]> c"}


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
FOREIGN = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><configuration>{}</configuration></x:xmpmeta>'
HOSTILE = {
    "no packet": (b"", "no artgen configuration"),
    "not XML": (b"<x", "not a readable"),
    "entities": (ENTITIES, "not a readable"),
    "other program": (FOREIGN, "no artgen configuration"),
    "too long": (xmp_packet(json.dumps("x" * (LONGEST_METADATA + 1))), "no artgen configuration"),
    "not JSON": (xmp_packet('"x"').replace(b'"x"', b"x"), "damaged"),
    "nested": (xmp_packet('"x"').replace(b'"x"', b"[" * 200_000), "damaged"),
}


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_packets_of_no_use(case: str, tmp_path: Path):
    packet, cure = HOSTILE[case]
    with pytest.raises(InputError, match=cure) as caught:
        read_configuration(webp(tmp_path / "picture.webp", packet))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["JPEG", "GIF", "TIFF"])
def test_other_formats_are_refused(form: str, tmp_path: Path):
    Pillow.new("RGB", (3, 2)).save(tmp_path / "picture", form)
    with pytest.raises(InputError, match="not a readable PNG or WebP"):
        read_configuration(tmp_path / "picture")
    with pytest.raises(InputError, match="no such picture"):
        read_configuration(tmp_path / "missing")
    with pytest.raises(InputError, match="is a folder, not a file"):
        read_configuration(tmp_path)


def test_large_png_is_read_without_a_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder):
    information = PngInfo()
    information.add_itxt(METADATA_KEY, '{"prompts": "a"}')
    Pillow.new("1", (16000, 7000)).save(tmp_path / "large.png", pnginfo=information)
    recwarn.clear()
    assert read_configuration(tmp_path / "large.png") == '{"prompts": "a"}'
    assert not len(recwarn)
