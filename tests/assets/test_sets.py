"""Patch sets: what is shipped, what is read, and what is refused with one clear line."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from artgen.assets import load_patches, load_set, shipped_names
from artgen.assets.files import ZipFiles
from artgen.assets.object_arrays import read_object_arrays
from artgen.assets.sets import MANIFEST, find, read_manifest
from artgen.errors import InputError, UsageError

PERMISSIVE = {"Apache-2.0", "MIT", "CC0-1.0", "Bitstream-Vera"}


def disc(side: int = 40) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, (np.hypot(x, y) < 0.9) * 255
    return pixels


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "disc.png").write_bytes(png(disc()))
    return tmp_path / "mine"


def manifest(folder: Path, **entries: dict) -> None:
    content = {"title": "Mine", "licence": "CC0-1.0", "patches": entries}
    (folder / MANIFEST).write_text(yaml.safe_dump(content))


def test_at_least_eight_sets_are_shipped_and_all_is_permissive():
    assert len(shipped_names()) >= 8
    total = 0
    for name in shipped_names():
        path = find(name)
        total += sum(file.stat().st_size for file in path.iterdir())
        described = read_manifest(path)
        assert len(described.patches) >= 20
        for file, entry in described.patches.items():
            assert (entry.licence or described.licence) in PERMISSIVE, (name, file)
            assert entry.author or described.author, (name, file)
            assert hashlib.sha256((path / file).read_bytes()).hexdigest() == entry.sha256
    assert total < 12e6


@pytest.mark.parametrize("name", ["animals", "shapes"])
def test_shipped_sets_load_without_a_problem(name: str):
    loaded = load_set(find(name))
    assert not loaded.problems
    for patch in loaded.patches:
        assert 60 <= max(patch.pixels.shape[:2]) <= 192
        assert patch.pixels[..., 3].max() > 200


def test_mixing_choosing_and_brightening():
    patches = load_patches("shapes, shards", include=["circle*", "white shard*"])
    assert {patch.set_name for patch in patches} == {"shapes", "shards"}
    assert all(patch.name.startswith(("circle", "white shard")) for patch in patches)
    bright = load_patches("shards", include=["black*"], normalise_brightness=True)
    assert all((each.pixels[..., :3][each.pixels[..., 3] > 0]).max() == 255 for each in bright)
    with pytest.raises(UsageError, match="fits what was asked"):
        load_patches("shapes", include=["rabbit"])
    with pytest.raises(UsageError, match="did you mean 'animals'"):
        load_patches("animls")


def test_a_folder_without_a_manifest_is_a_set(folder: Path):
    (patch,) = load_set(folder).patches
    assert patch.name == "disc" and patch.licence == "not stated"
    assert patch.pixels.shape[0] < 40, "clear margins are cut off"


def sixteen_bits() -> bytes:
    """A 1 x 1 RGBA PNG of 16 bits, by hand; Pillow would quietly make 8 of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(9)))
        + chunk(b"IEND", b"")
    )


