"""Files are known again by their content, and only files and folders are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artgen.errors import UsageError
from artgen.runs.inputs import fingerprints, require_known


def known(recorded: dict[str, str], *paths: Path | str) -> bool:
    try:
        require_known(map(str, paths), recorded, Path("run"))
    except UsageError as error:
        assert "--yes" in str(error)
        return False
    return True


def test_content_decides(tmp_path: Path):
    file = tmp_path / "picture.png"
    file.write_bytes(b"one")
    recorded = fingerprints([str(file)])
    assert known(recorded, file)
    file.write_bytes(b"two")
    assert not known(recorded, file)
    assert not known({}, file)
    assert known({})


def test_folders_and_lists(tmp_path: Path):
    folder, file = tmp_path / "set", tmp_path / "b.zip"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"a")
    file.write_bytes(b"b")
    recorded = fingerprints([str(folder), str(file)])
    assert known(recorded, folder, file)
    (folder / "a.png").rename(folder / "c.png")
    assert not known(recorded, folder)
    assert known(recorded, file)
    (folder / "c.png").rename(folder / "a.png")
    assert known(recorded, folder, file)
    file.write_bytes(b"c")
    assert known(recorded, folder) and not known(recorded, file)


def test_a_comma_is_part_of_a_name(tmp_path: Path):
    one, two, decoy = tmp_path / "one", tmp_path / "two", tmp_path / "one,two"
    for path in (one, two, decoy):
        path.write_bytes(path.name.encode())
    recorded = fingerprints([str(decoy)])
    assert known(recorded, decoy)
    assert not known(recorded, one) and not known(recorded, two)


def test_nothing_is_read_without_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "picture.png"
    file.write_bytes(b"one")
    recorded = fingerprints([str(file)])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(os, "open", refuse)
    assert not known({}, file, "/proc/kmsg")
    with pytest.raises(AssertionError):
        known(recorded, file)


def test_what_comes_to_be_is_asked_for(tmp_path: Path):
    path = tmp_path / "later.png"
    recorded = fingerprints([str(path)])
    assert known(recorded, path)
    path.write_bytes(b"x")
    assert not known(recorded, path)


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "/proc/self/environ", "x" * 5000])
def test_what_is_no_file_is_never_known(name: str, tmp_path: Path):
    path = str(tmp_path / name) if name == "pipe" else name
    if name == "pipe":
        os.mkfifo(path)
    assert fingerprints([path]) == {}
    assert not known(fingerprints([path]), path)


def test_the_error_names_a_few(tmp_path: Path):
    paths = [str(tmp_path / f"{index}.png") for index in range(9)]
    with pytest.raises(UsageError, match=r"0\.png, .* and 4 more"):
        require_known(paths, {}, tmp_path)
