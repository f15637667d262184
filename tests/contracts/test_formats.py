"""The contract of an export format, tested on everything in the registry."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from defusedxml import ElementTree
from PIL import Image as Pillow

from artgen.config import RunConfig
from artgen.errors import ArtgenError, UsageError
from artgen.export.files import export_run, export_sheet
from artgen.export.formats import ExportFormat, format_of, formats
from artgen.export.saved_run import SavedRun
from artgen.renderers.background import make_background
from artgen.types import Size
from tests.contracts.parts import make

ODD = Size(37, 53)
every_format = pytest.mark.parametrize("name", formats.names())


def saved_run(renderer: str, folder: Path, population: int = 3, **values: object) -> SavedRun:
    config = RunConfig.make({"prompts": "a fox", "renderer": renderer, "background": "#204060", **values})
    background = make_background(config, torch.device("cpu"))
    order = list(reversed(range(population)))
    return SavedRun(folder, config, make(renderer, population), order, background, step=0, inputs={})


@pytest.fixture
def run(tmp_path: Path) -> SavedRun:
    """A run that has pixels, vectors and layers."""
    return saved_run("collage", tmp_path)


def open_size(path: Path) -> Size | None:
    """Return the size of an export, read by another program's reader; None for a file that is text."""
    if path.is_dir():
        described = json.loads((path / "layers.json").read_text())
        for layer in described["layers"]:
            with Pillow.open(path / layer["file"]) as picture:
                assert picture.size == (layer["width"], layer["height"])
        return Size(described["height"], described["width"])
    if zipfile.is_zipfile(path):
        root = ElementTree.fromstring(zipfile.ZipFile(path).read("stack.xml"))
        return Size(int(root.get("h")), int(root.get("w")))
    if path.suffix == ".svg":
        root = ElementTree.parse(path).getroot()
        return Size(int(root.get("height")), int(root.get("width")))
    try:
        with Pillow.open(path) as picture:
            picture.load()
            return Size(picture.height, picture.width)
    except Pillow.UnidentifiedImageError:
        assert path.read_text(encoding="utf-8")
        return None


@every_format
@pytest.mark.parametrize("transparent", [False, True], ids=["opaque", "transparent"])
def test_another_program_opens_an_odd_size(name: str, transparent: bool, run: SavedRun, tmp_path: Path):
    path = tmp_path / f"picture{formats.get(name).suffix}"
    assert export_run(run, path, name, ODD, transparent, 1) == ODD
    assert path.is_dir() == formats.get(name).writes_folder
    assert open_size(path) in (ODD, None)


@every_format
def test_same_run_same_bytes(name: str, run: SavedRun, tmp_path: Path):
    written = []
    for copy in ("first", "second"):
        path = tmp_path / f"{copy}{formats.get(name).suffix}"
        export_run(run, path, name, ODD, False, 1)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]


@every_format
def test_suffix_leads_back_to_the_format(name: str):
    assert format_of(Path(f"picture{formats.get(name).suffix.upper()}")) == name


@every_format
def test_sheet_is_written_or_refused_in_one_line(name: str, run: SavedRun, tmp_path: Path):
    path = tmp_path / f"sheet{formats.get(name).suffix}"
    if formats.get(name).supports_sheet:
        size = export_sheet(run, path, name, ODD, False)
        assert size == Size(2 * ODD.height, 2 * ODD.width)
        assert open_size(path) in (size, None)
        return

    with pytest.raises(UsageError, match=rf"format {name} cannot hold a sheet; use --format") as caught:
        export_sheet(run, path, name, ODD, False)
    assert "\n" not in str(caught.value)
    assert not path.exists()


