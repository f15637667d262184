"""Layers of a collage as a folder, as OpenRaster and as SVG, against the picture itself."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from defusedxml import ElementTree
from PIL import Image

from artgen.assets import Patch
from artgen.export.layers import flattened, layers_of, openraster, write_layer_folder
from artgen.files import file_name
from artgen.renderers.collage import Collage
from artgen.renderers.collage.renderer import CollageOptions
from artgen.types import Size
from tests.reference import collage_scene as scenes

SIZE = Size(120, 150)


@pytest.fixture(scope="module")
def collage() -> Collage:
    options = CollageOptions(count=12, min_scale=0.2, max_scale=0.6)
    renderer = Collage(options, SIZE, patches=scenes.patches(8))
    renderer.init(2, torch.Generator().manual_seed(1))
    return renderer


def picture(collage: Collage) -> torch.Tensor:
    with torch.no_grad():
        return collage(SIZE)[0]


def straight(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(float)


def test_layers_painted_over_each_other_are_the_picture(collage: Collage):
    layers = layers_of(collage, SIZE)
    assert len(layers) == 12
    torch.testing.assert_close(flattened(layers, SIZE), picture(collage), atol=1e-3, rtol=0)


def test_a_folder_of_layers(collage: Collage, tmp_path: Path):
    files = write_layer_folder(layers_of(collage, SIZE), SIZE, tmp_path / "layers")
    described = json.loads(files[-1].read_text())
    assert (described["width"], described["height"]) == (150, 120)
    canvas = np.zeros((120, 150, 4))
    for layer in described["layers"]:
        data = straight((tmp_path / "layers" / layer["file"]).read_bytes()) / 255
        data[..., :3] *= data[..., 3:]
        part = canvas[
            layer["top"] : layer["top"] + layer["height"], layer["left"] : layer["left"] + layer["width"]
        ]
        part[:] = data + (1 - data[..., 3:]) * part
        assert {"source", "licence", "author", "rotation", "scale", "patch_to_pixels"} <= set(layer)
    assert np.abs(canvas - picture(collage).permute(1, 2, 0).numpy()).max() < 4 / 255


def test_openraster_has_what_the_specification_asks_for(collage: Collage):
    layers = layers_of(collage, SIZE)
    data = openraster(layers, SIZE)
    assert data == openraster(layers, SIZE)
    archive = zipfile.ZipFile(io.BytesIO(data))
    first = archive.infolist()[0]
    assert first.filename == "mimetype" and first.compress_type == zipfile.ZIP_STORED
    assert archive.read("mimetype") == b"image/openraster"
    stack = ElementTree.fromstring(archive.read("stack.xml"))
    assert (stack.get("w"), stack.get("h")) == ("150", "120")
    sources = [layer.get("src") for layer in stack.iter("layer")]
    assert sources == [f"data/layer{number:04d}.png" for number in reversed(range(12))]
    assert set(sources) <= set(archive.namelist())
    assert Image.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png"))).size == (150, 120)
    merged = straight(archive.read("mergedimage.png"))
    expected = (picture(collage).permute(1, 2, 0).numpy() * 255).round()
    assert np.abs(merged[..., 3] - expected[..., 3]).max() <= 1


@pytest.mark.parametrize("options", [{}, {"colour": "hsv"}, {"colour": "none"}, {"invert": True}], ids=str)
def test_the_svg_looks_like_the_picture(options: dict):
    resvg = pytest.importorskip("resvg_py")
    renderer = Collage(
        CollageOptions(count=12, min_scale=0.3, max_scale=0.6, **options), SIZE, patches=scenes.patches(8)
    )
    renderer.init(1, torch.Generator().manual_seed(1))
    drawn = straight(bytes(resvg.svg_to_bytes(svg_string=renderer.to_svg(SIZE)))) / 255
    drawn[..., :3] *= drawn[..., 3:]
    difference = np.abs(drawn - picture(renderer).permute(1, 2, 0).numpy())
    assert difference.mean() < 1.5 / 255 and np.quantile(difference, 0.99) < 0.1


def test_untrusted_names_stay_text(tmp_path: Path):
    patches = [
        Patch('</title><script>"x" & \x00', "s", each.pixels, licence="<b>") for each in scenes.patches(2)
    ]
    renderer = Collage(CollageOptions(count=2), SIZE, patches=patches)
    renderer.init(1, torch.Generator().manual_seed(1))
    root = ElementTree.fromstring(renderer.to_svg(SIZE))
    assert not [element for element in root.iter() if "script" in element.tag]
    layers = layers_of(renderer, SIZE)
    files = write_layer_folder(layers, SIZE, tmp_path / "layers")
    assert all(file.parent == tmp_path / "layers" for file in files)
    ElementTree.fromstring(zipfile.ZipFile(io.BytesIO(openraster(layers, SIZE))).read("stack.xml"))


def test_file_names_are_tame():
    assert file_name("../../etc/passwd") == "etc-passwd"
    assert file_name("…") == "layer"
