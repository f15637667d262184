"""Patch sets that are small files and would take gigabytes or minutes: refused at once, in one line."""

from __future__ import annotations

import io
import pickle
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from artgen.assets import limits
from artgen.assets.files import ZipFiles, decode_picture
from artgen.assets.object_arrays import read_object_arrays
from artgen.assets.sets import load_patches, load_set
from artgen.config.yaml import read_yaml
from artgen.errors import ArtgenError, InputError
from artgen.jpeg import MOST_SCANS, require_few_scans

ENOUGH_SECONDS = 5
"""Far more processor time than a refusal takes."""


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < ENOUGH_SECONDS


def npy(pickled: bytes) -> bytes:
    """An object array's file with a pickle of our own."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pickled


DTYPE = b"cnumpy\ndtype\n(\x8c\x02u1\x89\x88tR"
OBJECTS = b"cnumpy\ndtype\n(\x8c\x02O8\x89\x88tR"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"


def array(content: bytes, shape: bytes, kind: bytes = DTYPE) -> bytes:
    """Opcodes that build one array; content and shape are opcodes too."""
    return RECONSTRUCT + b"(K\x01" + shape + kind + b"\x89" + content + b"tb"


def outermost(listed: bytes) -> bytes:
    return npy(b"\x80\x04" + array(listed, b"(K\x02t", OBJECTS) + b".")


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def test_the_opcodes_of_these_tests_make_a_valid_file():
    one = array(b"C\x30" + bytes(range(48)), b"(K\x04K\x04K\x03t")
    (made,) = read_object_arrays(outermost(b"](" + one + b"e"), "a.npy")
    assert np.array_equal(made, np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


def repeated_content() -> bytes:
    """One megabyte that a thousand arrays share."""
    shape = b"(" + number(1000) + number(250) + b"K\x04t"
    first = array(b"B" + struct.pack("<I", 1_000_000) + bytes(1_000_000) + b"q\x05", shape)
    again = array(b"h\x05", shape)
    return outermost(b"](" + first + again * 900 + b"e")


def doubled_tuples() -> bytes:
    """A shape of tuples in tuples, whose text has 2^30 characters."""
    nested = b"K\x01K\x01\x86q\x01" + b"h\x01\x86q\x01" * 30
    return outermost(b"](" + array(b"C\x04abcd", nested) + b"e")


def doubled_type() -> bytes:
    """The same in the place of a number format."""
    nested = b"K\x01K\x01\x86q\x01" + b"h\x01\x86q\x01" * 30
    return outermost(b"](" + array(b"C\x04abcd", b"(K\x04t", b"cnumpy\ndtype\n(" + nested + b"tR") + b"e")


def many_marks() -> bytes:
    """A deep stack that is searched for a mark again and again."""
    return npy(b"\x80\x04" + b"N" * 400_000 + b"(t" * 400_000 + b".")


def encoded_again() -> bytes:
    """A megabyte of text, encoded a thousand times."""
    text = b"X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000 + b"q\x07"
    return npy(b"\x80\x02" + text + b"c_codecs\nencode\nh\x07\x8c\x06latin1\x86R" * 900 + b".")


def huge_shape() -> bytes:
    side = b"\x8a\x80" + b"\xff" * 127 + b"\x7f"
    return outermost(b"](" + array(b"C\x04abcd", b"(" + side * 3 + b"t") + b"e")


def endless_empty_arrays() -> bytes:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 0, 4, 4)}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def negative_shape() -> bytes:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 'a', 4, 4)}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def deep_header() -> bytes:
    header = b"{'descr': '|u1', 'shape': " + b"(" * 4000 + b"}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize(
    "make",
    [
        repeated_content,
        doubled_tuples,
        doubled_type,
        many_marks,
        encoded_again,
        huge_shape,
        endless_empty_arrays,
        negative_shape,
        deep_header,
    ],
)
def test_arrays_that_would_take_all_memory_are_refused(make, tmp_path: Path):
    path = tmp_path / "set.npy"
    path.write_bytes(make())
    with pytest.raises(InputError, match="not a file of plain numpy arrays") as caught:
        load_set(path)
    assert len(str(caught.value)) < 400


def test_what_numpy_itself_writes_is_within_the_limits(tmp_path: Path):
    arrays = np.empty(1500, object)
    for index in range(1500):
        arrays[index] = np.full((4, 4, 4), index % 200 + 1, np.uint8)
    for protocol in (2, 3, 4, 5):
        data = npy(pickle.dumps(arrays, protocol))
        assert len(read_object_arrays(data, "a.npy")) == 1500


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (side, side), (9, 9, 9, 255)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_the_pixels_of_a_set_are_limited_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "MAX_SET_PIXELS", 3 * 100 * 100)
    picture = png(100)
    assert len(load_set(zipped(tmp_path / "three.zip", {f"{i}.png": picture for i in range(3)})).patches) == 3

    four = zipped(tmp_path / "four.zip", {f"{i}.png": picture for i in range(4)})
    with pytest.raises(InputError, match="more than 30,000 pixels together"):
        load_set(four)
    assert len(load_set(four, skip_bad=True).patches) == 3

    arrays = np.full((4, 100, 100, 4), 9, np.uint8)
    np.save(tmp_path / "four.npy", arrays)
    with pytest.raises(InputError, match="more than 30,000 pixels together"):
        load_set(tmp_path / "four.npy")


def test_the_pixels_of_several_sets_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("artgen.assets.sets.MAX_SET_PIXELS", 3 * 100 * 100)
    two = zipped(tmp_path / "two.zip", {f"{i}.png": png(100) for i in range(2)})
    assert len(load_patches([str(two)])) == 2
    with pytest.raises(ArtgenError, match="name fewer sets"):
        load_patches([str(two)] * 2)


def test_the_bytes_of_an_archive_are_limited(tmp_path: Path):
    content = bytes(limits.MAX_SET_BYTES // 40)
    bomb = zipped(tmp_path / "bomb.zip", {f"{i}.txt": content for i in range(2)})
    with zipfile.ZipFile(bomb) as archive:
        entry = archive.getinfo("1.txt")
    data = bomb.read_bytes()

    # The table of contents may list one file again and again.
    start = data.rindex(b"PK\5\6")
    table = struct.unpack_from("<L", data, start + 16)[0]
    one = data[table : table + 46 + len(entry.filename)]
    listed = b"".join(one[:46] + f"{i:05d}".encode() for i in range(50))
    listed = listed.replace(one[28:30], b"\5\0")
    end = data[start : start + 8] + struct.pack("<HHLLH", 50, 50, len(listed), table, 0)
    bomb.write_bytes(data[:table] + listed + end)
    with pytest.raises(InputError, match="in all its files"):
        load_set(bomb)


def test_the_table_of_contents_of_an_archive_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "_MAX_DIRECTORY", 1000)
    path = zipped(tmp_path / "many.zip", {f"{i}.txt": b"" for i in range(50)})
    with pytest.raises(InputError, match="too many files"):
        load_set(path)


def test_the_table_of_contents_of_a_large_archive_may_be_anywhere(tmp_path: Path):
    record = b"PK\6\6" + bytes(36) + struct.pack("<Q", 2**40) + bytes(8)
    locator = b"PK\6\7" + bytes(4) + struct.pack("<QL", 0, 1)
    end = b"PK\5\6" + bytes(8) + struct.pack("<LLH", 0, 0, 0)
    (tmp_path / "set.zip").write_bytes(record + bytes(2**18) + locator + end)
    with pytest.raises(InputError, match="too many files"):
        load_set(tmp_path / "set.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_archives_of_uncommon_methods_are_refused(method: int, tmp_path: Path):
    path = zipped(tmp_path / "set.zip", {"a.png": png(8)}, method)
    with pytest.raises(InputError, match="ordinary zip"):
        load_set(path)


def test_manifests_of_very_many_values_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("artgen.config.yaml.MOST_VALUES", 1000)
    text = "title: a\npatches: [" + "a," * 1_000_000 + "]"
    with pytest.raises(InputError, match="more than 1,000 keys and values"):
        load_set(zipped(tmp_path / "set.zip", {"patchset.yaml": text.encode(), "a.png": png(8)}))
    assert len(read_yaml("[" + "a," * 999 + "]")) == 999


def progressive_jpeg(scans: int) -> bytes:
    """A JPEG whose last scan is repeated."""
    buffer = io.BytesIO()
    Image.new("L", (64, 64), 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


def test_the_scans_of_a_jpeg_are_limited(tmp_path: Path):
    from artgen.images import read_picture

    path = tmp_path / "a.jpg"
    path.write_bytes(progressive_jpeg(MOST_SCANS + 1))
    for read in (read_picture, lambda path: decode_picture(path.read_bytes(), str(path))):
        with pytest.raises(InputError, match="too many for 64 x 64 pixels"):
            read(path)

    path.write_bytes(progressive_jpeg(20))
    assert read_picture(path).shape == (1, 4, 64, 64)
    assert decode_picture(path.read_bytes(), "a.jpg").shape == (64, 64, 3)


def test_large_jpegs_may_have_fewer_scans():
    data = b"\xff\xda" * 21
    with pytest.raises(InputError, match="21 scans"):
        require_few_scans(data, (10_000, 10_000), "a.jpg")
    require_few_scans(data, (5_000, 5_000), "a.jpg")


def changed(data: bytes, random: Random) -> bytes:
    """Return a file with some bytes changed, inserted or removed."""
    content = bytearray(data)
    for _ in range(random.choice((1, 2, 8))):
        place = random.randrange(len(content))
        if random.random() < 0.5:
            content[place] ^= 1 << random.randrange(8)
        elif random.random() < 0.5:
            content[place] = random.choice(b"(t\x85\x86hqR]ae.NKJX\x8cC\x93\x94\x88\xff\0")
        else:
            content[place : place + random.randrange(9)] = content[:: random.randrange(1, 99)][:40]
    return bytes(content)


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path):
    arrays = np.empty(3, object)
    arrays[:] = [np.full((5, 6, 4), 7, np.uint8)] * 3
    files = [("a.npy", npy(pickle.dumps(arrays, protocol))) for protocol in (2, 3, 4, 5)]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = zipped(tmp_path / "a.zip", {"a.png": png(8), "patchset.yaml": b"title: a"}, method)
        files.append(("a.zip", archive.read_bytes()))

    random = Random(5)
    read = 0
    for _ in range(2000):
        name, data = random.choice(files)
        path = tmp_path / name
        path.write_bytes(changed(data, random))
        try:
            found = load_set(path, skip_bad=True).patches if name == "a.npy" else dict(ZipFiles(path))
            read += len(found) > 0
        except ArtgenError as error:
            assert len(str(error)) < 700 and "\n" not in str(error)
    assert 100 < read < 1900
