"""Collages on the command line: tiles, compositions, backgrounds, layers and edits."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from defusedxml import ElementTree
from PIL import Image as Pillow

from artgen.config import RunConfig

SMALL = [
    "--renderer",
    "collage",
    "--patches",
    "sets/one",
    "--count",
    5,
    "--margin",
    "-0.3",
    "--canvas",
    "32x32",
    "--cutouts",
    2,
]
QUICK = [*SMALL, "--timelapse", "none", "--set", "precision=float32", "--quiet"]


@pytest.fixture(autouse=True)
def sets_at_hand(artgen, small_sets: Path) -> None:
    Path("sets").symlink_to(small_sets)


def config_of(run: Path) -> RunConfig:
    return RunConfig.from_text((run / "config.yaml").read_text())


@pytest.fixture
def run(artgen, photograph: Path) -> Path:
    options = [
        *QUICK,
        "--steps",
        2,
        "--seed",
        1,
        "--background",
        photograph,
        "--size",
        "48x48",
        "--out",
        "run",
    ]
    answer = artgen("paint", "--target", photograph, *options)
    assert (answer.status, answer.out, answer.err) == (0, "", "")
    return Path("run")


def test_tiles_from_a_file_and_from_words_are_the_same(artgen, tiny_guide: str):
    text = "sun ; clouds:2 | rain:-1 / ; @sun.png:0.5"
    Path("tiles.txt").write_text(text.replace(" / ", "\n"))
    Pillow.new("RGB", (8, 8), "yellow").save("sun.png")
    shared = [
        *QUICK,
        "--guide",
        tiny_guide,
        "--steps",
        1,
        "--seed",
        1,
        "--tile-patches",
        "sets/two ; / ; sets/three",
    ]
    words = artgen("a landscape", *shared, "--tiles", "2x2", "--tile-prompts", text, "--out", "words")
    assert (words.status, words.out, words.err) == (0, "", "")
    file = artgen("a landscape", *shared, "--tile-prompts", "tiles.txt", "--out", "file", "--json")
    assert json.loads(file.out)["step"] == 4
    assert artgen("export", "file", "--size", "32x32").status == 0
    assert artgen("edit", "file", "--delete", "0", "--out", "edited", "--quiet").status == 0
    pictures = [np.asarray(Pillow.open(f"{name}/image.png")) for name in ("words", "file")]
    assert np.array_equal(*pictures)
    assert config_of(Path("words")).tile_prompts == config_of(Path("file")).tile_prompts
    refused = artgen("rerun", "words/image.png", "--out", "again")
    assert (refused.status, "sun.png" in refused.error_line()) == (2, True)
    again = artgen("rerun", "words/image.png", "--out", "again", "--yes", "--quiet")
    assert again.status == 0
    assert np.array_equal(np.asarray(Pillow.open("again/image.png")), pictures[0])


def test_a_composition_from_words_and_from_yaml_is_the_same(artgen, tiny_guide: str):
    cells = "sun ; ; clouds / a tree ; a house ; / grass ; grass ; grass:2"
    shared = [*QUICK, "--guide", tiny_guide, "--steps", 1, "--seed", 1]
    answer = artgen("a farm", *shared, "--composition", cells, "--out", "words")
    assert (answer.status, answer.err) == (0, "")
    rows = "\n".join(f"  - '{row}'" for row in cells.split(" / "))
    Path("farm.yaml").write_text(f"prompts: a farm\ncomposition:\n{rows}\n")
    assert artgen("--config", "farm.yaml", *shared, "--out", "yaml").status == 0
    assert Path("words/image.png").read_bytes() == Path("yaml/image.png").read_bytes()
    assert len(config_of(Path("words")).terms()) == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tiles", "3by2"], "COLUMNSxROWS"),
        (["--tiles", "2x2", "--tile-prompts", "a ; b"], "need 2 rows of 2"),
        (["--tile-prompts", "nowhere.txt"], "nowhere.txt: cannot be read (no such file)"),
        (["--tile-prompts", "a:x ; b"], "not a number"),
        (["--tiles", "2x1", "--tile-patches", "skyy ; "], "did you mean 'sky'"),
        (["--tiles", "2x1", "--init", "x.png"], "cannot be combined with init"),
        (["--tiles", "2x1", "--renderer", "pixel"], "made of collages"),
        (["--composition", "a ; b / c ; d"], "need 3 rows of 3"),
        (["--background", "nowhere.jpg"], "nowhere.jpg: no such picture"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(artgen, tiny_guide: str, options: list[str], said: str):
    shared = QUICK if "pixel" not in options else ["--quiet"]
    answer = artgen("a farm", *shared, "--guide", tiny_guide, *options, "--out", "wrong")
    assert answer.status == 2
    assert said in answer.error_line()
    assert not Path("wrong").exists()


def test_collages_have_two_candidates_unless_told_otherwise(artgen, run: Path):
    assert config_of(run).population == 2
    assert Path("run/candidate-2.png").is_file()
    alone = [*QUICK, "--steps", 1, "--population", 1, "--out", "alone"]
    assert artgen("paint", "--target", config_of(run).target, *alone).status == 0
    assert config_of(Path("alone")).population == 1


def test_layers_and_background_as_openraster_and_folder(artgen, run: Path):
    assert artgen("export", run, "--format", "ora", "--out", "x.ora").status == 0
    archive = zipfile.ZipFile("x.ora")
    names = [layer.get("name") for layer in ElementTree.fromstring(archive.read("stack.xml")).iter("layer")]
    assert names[-1] == "background" and len(names) == 6
    merged = np.asarray(Pillow.open(io.BytesIO(archive.read("mergedimage.png"))).convert("RGB"))
    assert np.array_equal(merged, np.asarray(Pillow.open("run/image.png")))
    assert artgen("export", run, "--format", "layers", "--transparent", "--out", "layers").status == 0
    described = json.loads(Path("layers/layers.json").read_text())["layers"]
    assert len(described) == 5 and all("licence" in layer for layer in described)
    assert artgen("export", run, "--sheet", "--size", "24x24", "--out", "sheet.png").status == 0
    assert Pillow.open("sheet.png").size == (48, 24)


def test_patches_are_deleted_by_the_numbers_of_the_svg(artgen, run: Path):
    document = ElementTree.fromstring(Path("run/image.svg").read_text())
    numbers = {use.get("id") for use in document.iter("{http://www.w3.org/2000/svg}use")}
    assert numbers == {f"layer-{index}" for index in range(5)}
    answer = artgen("edit", run, "--delete", "0,2-3", "--out", "edited", "--quiet")
    assert (answer.status, answer.err) == (0, "")
    assert artgen("export", "edited", "--format", "layers", "--transparent", "--out", "left").status == 0
    names = [layer["name"] for layer in json.loads(Path("left/layers.json").read_text())["layers"]]
    assert len(names) == 2
    wrong = artgen("edit", run, "--delete", "5", "--out", "wrong")
    assert (wrong.status, "numbered 0 to 4" in wrong.error_line()) == (2, True)
