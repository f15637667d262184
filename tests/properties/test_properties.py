"""Properties that hold for any input; hundreds of cases here, thousands in the nightly form.

That takes about half an hour: `ARTGEN_HYPOTHESIS=nightly python -m pytest tests/properties --timeout 0`.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image as Pillow

from artgen import prompts as grammar
from artgen.config import RunConfig
from artgen.errors import ArtgenError, InputError, PromptError, UsageError
from artgen.export.metadata import read_configuration
from artgen.export.png import write_png
from artgen.geometry import Region
from artgen.images import read_picture
from artgen.runs.folder import LONGEST_SLUG, slug

words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(
    lambda text: text.strip() == text and text
)
finite = st.floats(allow_nan=False, allow_infinity=False)
fractions = st.floats(0, 1)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    left, right = sorted(draw(st.tuples(fractions, fractions).filter(lambda pair: pair[0] != pair[1])))
    top, bottom = sorted(draw(st.tuples(fractions, fractions).filter(lambda pair: pair[0] != pair[1])))
    return Region(left, top, right, bottom)


terms = st.builds(
    grammar.Term,
    words,
    finite,
    st.sampled_from(["words", "picture"]),
    st.one_of(st.just(grammar.WHOLE), regions()),
)


@given(st.lists(terms, min_size=1, max_size=5))
def test_written_terms_are_read_again(given_terms: list[grammar.Term]):
    text = grammar.format_terms(given_terms)
    if len(text) <= grammar.MAXIMUM_LENGTH:
        assert grammar.parse(text) == given_terms


@given(st.one_of(st.text(max_size=80), st.text(":|@[]\\,.0123456789 a-", max_size=40)))
def test_any_text_is_a_prompt_or_an_error_that_points_at_the_place(text: str):
    try:
        parsed = grammar.parse(text)
    except PromptError as error:
        assert 0 <= error.position <= len(text)
        assert "\n" not in str(error)
        return
    assert parsed
    assert all(term.content.strip() and np.isfinite(term.weight) for term in parsed)


@given(st.text(max_size=300))
def test_slugs_are_safe_names(text: str):
    name = slug(text)
    assert 1 <= len(name) <= LONGEST_SLUG
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-")
    assert slug(name) == name


configurations = st.fixed_dictionaries(
    {
        "prompts": st.lists(
            words.map(lambda text: grammar.format_terms([grammar.Term(text)])), min_size=1, max_size=3
        )
    },
    optional={
        "steps": st.integers(1, 1_000_000),
        "seconds": st.one_of(st.none(), st.floats(1e-3, 1e6)),
        "seed": st.integers(0, 2**63 - 1),
        "population": st.one_of(st.none(), st.integers(1, 4096)),
        "canvas": st.tuples(st.integers(1, 32768), st.integers(1, 32768)).map(
            lambda size: f"{size[0]}x{size[1]}"
        ),
        "options": st.dictionaries(
            words, st.one_of(words, st.integers(), finite, st.booleans(), st.none()), max_size=3
        ),
        "losses": st.dictionaries(words, finite, max_size=3),
        "cutouts": st.fixed_dictionaries({"count": st.integers(1, 4096), "noise": fractions}),
        "templates": words.map(lambda text: [text.replace("{}", "") + " {}"]),
        "init": st.one_of(st.none(), words),
        "distance": st.sampled_from(["spherical", "cosine"]),
        "contrast": fractions,
    },
)


@given(configurations)
def test_configurations_survive_yaml_json_and_png(tmp_path: Path, values: dict):
    config = RunConfig.make(values)
    assert RunConfig.from_text(config.to_json()) == config
    assert RunConfig.from_text(config.to_yaml()) == config
    import torch

    write_png(tmp_path / "picture.png", torch.zeros(3, 2, 2), config.to_json())
    assert RunConfig.from_text(read_configuration(tmp_path / "picture.png")) == config


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.text(max_size=8), below, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(RunConfig.model_fields)), st.text(max_size=8)), junk, max_size=4
    )
)
@example({"losses": {"\n": None}})
def test_any_mapping_is_a_configuration_or_one_line(values: dict):
    try:
        RunConfig.make({"prompts": "a rabbit", **values})
    except UsageError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_an_error(text: str):
    try:
        RunConfig.from_text(text)
    except UsageError as error:
        assert str(error)


def picture_bytes(mode: str, form: str, size: tuple[int, int], value: int) -> bytes:
    buffer = io.BytesIO()
    Pillow.new(mode, size, value if mode in ("L", "I;16", "1", "P") else None).save(buffer, form)
    return buffer.getvalue()


MODES = [("RGB", "PNG"), ("RGBA", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "GIF"), ("1", "PNG"), ("I;16", "PNG"),
         ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGB", "WEBP"), ("RGB", "BMP"), ("I;16", "TIFF")]  # fmt: skip


@given(st.sampled_from(MODES), st.integers(1, 9), st.integers(1, 9), st.integers(0, 255))
def test_pictures_of_every_kind_are_read(
    tmp_path: Path, kind: tuple[str, str], width: int, height: int, value: int
):
    path = tmp_path / "picture"
    path.write_bytes(picture_bytes(*kind, (width, height), value))
    picture = read_picture(path)
    assert picture.shape == (1, 4, height, width)
    assert picture.min() >= 0 and picture.max() <= 1


@given(st.sampled_from(MODES), st.binary(min_size=1, max_size=20), st.integers(0, 400), st.booleans())
def test_damaged_pictures_are_read_or_refused(
    tmp_path: Path, kind: tuple[str, str], noise: bytes, start: int, cut: bool
):
    content = picture_bytes(*kind, (7, 5), 100)
    content = content[:start] if cut else content[:start] + noise + content[start + len(noise) :]
    path = tmp_path / "picture"
    path.write_bytes(content)
    try:
        picture = read_picture(path)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert np.isfinite(picture.numpy()).all()


@given(st.binary(max_size=200))
def test_bytes_are_no_configuration(tmp_path: Path, content: bytes):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(ArtgenError):
        read_configuration(path)


def test_first_frame_and_turned_pictures(tmp_path: Path):
    frames = [Pillow.new("RGB", (4, 2), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "moving.gif")[0, :3, 0, 0].tolist() == [1, 0, 0]
    exif = Pillow.Exif()
    exif[0x0112] = 6
    frames[0].save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").shape == (1, 4, 4, 2)