@every_format
def test_longest_side_is_a_limit(name: str, run: SavedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(formats.get(name), "longest_side", max(ODD))
    path = tmp_path / f"picture{formats.get(name).suffix}"
    too_large = Size(ODD.height, ODD.width + 1)
    with pytest.raises(UsageError, match=rf"54x37: the format {name} stores sides of at most 53 pixels"):
        export_run(run, path, name, too_large, False, 1)
    export_run(run, path, name, ODD, False, 1)


@every_format
def test_a_path_that_cannot_be_written_is_one_line(name: str, run: SavedRun, tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / f"picture{formats.get(name).suffix}"
    with pytest.raises(ArtgenError, match="choose another --out") as caught:
        export_run(run, path, name, ODD, False, 1)
    assert "\n" not in str(caught.value)


@every_format
def test_memory_is_checked_by_formats_with_pixels(
    name: str, run: SavedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("artgen.memory.available_memory", lambda device: 0.0)
    path = tmp_path / f"picture{formats.get(name).suffix}"
    if not formats.get(name).renders_pixels:
        export_run(run, path, name, ODD, False, 1)
        return
    with pytest.raises(UsageError, match="use a smaller --size"):
        export_run(run, path, name, ODD, False, 1)


@every_format
def test_a_rank_that_does_not_exist(name: str, run: SavedRun, tmp_path: Path):
    with pytest.raises(UsageError, match="no candidate 4; the run has 3, so give 1 to 3"):
        export_run(run, tmp_path / "picture", name, ODD, False, 4)


def test_raster_formats_agree_on_the_pixels(run: SavedRun, tmp_path: Path):
    pictures = []
    for name in ("png", "webp"):
        export_run(run, tmp_path / name, name, ODD, True, 2)
        with Pillow.open(tmp_path / name) as picture:
            pictures.append(np.asarray(picture.convert("RGBA")))
    np.testing.assert_array_equal(pictures[0], pictures[1])


def test_a_sheet_has_the_candidates_best_first_and_a_plain_end(run: SavedRun, tmp_path: Path):
    export_sheet(run, tmp_path / "sheet.png", "png", ODD, False)
    sheet = np.asarray(Pillow.open(tmp_path / "sheet.png"))
    for rank in (1, 2, 3):
        export_run(run, tmp_path / "one.png", "png", ODD, False, rank)
        row, column = divmod(rank - 1, 2)
        top, left = row * ODD.height, column * ODD.width
        cell = sheet[top : top + ODD.height, left : left + ODD.width]
        np.testing.assert_array_equal(cell, np.asarray(Pillow.open(tmp_path / "one.png")))
    rest = sheet[ODD.height :, ODD.width :].reshape(-1, 3)
    np.testing.assert_array_equal(rest, np.broadcast_to([0x20, 0x40, 0x60], rest.shape))


@pytest.mark.parametrize("name", ["ora", "layers"])
def test_a_renderer_without_layers_is_refused(name: str, tmp_path: Path):
    with pytest.raises(UsageError, match="no layers; export its picture as png or svg"):
        export_run(saved_run("pixel", tmp_path), tmp_path / "picture", name, ODD, False, 1)


def test_a_renderer_without_vectors_is_refused(
    run: SavedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(type(run.renderer), "to_svg", lambda renderer, size: None)
    with pytest.raises(UsageError, match="collage cannot draw vectors; use --format png or webp"):
        export_run(run, tmp_path / "picture.svg", "svg", ODD, False, 1)


def test_unknown_formats_name_the_nearest(run: SavedRun, tmp_path: Path):
    with pytest.raises(UsageError, match=r"no format 'wepb'; did you mean 'webp'\?"):
        export_run(run, tmp_path / "picture", "wepb", ODD, False, 1)
    with pytest.raises(UsageError, match=r"no format has the suffix '.wepb'; did you mean '.webp'\?"):
        format_of(Path("picture.wepb"))


def test_files_are_named_after_their_formats():
    assert formats.file_names() == formats.names()
    assert all(issubclass(formats.get(name), ExportFormat) for name in formats.names())


def test_the_command_line_lists_the_formats_without_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from artgen.cli import app; "
        "result = CliRunner().invoke(app, ['export', '--help'], env={'COLUMNS': '200'}); "
        f"assert {', '.join(formats.names())!r} in result.output, result.output; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