def huge() -> bytes:
    """A PNG that says it has 20,000 x 20,000 pixels."""
    data = bytearray(png(disc()))
    data[16:24] = struct.pack(">II", 20_000, 20_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def animated() -> bytes:
    frames = [Image.fromarray(disc()), Image.fromarray(disc()[::-1] // 2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def jpeg(mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


BAD = {
    "one-pixel.png": (png(disc()[20:21, 20:21]), "at least 4 x 4"),
    "huge.png": (huge(), "at most 4096 x 4096"),
    "opaque.png": (png(disc()[..., :3]), "no alpha channel"),
    "clear.png": (png(disc() * 0), "completely transparent"),
    "deep.png": (sixteen_bits(), "16 bits"),
    "animated.png": (animated(), "animated"),
    "cut-short.png": (png(disc())[:120], "damaged"),
    "empty.png": (b"", "not a picture"),
    "cmyk.png": (jpeg("CMYK"), "not a picture of a known format"),
    "text.webp": (b"RIFF" + b"no" * 50, "not a picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_and_can_be_skipped(name: str, folder: Path):
    content, reason = BAD[name]
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        load_set(folder)
    message = str(caught.value)
    assert name in message and "--skip-bad" in message and "\n" not in message
    loaded = load_set(folder, skip_bad=True)
    assert [patch.name for patch in loaded.patches] == ["disc"]
    assert len(loaded.problems) == 1 and name in loaded.problems[0]


def test_a_cmyk_picture_is_refused_by_name():
    from artgen.assets.files import decode_picture

    with pytest.raises(InputError, match=r"it\.jpg: is CMYK"):
        decode_picture(jpeg("CMYK"), "it.jpg")


def test_an_empty_set_says_so(tmp_path: Path):
    with pytest.raises(InputError, match="no patch that can be used"):
        load_set(tmp_path)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"disc.png": {}, "missing.png": {}}, r"missing\.png: is listed .* but missing"),
        ({"disc.png": {"sha256": "0" * 64}}, "checksum"),
        ({"../disc.png": {}}, "only files of its own folder"),
        ({"disc.png": {"autor": "me"}}, "did you mean 'author'"),
        ({"other.png": {}}, "is not listed|missing"),
    ],
)
def test_a_manifest_that_lies_is_found_out(entries: dict, reason: str, folder: Path):
    manifest(folder, **entries)
    with pytest.raises(InputError, match=reason):
        load_set(folder)


@pytest.mark.parametrize(
    "text",
    [
        "title: !!python/object/apply:os.system [ls]",
        "title: [",
        "a: &a [x]\ntitle: *a",
        "- 1",
        "title: " + "x" * 300,
    ],
)
def test_hostile_yaml_is_one_clear_line(text: str, folder: Path):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=MANIFEST) as caught:
        load_set(folder)
    assert "\n" not in str(caught.value)


def test_links_out_of_the_folder_are_refused(folder: Path, tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(png(disc()))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match="outside its folder"):
        load_set(folder)


def archive(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path


def test_zip_archives_are_sets(tmp_path: Path):
    path = archive(tmp_path / "mine.zip", **{"top/disc.png": png(disc()), "top/other.png": png(disc(30))})
    assert [patch.name for patch in load_set(path).patches] == ["disc", "other"]


@pytest.mark.parametrize(
    "name", ["../disc.png", "/disc.png", "a/../../disc.png", "c:disc.png", "..\\disc.png"]
)
def test_zip_archives_that_lead_out_are_refused(name: str, tmp_path: Path):
    with pytest.raises(InputError, match="leads out of the archive"):
        ZipFiles(archive(tmp_path / "bad.zip", **{name: png(disc())}))


def test_what_is_no_zip_is_refused(tmp_path: Path):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match="not a zip archive"):
        load_set(tmp_path / "bad.zip")


def object_array(values: list, protocol: int = 3) -> bytes:
    array = np.empty(len(values), object)
    array[:] = values
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(array))
    return buffer.getvalue() + pickle.dumps(array, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arnheims_files_are_read_without_unpickling(protocol: int, tmp_path: Path):
    values = [disc(20), disc(31)[..., :3].astype(np.float32), np.asfortranarray(disc(25))]
    data = object_array(values, protocol)
    for found, expected in zip(read_object_arrays(data, "it"), values, strict=True):
        np.testing.assert_array_equal(found, expected)
    (tmp_path / "old.npy").write_bytes(data)
    assert len(load_set(tmp_path / "old.npy").patches) == 3


class Trap:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_pickles_that_do_anything_else_are_refused(tmp_path: Path):
    target = tmp_path / "trapped"
    for content in ([Trap(target)], [{"a": 1}], ["text"], [print]):
        with pytest.raises(InputError, match=r"it\.npy"):
            read_object_arrays(object_array(content), "it.npy")
    for data in (b"", b"\x93NUMPY\x01\x00", object_array([disc()])[:-40], b"\x93NUMPY\x01\x00\xff\xff{"):
        with pytest.raises(InputError, match=r"it\.npy"):
            read_object_arrays(data, "it.npy")
    assert not target.exists()
