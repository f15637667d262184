"""A run may come from a stranger: what it names on this machine is opened only if it is known, or with --yes."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from artgen import prompts
from artgen.config import RunConfig, named_inputs
from artgen.errors import UsageError
from artgen.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from artgen.runs.defaults import resolve
from artgen.runs.inputs import fingerprints

SMALL = ["--canvas", "24x16", "--size", "24x16", "--cells", 6, "--timelapse", "none", "--quiet", "--steps", 1]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture of the user's that a stranger would like to have opened."""
    path = tmp_path / "secret.png"
    Pillow.new("RGB", (8, 8), "red").save(path)
    return path


@pytest.fixture
def run(artgen, photograph: Path, tmp_path: Path) -> Path:
    mask, target = tmp_path / "mask.png", tmp_path / "target.png"
    Pillow.linear_gradient("L").save(mask)
    target.write_bytes(photograph.read_bytes())
    answer = artgen("paint", "--target", target, "--mask", mask, *SMALL, "--out", "run")
    assert answer.status == 0, answer.err
    return Path("run")


def rewrite(run: Path, inputs: dict[str, str] | None = None, **changes: object) -> None:
    """Change the configuration in a run's checkpoint, and add fingerprints to it."""
    path = run / "checkpoint.safetensors"
    checkpoint = load_checkpoint(path)
    config = {**checkpoint.facts["config"], **changes}
    known = {**checkpoint.facts["inputs"], **(inputs or {})}
    save_checkpoint(
        path, Checkpoint({**checkpoint.facts, "config": config, "inputs": known}, checkpoint.tensors)
    )


