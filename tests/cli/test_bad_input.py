"""Bad input: one clear line with the cure, exit status 2 or 1, nothing made, nothing lost."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 64))
        + chunk(b"IEND", b"")
    )


WRONG_WORDS = {
    "empty": ([""], "empty"),
    "blank": (["  "], "empty"),
    "ten thousand": (["a" * 10_000], "shorten"),
    "nul": (["a\0b"], "U+0000"),
    "escape": (["a \x1b[31m rabbit"], "U+001B"),
    "surrogate": (["a \udc80"], "U+DC80"),
    "weight": (["a cat:heavy"], r"\:"),
    "two weights": (["a:1:2"], "two weights"),
    "infinite weight": (["a:inf"], "finite"),
    "open region": (["[0,0,1 a"], "not closed"),
    "empty region": (["[0.5,0,0.5,1] a"], "x0 < x1"),
    "nothing": (["paint"], "prompt"),
    "missing image prompt": (["@nowhere.png"], "nowhere.png"),
}
WRONG_NUMBERS = {
    "no steps": (["--steps", "0"], "steps"),
    "negative steps": (["--steps", "-3"], "steps"),
    "endless steps": (["--steps", "1000000000"], "steps"),
    "words for steps": (["--steps", "many"], "integer"),
    "no seconds": (["--seconds", "0"], "seconds"),
    "not a number": (["--seconds", "nan"], "seconds"),
    "no size": (["--size", "0x10"], "1 to"),
    "a million": (["--size", "1000000x1000000"], "32768"),
    "beyond memory": (["--size", "32768x32768"], "GB"),
    "canvas beyond memory": (["--canvas", "32768x32768"], "GB"),
    "population beyond memory": (["--canvas", "4096x4096", "--population", "4096"], "GB"),
    "size of thousands of digits": (["--size", "9" * 5000 + "x4"], "1 to 32768"),
    "not a size": (["--canvas", "big"], "WIDTHxHEIGHT"),
    "unicode digits": (["--canvas", "²x²"], "WIDTHxHEIGHT"),
    "no aspect": (["--aspect", "0:1"], "aspect"),
    "canvas and aspect": (["--canvas", "32x32", "--aspect", "1:1"], "one of them"),
    "negative seed": (["--seed", "-1"], "seed"),
    "huge seed": (["--seed", str(2**70)], "seed"),
    "no views": (["--cutouts", "0"], "cutouts"),
    "no candidates": (["--population", "0"], "population"),
    "colour": (["--background", "blurple"], "#rrggbb"),
    "loss": (["--loss", "smothness=1"], "smoothness"),
    "loss without weight": (["--loss", "smoothness"], "NAME=WEIGHT"),
    "loss not finite": (["--loss", "smoothness=nan"], "finite"),
    "renderer": (["--renderer", "pixl"], "pixel"),
    "option": (["--cels", "3"], "--cells"),
    "option's value": (["--cells", "0"], "cells"),
    "option without value": (["--cells"], "value"),
    "set": (["--set", "steps"], "key=value"),
    "set key": (["--set", "optimiser.rat=1"], "rate"),
    "set tag": (["--set", "steps=!!python/object:os.system x"], "YAML"),
    "set below": (["--set", "steps=1", "--set", "steps.more=1"], "steps"),
    "preset": (["--preset", "drft"], "draft"),
    "timelapse": (["--timelapse", "avi"], "mp4"),
    "seeds": (["--seeds", "8-1"], "1-8"),
    "many seeds": (["--seeds", "1-999999999"], "fewer"),
    "seed and seeds": (["--seeds", "1-2", "--seed", "1"], "one of them"),
    "device": (["--set", "device=gpu"], "auto"),
    "rate of no group": (["--set", "optimiser.rates.color=2"], "colour"),
}


@pytest.mark.parametrize("case", WRONG_WORDS, ids=str)
def test_wrong_words(case: str, artgen, tiny_guide: str):
    arguments, cure = WRONG_WORDS[case]
    answer = artgen(*arguments, "--guide", tiny_guide, "--steps", 1)
    assert answer.status == 2
    assert cure in answer.error_line()
    assert not any(Path().iterdir())


@pytest.mark.parametrize("case", WRONG_NUMBERS, ids=str)
def test_wrong_options(case: str, artgen, photograph: Path):
    arguments, cure = WRONG_NUMBERS[case]
    answer = artgen("paint", "--target", photograph, *arguments)
    assert answer.status == 2
    assert cure in answer.error_line()
    assert answer.out == ""
    assert not any(Path().iterdir())


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        (None, "no such"),
        (b"", "formats read"),
        (b"GIF89a but not really", "formats read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "formats read"),
        (png_header(60_000, 60_000), "smaller"),
        (png_header(0, 10), "formats read"),
        (png_header(64, 64), "formats read"),
    ],
    ids=["missing", "empty", "text", "vector", "bomb", "no width", "no pixels"],
)
@pytest.mark.parametrize("option", ["--init", "--target"])
def test_pictures_that_are_none(
    option: str, content: bytes | None, cure: str, artgen, photograph: Path, tmp_path: Path
):
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    start = [] if option == "--target" else ["--target", photograph]
    answer = artgen("paint", *start, option, path, "--steps", 1, "--out", "run")
    assert answer.status == 2
    assert cure in answer.error_line()
    assert not list(Path().glob("run/*"))


def test_truncated_picture(artgen, photograph: Path, tmp_path: Path):
    path = tmp_path / "half.png"
    path.write_bytes(photograph.read_bytes()[: photograph.stat().st_size // 2])
    assert "formats read" in artgen("paint", "--target", path).error_line()


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("stepz: 3", "steps"),
        ("cutouts: {cont: 3}", "count"),
        ("steps: many", "steps"),
        ("steps: 3.5", "steps"),
        ("cutouts: 3", "cutouts"),
        ("- a\n- b", "mapping"),
        ("just words", "mapping"),
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: !custom 1", "tags"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: [", "line"),
        ("? [1, 2]\n: 3", "YAML"),
        ("1: 2", "mapping"),
        ("prompts: 5", "prompts"),
        ("options: {cells: [1]}", "cells"),
        ("options: 7", "options"),
        ("optimiser: {rates: {colour: fast}}", "rates"),
        ("steps: 2024-01-01", "steps"),
        ("\x00", "YAML"),
        ("a: " + "[" * 1500, "YAML"),
        ("x" * (1 << 21), "larger"),
    ],
)
def test_wrong_configuration_files(text: str, cure: str, artgen, photograph: Path, tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    answer = artgen("paint", "--target", photograph, "--config", path)
    assert answer.status == 2
    assert cure in answer.error_line()
    assert not any(Path().iterdir())


def test_configuration_files_that_are_none(artgen, photograph: Path, tmp_path: Path):
    (tmp_path / "latin.yaml").write_bytes(b"prompts: caf\xe9")
    for path in (tmp_path, tmp_path / "missing.yaml", tmp_path / "latin.yaml"):
        assert "check the path" in artgen("paint", "--target", photograph, "--config", path).error_line()


def test_weights_of_no_use(artgen, tiny_guide: str, tmp_path: Path):
    weights = Path(tiny_guide.partition("=")[2]) / "open_clip_model.safetensors"
    truncated = tmp_path / "half.safetensors"
    truncated.write_bytes(weights.read_bytes()[:5000])
    pickled = tmp_path / "weights.pt"
    torch.save({}, pickled)
    for guide, cure in (
        (f"ViT-S-32-alt={truncated}", "check the file"),
        (f"ViT-S-32-alt={weights}", "check the file"),
        (f"ViT-B-32={pickled}", "convert"),
        (f"ViT-B-32={tmp_path / 'missing.safetensors'}", "check the path"),
        (f"local-dir={tmp_path}", "open_clip_config.json"),
        ("ViT-B-33", "ViT-B-32"),
        ("=x", "no name"),
        ("ViT-B-32@0", "positive"),
    ):
        answer = artgen("a rabbit", "--guide", guide)
        assert answer.status == 2
        assert cure in answer.error_line(), guide
    assert not any(Path().iterdir())


def test_resume_of_no_run(artgen, tmp_path: Path):
    for path in (tmp_path / "missing", tmp_path):
        answer = artgen("resume", path)
        assert (answer.status, "folder of a run" in answer.error_line()) == (2, True)


def test_out_that_cannot_be(artgen, photograph: Path, tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("mine")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for out, status, cure in ((file, 2, "folder"), (file / "below", 1, "--out"), (full, 2, "--force")):
        answer = artgen("paint", "--target", photograph, "--steps", 1, "--out", out)
        assert (answer.status, cure in answer.error_line()) == (status, True)
    assert file.read_text() == "mine"
    assert (full / "mine.txt").read_text() == "mine"


NAMING_OPTIONS = (
    "out config prompts init mask target style palette background composition tile-prompts tile-patches "
    "tiles canvas size guide renderer preset patches"
)


@pytest.mark.parametrize("empty", ["", "  "], ids=["empty", "blank"])
@pytest.mark.parametrize("option", NAMING_OPTIONS.split())
def test_empty_options_are_refused(option: str, empty: str, artgen, photograph: Path):
    collage = ["--renderer", "collage"] if option == "patches" else []
    answer = artgen("paint", "--target", photograph, *collage, f"--{option}", empty, "--steps", 1)
    assert answer.status == 2
    assert answer.error_line()
    assert not any(Path().iterdir())


@pytest.mark.parametrize(
    "command", ["resume", "rerun", "export", "edit", "classify", "score", "assets check", "assets show"]
)
def test_empty_paths_are_refused(command: str, artgen):
    Pillow.new("RGB", (4, 4)).save("image.png")
    more = {"classify": ["--labels", "a"], "score": ["--guide", "doodle"]}.get(command, [])
    answer = artgen(*command.split(), "", *more)
    assert answer.status == 2
    said = answer.error_line()
    assert "empty" in said or "not found" in said
    assert [path.name for path in Path().iterdir()] == ["image.png"]


def test_empty_names_in_a_configuration_are_refused(artgen, tmp_path: Path):
    for key in ("init", "mask", "target", "style", "palette", "background"):
        (tmp_path / "config.yaml").write_text(f"prompts: a fox\n{key}: ''\n")
        answer = artgen("--config", tmp_path / "config.yaml")
        assert (answer.status, f"{key}: is empty" in answer.error_line()) == (2, True)


def test_loss_that_is_not_finite_keeps_the_last_good_picture(
    artgen, photograph: Path, monkeypatch: pytest.MonkeyPatch
):
    from artgen.losses import losses

    losses.names()
    calls = iter(range(100))

    def breaks(image, context):
        return image.mean(dim=(1, 2, 3)) * (torch.nan if next(calls) == 3 else 0.0)

    monkeypatch.setitem(losses._parts, "smoothness", breaks)
    common = [
        "--target",
        photograph,
        "--seed",
        1,
        "--canvas",
        "16x16",
        "--size",
        "16x16",
        "--timelapse",
        "none",
    ]
    answer = artgen("paint", *common, "--steps", 9, "--loss", "smoothness=1", "--out", "broken", "--quiet")
    assert answer.status == 1
    assert "not finite at step 3" in answer.error_line()
    report = json.loads(Path("broken/run.json").read_text())
    assert (report["reason"], report["step"]) == ("failed", 3)
    assert "not finite" in report["error"]
    asked = iter(range(1000))  # once for each event: the start, and three steps
    monkeypatch.setattr("artgen.cli.progress.Interruption.requested", lambda self: next(asked) >= 3)
    assert artgen("paint", *common, "--steps", 9, "--out", "good").status == 130
    pixels = [np.asarray(Pillow.open(Path(name) / "image.png")) for name in ("broken", "good")]
    assert np.array_equal(*pixels)


HOSTILE = [
    "../../x",
    "<script>alert(1)</script>",
    "兎 🐇 \u202e",
    "con",
    "-rf",
    "a/b\\c",
    ".",
    "ﬁ" * 300,
    "İ~$(x)`;",
]


def test_hostile_names_stay_in_the_folder(artgen, tmp_path: Path):
    from artgen.runs.folder import make_folder

    for words in HOSTILE:
        folder = make_folder(None, words, 1, force=False)
        assert folder.parent == Path("runs")
        assert len(folder.name) < 100
        assert set(folder.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(list(Path("runs").iterdir())) == len(HOSTILE)


def test_hostile_prompt_is_painted(artgen, tiny_guide: str, tmp_path: Path):
    small = [
        "--canvas",
        "16x16",
        "--size",
        "16x16",
        "--cells",
        "4",
        "--cutouts",
        "2",
        "--set",
        "precision=float32",
    ]
    before = sorted(tmp_path.rglob("*"))
    words = "../../<script>alert('兎')</script>\u202e"
    answer = artgen(*small, "--guide", tiny_guide, "--steps", 1, "--json", "--", words)
    assert answer.status == 0, answer.err
    made = sorted(set(tmp_path.rglob("*")) - set(before))
    folder = Path(json.loads(answer.out)["folder"])
    assert folder.parent == Path("runs")
    assert all(
        path.is_relative_to(tmp_path / "here" / "runs") for path in made if path != tmp_path / "here" / "runs"
    )
    assert "<script>" not in (folder / "image.svg").read_text() if (folder / "image.svg").exists() else True


@pytest.mark.parametrize("option", ["--target", "--init", "--mask", "--background", "--palette", "--patches"])
def test_pipes_are_not_waited_for(option: str, artgen, photograph: Path, tmp_path: Path):
    pipe = tmp_path / ("pipe.gpl" if option == "--palette" else "pipe.png")
    os.mkfifo(pipe)
    collage = ["--renderer", "collage"] if option == "--patches" else []
    answer = artgen("paint", "--target", photograph, *collage, option, pipe, "--steps", 1)
    assert (answer.status, "pipe or a device" in answer.error_line()) == (2, True)
    assert not any(Path().iterdir())


def test_pipes_are_no_runs_and_no_pictures_of_artgen(artgen, tmp_path: Path):
    for name in ("image.png", "checkpoint.safetensors", "drawing.svg"):
        os.mkfifo(tmp_path / name)
    for arguments in (["rerun", tmp_path / "image.png"], ["resume", tmp_path]):
        answer = artgen(*arguments)
        assert (answer.status, "pipe or a device" in answer.error_line()) == (2, True)
    answer = artgen("a fox", "--renderer", "strokes", "--init", tmp_path / "drawing.svg")
    assert (answer.status, "pipe or a device" in answer.error_line()) == (2, True)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("templates: []", "templates is empty"),
        ("guides: []", "guides is empty"),
        ("device: meta", "device=auto"),
        ('options: {palette: "a\\0.gpl"}', "U+0000"),
        ('init: "a\\0.png"', "U+0000"),
    ],
)
def test_configurations_of_no_use(text: str, cure: str, artgen, tmp_path: Path):
    (tmp_path / "config.yaml").write_text(text)
    answer = artgen("a fox", "--config", tmp_path / "config.yaml")
    assert (answer.status, cure in answer.error_line()) == (2, True)
    assert not any(Path().iterdir())


def test_out_below_very_many_folders(artgen, photograph: Path):
    answer = artgen("paint", "--target", photograph, "--steps", 1, "--out", "x/" * 2000)
    assert (answer.status, "choose another --out" in answer.error_line()) == (1, True)
    assert not any(Path().iterdir())


def test_edits_of_too_many_steps(artgen, photograph: Path):
    small = ["--canvas", "16x16", "--size", "16x16", "--strokes", "2", "--timelapse", "none", "--quiet"]
    target = ["--target", photograph]
    assert artgen("paint", "-r", "strokes", *target, *small, "--steps", 1, "--out", "run").status == 0
    answer = artgen("edit", "run", "--lock", 0, "--continue", 10**8)
    assert (answer.status, "steps" in answer.error_line()) == (2, True)
    assert "1 to 1" in artgen("export", "run", "--candidate", 2).error_line()


def test_edits_of_very_many_elements(artgen):
    answer = artgen("edit", ".", "--lock", "0-99999," * 10_000)
    assert (answer.status, "more than 200,000 elements" in answer.error_line()) == (2, True)


def test_two_runs_in_one_folder(artgen, photograph: Path):
    from artgen.runs.folder import claimed

    common = ["--target", photograph, "--canvas", "16x16", "--size", "16x16", "--steps", 1, "--quiet"]
    assert artgen("paint", *common, "--out", "run").status == 0
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    with claimed(Path("run")):
        for arguments in (["paint", *common, "--out", "run", "--force"], ["resume", "run"]):
            answer = artgen(*arguments)
            assert (answer.status, "another run is writing" in answer.error_line()) == (1, True)
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before
    assert artgen("resume", "run", "--quiet").status == 0
