"""While a run paints, it opens the files that its configuration names, and no others of the user's."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import artgen_assets
import pytest
from PIL import Image as Pillow

import artgen
from artgen.config import RunConfig
from artgen.errors import UsageError
from artgen.runs.edit import editing
from artgen.runs.inputs import AllowedInputs
from artgen.runs.paint import paint, resume

SMALL = {
    "canvas": "24x16",
    "size": "24x16",
    "steps": 2,
    "seed": 1,
    "device": "cpu",
    "cutouts": {"count": 2},
    "evolution": {"method": "none"},
    "timelapse": {"frames": 2, "side": 16},
}


class Opened:
    """The files that Python has opened while it was watching; an audit hook cannot be removed, only ignored."""

    def __init__(self) -> None:
        self.watching = False
        self.paths: set[Path] = set()
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching or event != "open" or isinstance(arguments[0], int):
            return
        path = Path(os.fsdecode(arguments[0]))
        self.paths.add(Path.cwd() / path)


HOOK = Opened()


@pytest.fixture
def opened() -> Iterator[Opened]:
    HOOK.paths = set()
    HOOK.watching = True
    yield HOOK
    HOOK.watching = False


def of_the_user(opened: Opened, *own: Path) -> set[Path]:
    """Return the opened files that are neither part of the installation, nor in the run's own folders.

    The user's files of this test lie in `files`, which is among the temporary files too.
    """
    installed = [Path(sysconfig.get_paths()[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    packages = [
        Path(str(artgen.__file__)).parent,
        Path(str(artgen_assets.__file__)).parent,
        Path(__file__).parents[1],
        Path(str(artgen.__file__)).parents[1] / "artgen.egg-info",  # of an editable installation
    ]
    system = [
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path("/proc"),
        Path("/sys"),
        Path("/dev"),
        Path("/usr"),
    ]
    cache = [Path(os.environ["XDG_CACHE_HOME"])]
    roots = [root.resolve() for root in (*installed, *packages, *system, *cache, *own)]

    found = set()
    for path in opened.paths:
        place = path.resolve()
        # A name can be relative to an open folder, of which the hook learns nothing: such a path does not exist.
        if place.is_file() and not any(root == place or root in place.parents for root in roots):
            found.add(place)
    return found


@pytest.fixture
def files(tmp_path: Path, photograph: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder, with a file for every place of a configuration, and one that is private."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("init", "target", "style", "background", "word", "secret"):
        (folder / f"{name}.png").write_bytes(photograph.read_bytes())
    Pillow.linear_gradient("L").save(folder / "mask.png")
    (folder / "palette.gpl").write_text("GIMP Palette\n255 0 0 red\n0 0 255 blue\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return folder


def all_places(guide: str) -> dict[str, Any]:
    return {
        **SMALL,
        "prompts": ["a fox", "@word.png:0.5"],
        "guides": guide,
        "init": "init.png",
        "target": "target.png",
        "style": "style.png",
        "mask": "mask.png",
        "background": "background.png",
        "palette": "palette.gpl",
        "options": {"cells": 6},
    }


def test_a_run_opens_what_it_names(files: Path, tiny_guide: str, tmp_path: Path, opened: Opened):
    config = RunConfig.make(all_places(tiny_guide))
    AllowedInputs(files=config.local_files(), guides=[]).require(config)
    out = tmp_path / "run"
    paint(config, out)

    directory = Path(tiny_guide.partition("=")[2])
    found = of_the_user(opened, out, directory, tmp_path / "temporary")
    named = {files / f"{name}.png" for name in ("init", "target", "style", "mask", "background", "word")}
    assert found == named | {files / "palette.gpl"}
    assert directory / "open_clip_config.json" in opened.paths


@pytest.mark.parametrize(
    "key", ["init", "target", "style", "mask", "background", "palette", "guides", "prompts"]
)
def test_a_refused_configuration_opens_nothing(key: str, files: Path, tiny_guide: str, opened: Opened):
    values = all_places(tiny_guide)
    config = RunConfig.make(values)
    written = values[key][1] if key == "prompts" else values[key]
    path = written.removeprefix("local-dir=").removeprefix("@").removesuffix(":0.5")
    opened.paths.clear()
    with pytest.raises(UsageError, match=path):
        AllowedInputs(files=set(config.local_files()) - {path}).require(config)
    assert of_the_user(opened) == set()


def test_a_collage_opens_its_patches(files: Path, small_sets: Path, tmp_path: Path, opened: Opened):
    """With tiles, each of which has its own patch sets."""
    values = {
        **SMALL,
        "renderer": "collage",
        "prompts": "a fox",
        "tiles": "2x1",
        "tile_patches": [[str(small_sets / "one"), str(small_sets / "two")]],
        "options": {"count": 3, "patches": f"{small_sets / 'three'}, shapes"},
        "losses": {"sketch": 0},
    }
    config = RunConfig.make(values)
    AllowedInputs(files=config.local_files(), guides=["doodle"]).require(config)
    out = tmp_path / "run"
    paint(config, out)

    found = of_the_user(opened, out, tmp_path / "temporary")
    allowed = {small_sets / name for name in ("one", "two", "three")}
    assert {path.parent for path in found} <= allowed
    assert {small_sets / "one", small_sets / "two"} <= {path.parent for path in found}


def test_an_edited_picture_opens_what_its_chain_names(files: Path, tmp_path: Path, opened: Opened):
    first = RunConfig.make(
        {**SMALL, "target": "target.png", "renderer": "strokes", "options": {"strokes": "4"}}
    )
    paint(first, tmp_path / "first")
    editing(tmp_path / "first", delete=[1], steps=1, out=tmp_path / "second").finish()
    config = RunConfig.from_text((tmp_path / "second" / "config.yaml").read_text())
    assert config.steering

    opened.paths.clear()
    AllowedInputs(files=["target.png"], guides=["doodle"]).require(config)
    paint(config, tmp_path / "third")
    found = of_the_user(opened, tmp_path / "third", tmp_path / "temporary")
    assert found == {files / "target.png"}

    opened.paths.clear()
    resume(tmp_path / "third")
    assert of_the_user(opened, tmp_path / "third", tmp_path / "temporary") == {files / "target.png"}