COMMANDS = {
    "export": ["--format", "png", "--out", "made"],
    "edit": ["--out", "made", "--quiet"],
    "resume": ["--quiet"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("key", ["mask", "background"])
def test_another_file_is_asked_for(command: str, key: str, run: Path, artgen, secret: Path):
    arguments = [command, run, *COMMANDS[command]]
    assert artgen(*arguments).status == 0
    rewrite(run, **{key: str(secret)})
    arguments += ["--force"] if command != "resume" else []
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    refused = artgen(*arguments)
    assert refused.status == 2
    assert "secret.png" in refused.error_line() and "--yes" in refused.error_line()
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert artgen(*arguments, "--yes").status == 0


def test_the_same_name_with_another_content_is_asked_for(run: Path, artgen, tmp_path: Path):
    Pillow.new("L", (4, 4), 255).save(tmp_path / "mask.png")
    assert artgen("export", run).status == 2
    assert artgen("export", run, "--yes").status == 0


def test_exports_ask_only_for_what_they_open(artgen, photograph: Path, tmp_path: Path):
    target = tmp_path / "target.png"
    target.write_bytes(photograph.read_bytes())
    assert artgen("paint", "--target", target, *SMALL, "--out", "run").status == 0
    target.unlink()
    assert artgen("export", "run").status == 0
    refused = artgen("edit", "run", "--out", "edited", "--quiet")
    assert (refused.status, "target.png" in refused.error_line()) == (2, True)


@pytest.mark.parametrize("name", ["pictures", "~/pictures", "~"])
def test_patch_sets_without_the_look_of_a_path(
    name: str, artgen, small_sets: Path, photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    collage = ["--renderer", "collage", "--patches", small_sets / "one", "--count", 3]
    same = ["--canvas", "24x16", "--size", "24x16", "--timelapse", "none", "--quiet", "--steps", 1]
    assert artgen("paint", "--target", photograph, *collage, *same, "--out", "run").status == 0
    own = tmp_path / "home/pictures"
    for folder in (own, own.parent, Path("pictures")):
        folder.mkdir(parents=True, exist_ok=True)
        for patch in (small_sets / "two").iterdir():
            (folder / patch.name).write_bytes(patch.read_bytes())
    nowhere = fingerprints([str(tmp_path / "nowhere")])
    rewrite(Path("run"), options={"patches": name, "count": 3})
    for command in COMMANDS:
        assert artgen(command, "run", *COMMANDS[command]).status == 2
    path = Path("run/checkpoint.safetensors")
    checkpoint = load_checkpoint(path)
    inputs = {**checkpoint.facts["inputs"], name: next(iter(nowhere.values()))}
    save_checkpoint(path, Checkpoint({**checkpoint.facts, "inputs": inputs}, checkpoint.tensors))
    assert artgen("export", "run").status == 2


def test_promote_asks_for_what_the_run_names(artgen, photograph: Path, secret: Path):
    options = ["--target", photograph, *SMALL, "--seeds", "1-2", "--out", "batch"]
    assert artgen("paint", *options).status == 0
    assert artgen("promote", "batch", 1, "--quiet", "--out", "one").status == 0
    path = next(Path("batch").glob("001-*")) / "config.yaml"
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(values | {"target": str(secret)}))
    refused = artgen("promote", "batch", 1, "--quiet", "--out", "two")
    assert refused.status == 2
    assert "secret.png" in refused.error_line() and "--yes" in refused.error_line()
    assert not Path("two").exists()
    assert artgen("promote", "batch", 1, "--target", photograph, "--quiet", "--out", "own").status == 0
    for number, yes in enumerate(("--yes", "-y")):
        assert artgen("promote", "batch", 1, "--quiet", yes, "--out", f"yes-{number}").status == 0
    made = np.asarray(Pillow.open("yes-0/image.png"))
    assert np.array_equal(made, np.asarray(Pillow.open("yes-1/image.png")))


def test_files_of_a_picture_are_among_those_of_its_run():
    values = {
        "prompts": ["a fox", "@words.png"],
        "options": {"patches": "sets/one,sets/two"},
        "background": "ground.png",
        "palette": "colours.gpl",
        "guides": "ViT-B-32=weights.safetensors@0.5",
        "target": "target.png",
        "style": "style.png",
    }
    config = RunConfig.make(values)
    shown = {"sets/one", "sets/two", "ground.png", "colours.gpl"}
    assert set(config.picture_files()) == shown
    more = {"target.png", "style.png", "words.png", "weights.safetensors"}
    assert set(config.local_files()) == shown | more
    masked = RunConfig.make(values | {"mask": "mask.png", "init": "start.png"})
    assert set(masked.picture_files()) == shown | {"mask.png", "start.png", "target.png"}


GUIDES = ["local-dir=gift@x/guide", "local-dir=gift@5@1", "local-dir= gift", "local-dir=gift:tag"]


@pytest.mark.parametrize("written", GUIDES)
def test_a_guide_is_checked_by_the_path_that_is_loaded(written: str, monkeypatch: pytest.MonkeyPatch):
    """The loader and the check agree about the path, whatever is in it."""
    from artgen.guides import openclip_loading

    class OpenedError(Exception):
        pass

    opened = []

    def note(_: str, directory: Path, __: object) -> None:
        opened.append(str(directory))
        raise OpenedError

    monkeypatch.setattr(openclip_loading, "load_directory", note)
    config = RunConfig.make({"prompts": "a fox", "guides": written})
    with pytest.raises(OpenedError):
        resolve(config)
    assert opened == [path for path in config.local_files() if path.removeprefix(" ").startswith("gift")]


@pytest.mark.parametrize("decoy", ["gift", "gift@x/guide"])
def test_a_guide_with_an_at_sign_is_asked_for(decoy: str, run: Path, artgen):
    Path("gift@x/guide").mkdir(parents=True)
    invented = {decoy: next(iter(fingerprints(["nowhere"]).values()))}
    rewrite(run, invented, prompts=["a fox"], guides=["local-dir=gift@x/guide"])
    refused = artgen("resume", run, "--quiet")
    assert refused.status == 2
    assert "gift@x/guide" in refused.error_line() and "--yes" in refused.error_line()


def test_a_file_named_like_a_list_vouches_for_none_of_its_parts(
    artgen, small_sets: Path, photograph: Path, tmp_path: Path
):
    collage = ["--renderer", "collage", "--patches", small_sets / "one", "--count", 3]
    same = ["--canvas", "24x16", "--size", "24x16", "--timelapse", "none", "--quiet", "--steps", 1]
    assert artgen("paint", "--target", photograph, *collage, *same, "--out", "run").status == 0
    assert artgen("export", "run", "--out", "own").status == 0
    private = Path("private/secret")
    private.mkdir(parents=True)
    for patch in (small_sets / "two").iterdir():
        (private / patch.name).write_bytes(patch.read_bytes())
    listed = "gift/x,private/secret"
    decoy = Path(listed)
    decoy.parent.mkdir(parents=True)
    decoy.write_bytes(b"decoy")
    rewrite(Path("run"), fingerprints([listed]), options={"patches": listed, "count": 3})
    for command in COMMANDS:
        refused = artgen(command, "run", *COMMANDS[command])
        assert refused.status == 2
        assert "private/secret" in refused.error_line() and "--yes" in refused.error_line()


def test_a_palette_with_a_space_is_checked_by_the_path_that_is_loaded(run: Path, artgen):
    Path("p.gpl").write_text("GIMP Palette\n255 0 0 red\n")
    Path("p.gpl ").write_text("decoy")
    rewrite(run, fingerprints(["p.gpl "]), palette="p.gpl ")
    refused = artgen("export", run)
    assert refused.status == 2
    assert "p.gpl" in refused.error_line() and "--yes" in refused.error_line()
    assert artgen("export", run, "--yes").status == 0


def picture_with(path: Path, config: dict) -> Path:
    """Write a picture with a configuration in its metadata."""
    information = PngInfo()
    information.add_text("artgen", json.dumps(config))
    Pillow.new("RGB", (8, 8)).save(path, pnginfo=information)
    return path


def test_rerun_asks_before_it_reads(artgen, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    opened = []
    plain_open = os.open  # with which artgen opens every file

    def watched(path: object, *arguments: object, **options: object) -> int:
        opened.append(str(path))
        return plain_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", watched)
    for target in ("/proc/kmsg", str(secret)):
        picture = picture_with(tmp_path / "gift.png", {"target": target})
        refused = artgen("rerun", picture)
        assert refused.status == 2
        assert target in refused.error_line() and "--yes" in refused.error_line()
        assert str(picture) in opened
        assert target not in opened


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many terms and guides were parsed."""
    counted: Counter[str] = Counter()
    parse_term, parse_guide = prompts._parse_term, named_inputs.parse_guide

    def counting_term(*arguments: object) -> object:
        counted["terms"] += 1
        return parse_term(*arguments)

    def counting_guide(text: str) -> object:
        counted["guides"] += 1
        return parse_guide(text)

    monkeypatch.setattr(prompts, "_parse_term", counting_term)
    monkeypatch.setattr(named_inputs, "parse_guide", counting_guide)
    return counted


@pytest.mark.parametrize(
    "config",
    [
        {"prompts": ["fox"] * 60_000},
        {"prompts": ["f|" * 900 + "x"] * 150},
        {"prompts": "a fox", "templates": ["{}"] * 60_000},
        {"prompts": "a fox", "guides": ["doodle"] * 60_000},
        {"tiles": "20x20", "tile_prompts": [["a|b|c"] * 20] * 20},
    ],
)
def test_too_many_prompts_are_refused_after_a_bounded_amount_of_work(
    config: dict, artgen, tmp_path: Path, parsed: Counter[str]
):
    picture = picture_with(tmp_path / "gift.png", config)
    refused = artgen("rerun", picture)
    assert refused.status == 2
    assert "1,000" in refused.error_line() or "at most" in refused.error_line()
    assert parsed["terms"] <= 4000 and parsed["guides"] <= 100


def test_the_most_prompts_are_read_once_each(parsed: Counter[str]):
    corners = [f"[0,0,0.01,{index / 100_000}] fox" for index in range(1, 1000)]
    RunConfig.make({"prompts": [*corners, "a fox"], "tiles": "20x20"})
    assert parsed["terms"] == 1000
    with pytest.raises(UsageError, match="more than 1,000 terms"):
        RunConfig.make({"prompts": [*corners, "a fox", "a hen"]})


def test_a_long_chain_of_edits_takes_no_more_than_its_length(monkeypatch: pytest.MonkeyPatch):
    """Each run of the chain is checked once, not once for every edit after it."""
    from artgen import prompts

    read, parse = [], prompts.parse
    monkeypatch.setattr(prompts, "parse", lambda prompt: read.append(prompt) or parse(prompt))
    config: dict = {"prompts": ["fox"] * 10, "target": "first.png"}
    for _ in range(50):
        config = {"prompts": ["fox"] * 10, "edited": {"config": config, "step": 0, "steps": 0}}
    made = RunConfig.make(config)
    assert len(read) < 51 * 10 * 10
    assert made.local_files() == ["first.png"]
