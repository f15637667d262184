"""A run may come from a stranger: what it names on this machine is opened only if it is known, or with --yes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as Pillow

from artgen.config import RunConfig
from artgen.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from artgen.engine.inputs import fingerprints

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


def rewrite(run: Path, **changes: object) -> None:
    """Change the configuration in a run's checkpoint."""
    path = run / "checkpoint.safetensors"
    checkpoint = load_checkpoint(path)
    facts = {**checkpoint.facts, "config": {**checkpoint.facts["config"], **changes}}
    save_checkpoint(path, Checkpoint(facts, checkpoint.tensors))


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
    shown = {"sets/one,sets/two", "ground.png", "colours.gpl"}
    assert set(config.picture_files()) == shown
    more = {"target.png", "style.png", "words.png", "weights.safetensors"}
    assert set(config.local_files()) == shown | more
    masked = RunConfig.make(values | {"mask": "mask.png", "init": "start.png"})
    assert set(masked.picture_files()) == shown | {"mask.png", "start.png", "target.png"}
