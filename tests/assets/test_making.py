"""Cutting patches out of pictures, and the commands of `artgen assets`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from artgen.assets import load_set
from artgen.assets.making import cut, rasterise
from artgen.cli.assets import assets_app
from artgen.errors import InputError, UsageError


def two_things(noise: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Return [160, 240, 3] a red disc and a blue square on uneven green, and their labels."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:160, :240]
    picture = np.stack([60 + 0 * x, 150 + x / 12, 70 + y / 16], -1).astype(float)
    labels = np.zeros((160, 240), int)
    labels[np.hypot(x - 60, y - 80) < 40] = 1
    labels[50:110, 150:210] = 2
    picture[labels == 1] = 210, 40, 40
    picture[labels == 2] = 40, 60, 200
    return (picture + random.normal(0, noise, picture.shape)).clip(0, 255).astype(np.uint8), labels


def test_components_finds_each_thing():
    picture, labels = two_things()
    patches = cut(picture, "components", "it")
    assert len(patches) == 2
    disc, square = patches
    assert disc[..., 3].sum() / 255 == pytest.approx((labels == 1).sum(), rel=0.06)
    assert square[..., 3].sum() / 255 == pytest.approx((labels == 2).sum(), rel=0.06)
    inside = disc[..., 3] == 255
    assert np.abs(disc[..., :3][inside].mean(0) - [210, 40, 40]).max() < 5


@pytest.mark.parametrize("method", ["chroma", "grabcut"])
def test_whole_picture_methods_take_all_that_is_not_ground(method: str):
    picture, labels = two_things()
    (patch,) = cut(picture, method, "it")
    assert (patch[..., 3] > 127).sum() == pytest.approx((labels > 0).sum(), rel=0.1)


def test_alpha_is_taken_as_it_is():
    picture, labels = two_things()
    pixels = np.dstack([picture, ((labels == 1) * 200).astype(np.uint8)])
    for method in ("alpha", "auto"):
        (patch,) = cut(pixels, method, "it")
        assert patch[..., 3].max() == 200
    with pytest.raises(InputError, match="no transparent part"):
        cut(picture, "alpha", "it")
    with pytest.raises(UsageError, match="known: auto"):
        cut(picture, "magic", "it")


def test_a_plain_picture_gives_nothing():
    with pytest.raises(InputError, match="nothing could be cut out"):
        cut(np.full((50, 50, 3), 90, np.uint8), "components", "it")


def test_svg_files_are_drawn_and_outside_references_refused():
    pytest.importorskip("resvg_py")
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10">'
    drawn = rasterise(f'{head}<circle cx="5" cy="5" r="4" fill="red"/></svg>'.encode(), "it", 50)
    assert drawn.shape == (80, 80, 4) and drawn[40, 40].tolist() == [255, 0, 0, 255]
    with pytest.raises(InputError, match="refers to"):
        rasterise(f'{head}<image xlink:href="/etc/secret.png"/></svg>'.encode(), "it", 50)
    bomb = '<!DOCTYPE svg [<!ENTITY a "aa">]><svg>&a;</svg>'
    with pytest.raises(InputError, match="DTD or entities"):
        rasterise(bomb.encode(), "it", 50)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(two_things()[0]).save(folder / "two things.png")
    return folder


def test_make_writes_a_set_that_checks(pictures: Path, tmp_path: Path):
    run = CliRunner().invoke
    out = tmp_path / "made"
    arguments = [
        "make",
        str(pictures),
        "--out",
        str(out),
        "--side",
        "64",
        "--licence",
        "CC0-1.0",
        "--author",
        "me",
    ]
    result = run(assets_app, arguments)
    assert result.exit_code == 0, result.output
    loaded = load_set(out)
    assert [patch.name for patch in loaded.patches] == ["two things"] * 2
    assert {patch.licence for patch in loaded.patches} == {"CC0-1.0"}
    assert max(max(patch.pixels.shape) for patch in loaded.patches) <= 64
    assert (out / "contact.jpg").stat().st_size > 1000
    assert run(assets_app, ["check", str(out)]).exit_code == 0
    assert "not empty" in run(assets_app, arguments).output
    (out / "stray.png").write_bytes(b"nonsense")
    checked = run(assets_app, ["check", str(out), "--json"])
    assert checked.exit_code == 2
    facts = json.loads(checked.stdout)
    assert facts["patches"] == 2 and len(facts["problems"]) == 1


def test_make_skips_bad_pictures_only_if_asked(pictures: Path, tmp_path: Path):
    (pictures / "bad.jpg").write_bytes(b"no")
    arguments = ["make", str(pictures), "--out", str(tmp_path / "made")]
    refused = CliRunner().invoke(assets_app, arguments)
    assert refused.exit_code == 2 and "bad.jpg" in refused.output
    assert not (tmp_path / "made").exists()
    assert CliRunner().invoke(assets_app, [*arguments, "--skip-bad"]).exit_code == 0


def test_list_and_show(tmp_path: Path):
    listed = CliRunner().invoke(assets_app, ["list", "--json"])
    assert json.loads(listed.stdout)["animals"]["patches"] >= 50
    sheet = tmp_path / "sheet.png"
    shown = CliRunner().invoke(assets_app, ["show", "shapes", "--sheet", str(sheet)])
    assert "circle" in shown.output and Image.open(sheet).width > 500


def test_list_with_a_sheet_shows_every_set(tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    listed = CliRunner().invoke(assets_app, ["list", "--sheet", str(sheet)])
    assert listed.exit_code == 0
    sets = len(listed.output.strip().splitlines())
    assert Image.open(sheet).size == (72 + 14 * 56, sets * 56)
    refused = CliRunner().invoke(assets_app, ["list", "--sheet", str(tmp_path / "sheet.gif")])
    assert refused.exit_code == 2 and ".png" in refused.output


@pytest.mark.parametrize("words", [["list"], ["show", "shapes"]])
def test_a_sheet_replaces_a_file_only_if_asked(words: list[str], tmp_path: Path):
    sheet = tmp_path / "sheet.jpg"
    sheet.write_bytes(b"mine")
    refused = CliRunner().invoke(assets_app, [*words, "--sheet", str(sheet)])
    assert refused.exit_code == 2 and "--force" in refused.output
    assert sheet.read_bytes() == b"mine"
    if words[0] == "show":
        assert CliRunner().invoke(assets_app, [*words, "--sheet", str(sheet), "--force"]).exit_code == 0
        assert Image.open(sheet).format == "JPEG"
