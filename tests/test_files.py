"""Every file is opened by one guard, and every JSON text is read by one reader."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import artgen
from artgen.errors import InputError
from artgen.files import file_digest, open_file, read_file, read_text
from artgen.plain_json import DEEPEST, MOST_VALUES, read_json

PACKAGE = Path(artgen.__file__).parent

OPENERS = {
    "open", "read_text", "read_bytes", "fdopen", "open_code", "safe_open", "load_file", "ZipFile", "is_zipfile",
    "TarFile", "loads", "loadtxt", "genfromtxt", "fromfile", "memmap", "json.load", "np.load", "torch.load",
    "pickle.load", "ElementTree.parse",
}  # fmt: skip
"""Functions that open files or read JSON; without a dot, methods of this name too."""

ALLOWED = {
    "files.py": {"open", "fdopen"},  # the guard
    "plain_json.py": {"loads"},  # the reader
    "memory.py": {"read_text"},  # /proc/meminfo, which no user names
    "images.py": {"open"},  # Pillow, on bytes
    "assets/files.py": {"open", "ZipFile"},  # Pillow on bytes; an archive after the guard
    "assets/making.py": {"open"},  # Pillow, on bytes
    "export/film.py": {"open"},  # Pillow on an open file; PyAV on a buffer
    "export/metadata.py": {"open", "loads"},  # Pillow, on an open file; the configuration that is written
    "export/layers.py": {"ZipFile"},  # writes to a buffer
    "library/files.py": {"open", "fdopen", "read_bytes"},  # refuses links, and waits for nothing; see there
    "locks.py": {"open"},  # lock files in the cache, which no user names
    "runs/checkpoint.py": {"safe_open"},  # after the guard
}
"""What each file may call besides the guard and the reader, and why."""


def openers(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield what a file calls that opens files or reads JSON."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        name = function.rpartition(".")[2]

        is_ours = function == "read_text" or function in ("self._open", "self._archive.open")
        is_json_of_ours = name == "loads" and "to_json()" in ast.unparse(node)
        if (name in OPENERS or function in OPENERS) and not is_ours and not is_json_of_ours:
            yield name, node


def test_no_other_code_opens_files():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for opener, call in openers(path):
            if opener not in ALLOWED.get(name, set()):
                found.append(f"{name}:{call.lineno}: {ast.unparse(call)[:80]}")
    assert not found, "use artgen.files.open_file, read_file or read_text, and artgen.plain_json.read_json"


def test_plain_files_are_read(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert read_text(path, 100) == "café"
    assert read_file(path, 8) == path.read_bytes()
    (tmp_path / "link").symlink_to(path)
    assert file_digest(tmp_path / "link") == file_digest(path)
    with open_file(path) as file:
        assert file.read(3) == b"\xef\xbb\xbf"
    (tmp_path / "empty").touch()
    assert read_file(tmp_path / "empty", 8) == b""


@pytest.mark.timeout(10)
def test_everything_else_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(101))
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path, reason in (
        (tmp_path / "pipe", "is a pipe or a device"),
        (tmp_path / "link", "is a pipe or a device"),
        (Path("/dev/zero"), "is a pipe or a device"),
        (tmp_path / "large", "is larger than 100 bytes"),
        (tmp_path / "latin", "is not UTF-8 text"),
        (tmp_path / "missing", r"no such file\); ask me"),
        (tmp_path / ("x" * 300), "cannot be read"),
        (tmp_path / "a\0b", "cannot be read"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(InputError, match=reason):
            read_text(path, 100, "ask me")


@pytest.mark.timeout(10)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_files_without_a_size_are_empty():
    assert read_file(Path("/proc/self/stat"), 100) == b""


@pytest.mark.timeout(10)
def test_a_file_that_becomes_a_pipe_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("artgen.files.require_plain_file", lambda path: None)
    with pytest.raises(InputError, match="is a pipe or a device"):
        open_file(tmp_path / "pipe")


def test_json_is_read():
    assert read_json('{"a": [1, 2.5, null, "[[[\\"{"]}') == {"a": [1, 2.5, None, '[[["{']}
    assert read_json(b'\xef\xbb\xbf["\xc3\xa9"]') == ["é"]
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert read_json(deep)
    many_brackets = "[" + ",".join(["[{}]"] * 1000) + "]"
    assert len(read_json(many_brackets)) == 1000
    assert read_json('["' + "[" * 1000 + '"]') == ["[" * 1000]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[1" * 60 + "]" * 60, "not valid JSON"),
        ("[" * (DEEPEST + 1), "deep"),
        ("[" * 200_000, "deep"),
        ('{"a":' * 200_000, "deep"),
        ('"\\"' + "\\\\\\" * 10 + '"' + "[" * 200_000, "deep"),
        ("9" * 5000, "too long"),
        ("[" + "1," * MOST_VALUES, "more than"),
        ('["' + '\\"' * 500_000 + "[" * 101, "not valid JSON"),
        (b"\xff", "utf-8"),
    ],
)
def test_other_json_is_refused(text: str | bytes, reason: str):
    with pytest.raises(ValueError, match=reason) as caught:
        read_json(text)
    assert len(str(caught.value)) < 200
