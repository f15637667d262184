"""Names and texts from a stranger's files do not reach the terminal as they are."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import unicodedata
import warnings
import zipfile
from pathlib import Path

import pytest

from artgen.cli.messages import PrintableFormatter, set_up_log

STEERING = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202egnp\u2066"
ORDINARY = "café 猫"
BIDI = re.compile("[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
ARTGEN = [sys.executable, "-m", "artgen"]
SMALL = [
    "--canvas",
    "16x16",
    "--size",
    "16x16",
    "--cells",
    4,
    "--timelapse",
    "none",
    "--steps",
    1,
    "--seed",
    1,
]


def steering(text: str) -> set[str]:
    """Return the characters of a text that would steer a terminal."""
    controls = {each for each in text if unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t"}
    return controls | set(BIDI.findall(text))


def require_clean(answer, *, ordinary: bool = True) -> None:
    """Check that nothing in the answer steers the terminal, and that ordinary text is still readable."""
    said = answer.out + answer.err
    assert not steering(said), repr(said)
    assert "\\u202e" in said, said
    assert not ordinary or ORDINARY in said, said


@pytest.mark.parametrize("command", ["resume", "export", "edit", "promote"])
def test_names_of_folders(command: str, artgen):
    folder = Path(f"{ORDINARY} {STEERING}")
    folder.mkdir()
    answer = artgen(command, folder, *([1] if command == "promote" else []))
    assert (answer.status, bool(answer.error_line())) == (2, True)
    require_clean(answer)
    require_clean(artgen(command, folder, *([1, "--json"] if command == "promote" else ["--json"])))


def test_a_file_name_that_is_not_utf_8(artgen):
    answer = artgen("resume", "caf\udce9 \u202e")
    assert (answer.status, "\\udce9" in answer.err) == (2, True)
    require_clean(answer, ordinary=False)


def test_a_run_in_a_folder_with_such_a_name(artgen, photograph: Path):
    folder = f"{ORDINARY} {STEERING}"
    answer = artgen("paint", "--target", photograph, *SMALL, "--out", folder)
    assert answer.status == 0, answer.err
    require_clean(answer)
    exported = artgen("export", folder)
    assert exported.status == 0
    require_clean(exported)
    as_json = artgen("resume", folder, "--json")
    assert json.loads(as_json.out)["folder"] == folder
    require_clean(as_json)


def test_the_jobs_of_a_batch(artgen, tmp_path: Path):
    text = f"{ORDINARY} {STEERING}"
    jobs = [{"number": 1, "text": text, "config": None, "error": f"wrong: {text}"}]
    (tmp_path / "jobs.json").write_text(json.dumps({"format": 1, "jobs": jobs, "inputs": {}}))
    for options in ([], ["--quiet"], ["--json"]):
        answer = artgen("resume", tmp_path, *options)
        assert answer.status == 1
        require_clean(answer)


def test_lines_of_prompts(artgen, photograph: Path, tmp_path: Path):
    lines = tmp_path / "prompts.txt"
    lines.write_text(f"{ORDINARY} {STEERING} --steps none\n", encoding="utf-8")
    for options in ([], ["--quiet"], ["--json"]):
        answer = artgen("paint", "--target", photograph, *SMALL, "--prompts", lines, *options)
        assert answer.status != 0
        assert not steering(answer.out + answer.err)
        if "--quiet" not in options:
            require_clean(answer)


def test_names_in_an_archive(artgen, small_sets: Path, tmp_path: Path):
    archive = tmp_path / "set.zip"
    good = next((small_sets / "one").iterdir())
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"{ORDINARY} {STEERING}.png", b"no picture")
        file.write(good, f"{ORDINARY} {STEERING} good.png")
    checked = artgen("assets", "check", archive)
    assert checked.status == 2
    require_clean(checked)
    require_clean(artgen("assets", "check", archive, "--json"))
    shown = artgen("assets", "show", archive, "--skip-bad")
    assert shown.status == 0, shown.err
    require_clean(shown)


def test_log_messages():
    record = logging.LogRecord("artgen", logging.WARNING, "x.py", 1, "left out: %s", (STEERING,), None)
    assert not steering(PrintableFormatter().format(record))


def test_warnings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    try:
        set_up_log()
        warnings.warn_explicit(STEERING, UserWarning, f"{STEERING}.py", 1)
    finally:
        logging.captureWarnings(False)
    said = capsys.readouterr().err
    assert "\\u202e" in said
    assert not steering(said)


def test_a_fault(artgen, monkeypatch: pytest.MonkeyPatch):
    def fails() -> None:
        raise ZeroDivisionError(STEERING)

    monkeypatch.setattr("artgen.config.presets.describe_presets", fails)
    answer = artgen("presets")
    assert answer.status == 1
    assert answer.err.startswith("Traceback")
    assert answer.err.rstrip().splitlines()[-1].startswith("error: a fault of artgen (ZeroDivisionError)")
    require_clean(answer, ordinary=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["presets", "--json"], ["presets"], ["--version"]])
def test_an_output_that_is_full(words: list[str]):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*ARTGEN, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: No space left on device")
    assert len(ended.stderr.splitlines()) == 1


def test_a_locale_without_letters():
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
    words = [*ARTGEN, "assets", "show", "forêt".encode()]
    ended = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert ended.returncode == 2
    assert "forêt" in ended.stderr.decode()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_labels_and_names_of_a_guide(
    options: list[str], artgen, tiny_guide: str, photograph: Path, tmp_path: Path
):
    labels = f"{ORDINARY} {STEERING}, a fox"
    classified = artgen("classify", photograph, "--labels", labels, "--guide", tiny_guide, *options)
    assert classified.status == 0, classified.err
    require_clean(classified)

    guide = tmp_path / "guide"
    shutil.copytree(tiny_guide.removeprefix("local-dir="), guide)
    (guide / "names.json").write_text(json.dumps([f"{ORDINARY} {STEERING}", "fox", "dog"]))
    scored = artgen("score", photograph, "a fox", "--guide", f"local-dir={guide}", *options)
    assert scored.status == 0, scored.err
    require_clean(scored)


def test_what_is_written_wrong(artgen):
    for words in (
        ["paint", f"--steps={STEERING}"],
        ["paint", "a fox", f"--{STEERING}"],
        ["guides", STEERING],
    ):
        answer = artgen(*words)
        assert answer.status == 2
        assert not steering(answer.err + answer.out)


def test_only_one_module_writes_to_the_terminal():
    import artgen

    package = Path(artgen.__file__).parent
    writes = re.compile(r"\b(typer|click)\.(s?echo)\(|(?<![\w.])print\(|sys\.std(out|err)\.write|\.print\(")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if writes.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"cli/messages.py"}
