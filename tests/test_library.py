"""The library of runs: cards, states, parents, the index, and folders that come from anyone."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from artgen import locks
from artgen.config import EditOptions, RunConfig
from artgen.errors import RunError
from artgen.library import RunCard, is_running, runs, runs_in, runs_root, select
from artgen.library import listing as listing_module
from artgen.library.lineage import MOST_ANCESTORS, ancestors, run_identity
from artgen.locks import claimed
from artgen.runs.edit import edit
from artgen.runs.folder import make_folder
from artgen.runs.paint import paint, painting

SMALL = {
    "canvas": "16x16",
    "size": "16x16",
    "steps": 2,
    "timelapse": {"kind": "none"},
    "snapshots": {"checkpoint_seconds": 0},
}


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no folder for new runs from the environment."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("ARTGEN_RUNS", raising=False)
    return cache


def write_run(folder: Path, *, reason: str = "done", drop: str = "", report: bool = True, **changes) -> Path:
    """Write the files of a run that the library reads.

    Args:
        folder: of the run.
        reason: why it ended.
        drop: key of run.json to leave out.
        report: whether to write run.json.
        changes: to the configuration.
    """
    config = RunConfig.make({"prompts": ["a blue rabbit"], "seed": 1, "steps": 10, **changes})
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.to_yaml())
    if report:
        content = {
            "reason": reason,
            "step": 10,
            "losses": [0.25, None],
            "begun": "2026-01-02T03:04:05+00:00",
            "ended": "2026-01-02T04:04:05+01:00",
            "config": json.loads(config.to_json()),
        }
        content.pop(drop, None)
        (folder / "run.json").write_text(json.dumps(content))
    return folder


def only(folder: Path) -> RunCard:
    """Return the only run in a folder."""
    (card,) = runs(folder)
    return card


def index_file(cache: Path) -> Path:
    (path,) = (cache / "artgen" / "library").iterdir()
    return path


# --- a run of artgen itself ----------------------------------------------------------------


def test_a_painted_run_is_listed_with_what_its_report_says(tmp_path: Path, photograph: Path):
    before = datetime.now(UTC) - timedelta(seconds=1)
    config = RunConfig.make({**SMALL, "target": str(photograph), "seed": 7, "population": 2})
    result = paint(config, tmp_path / "runs" / "one")
    card = only(tmp_path / "runs")

    assert (card.folder, card.picture, card.film) == (result.folder, result.picture, None)
    assert (card.state, card.reason, card.seed, card.renderer) == ("done", "done", 7, "pixel")
    assert (card.step, card.steps, card.prompts, card.prompt) == (2, 2, (), "target")
    assert card.losses == tuple(result.losses) and card.loss == result.loss
    assert card.begun is not None and card.ended is not None
    assert before < card.begun <= card.ended < datetime.now(UTC) + timedelta(seconds=1)


def test_a_resumed_run_keeps_its_beginning(tmp_path: Path, photograph: Path):
    stream = painting(RunConfig.make({**SMALL, "target": str(photograph), "seed": 7}), tmp_path / "one")
    for event in stream:
        if getattr(event, "step", 0) == 1:
            stream.stop()
    assert stream.result.reason == "stopped"
    stopped = only(tmp_path)
    assert (stopped.state, stopped.step, stopped.steps) == ("stopped", 1, 2)

    long_ago = datetime(2020, 5, 6, tzinfo=UTC)
    os.utime(tmp_path / "one" / "config.yaml", (long_ago.timestamp(),) * 2)
    from artgen import resume

    resume(tmp_path / "one")
    report = json.loads((tmp_path / "one" / "run.json").read_text())
    assert (report["begun"], report["steps"]) == ("2020-05-06T00:00:00.000+00:00", 2)
    assert datetime.fromisoformat(report["ended"]).year >= 2024
    assert only(tmp_path).begun == long_ago


def test_edits_are_children_of_the_run_they_began_with(tmp_path: Path, photograph: Path):
    values = {**SMALL, "target": str(photograph), "seed": 7, "renderer": "strokes", "options": {"strokes": 3}}
    paint(RunConfig.make(values), tmp_path / "first")
    edit(tmp_path / "first", delete=[0], steps=1, out=tmp_path / "second")
    edit(tmp_path / "second", delete=[1], steps=1, out=tmp_path / "third")
    edit(tmp_path / "first", lock=[0], steps=1, out=tmp_path / "other")

    cards = {card.folder.name: card for card in runs(tmp_path)}
    folders = {name: tmp_path / name for name in cards}
    assert cards["first"].parents == ()
    assert set(cards["first"].children) == {folders["second"], folders["other"]}
    assert cards["second"].parents == (folders["first"],)
    assert cards["third"].parents == (folders["second"],)
    assert cards["third"].children == ()

    report = json.loads((folders["third"] / "run.json").read_text())
    assert report["ancestors"] == [cards["second"].identity, cards["first"].identity]
    assert str(photograph) not in json.dumps([report["identity"], report["ancestors"]])


def test_a_run_that_is_being_painted_is_running(tmp_path: Path, photograph: Path):
    stream = painting(RunConfig.make({**SMALL, "target": str(photograph), "seed": 7}), tmp_path / "one")
    seen = []
    for event in stream:
        card = only(tmp_path)
        seen.append((card.state, is_running(card.folder), card.steps))
        del event
    assert set(seen[:-1]) == {("running", True, 2)}
    assert (only(tmp_path).state, is_running(tmp_path / "one")) == ("done", False)


# --- the lock ------------------------------------------------------------------------------


def hold(folder: Path, ready, release) -> None:
    """Lock a folder in another process until it is told to end."""
    with claimed(folder):
        ready.set()
        release.wait(60)


def test_a_lock_of_another_process_is_seen_and_not_taken_away(tmp_path: Path):
    folder = write_run(tmp_path / "one", report=False)
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(folder, ready, release))
    assert not is_running(folder) and only(tmp_path).state == "interrupted"
    process.start()
    try:
        assert ready.wait(60)
        assert is_running(folder) and is_running(folder) and only(tmp_path).state == "running"
        with pytest.raises(RunError, match="another run is writing"), claimed(folder):
            pass
    finally:
        release.set()
        process.join()
    assert not is_running(folder) and only(tmp_path).state == "interrupted"


def test_queries_never_make_a_run_fail(tmp_path: Path):
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            is_running(tmp_path)

    with claimed(tmp_path):
        pass  # the lock file exists
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            with claimed(tmp_path):
                assert is_running(tmp_path)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_query_creates_nothing(tmp_path: Path, fresh_cache: Path):
    assert not is_running(tmp_path) and not is_running(tmp_path / "missing")
    assert list(fresh_cache.rglob("*")) == [] and list(tmp_path.iterdir()) == []


def test_a_lock_is_seen_without_shared_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with claimed(tmp_path):
        monkeypatch.setattr(locks, "fcntl", None)
        assert is_running(tmp_path)
    assert not is_running(tmp_path)


# --- states and facts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "state"),
    [("done", "done"), ("plateau", "done"), ("stopped", "stopped"), ("failed", "stopped")],
)
def test_state_of_a_run_with_a_report(reason: str, state: str, tmp_path: Path):
    write_run(tmp_path / "one", reason=reason)
    card = only(tmp_path)
    assert (card.state, card.reason, card.loss, card.losses) == (state, reason, 0.25, (0.25, None))
    assert (card.begun, card.ended) == (
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_a_stopped_run_that_continues_is_running(tmp_path: Path):
    folder = write_run(tmp_path / "one", reason="stopped")
    (folder / "metrics.jsonl").write_text('{"step": 3}\n{"step": 4}\n')
    with claimed(folder):
        card = only(tmp_path)
        assert (card.state, card.reason, card.step, card.steps) == ("running", None, 4, 10)
    assert only(tmp_path).state == "stopped"


def test_an_interrupted_run(tmp_path: Path):
    folder = write_run(tmp_path / "one", report=False, seed=5, renderer="strokes")
    card = only(tmp_path)
    assert (card.state, card.step, card.reason, card.ended) == ("interrupted", None, None, None)
    assert (card.seed, card.renderer, card.prompt, card.steps) == (5, "strokes", "a blue rabbit", 10)
    assert card.begun == datetime.fromtimestamp((folder / "config.yaml").stat().st_mtime_ns / 1e9, UTC)

    for content in ("", "{", '{"step": "x"}\n', "[" * 100_000 + "\n"):
        (folder / "metrics.jsonl").write_text(content)
        assert only(tmp_path).step is None
    (folder / "metrics.jsonl").write_text('{"step": 5}\n{"step": 6, "losses": [1]}\n{"st')
    assert only(tmp_path).step == 6


def test_a_run_limited_by_time_has_no_number_of_steps(tmp_path: Path):
    write_run(tmp_path / "one", report=False, seconds=3)
    assert only(tmp_path).steps is None


@pytest.mark.parametrize("report", [True, False])
def test_prompts_and_steps_of_tiles(report: bool, tmp_path: Path):
    cells = [["sun", "clouds"], ["", "grass"]]
    write_run(tmp_path / "a", report=report, tile_prompts=cells, prompts=["land"], renderer="collage")
    assert (only(tmp_path).prompts, only(tmp_path).steps) == (("land", "sun", "clouds", "grass"), 40)

    write_run(tmp_path / "b" / "c", report=report, tiles="3x2", renderer="collage")
    assert only(tmp_path / "b").steps == 60


def test_composition_counts_as_prompts(tmp_path: Path):
    write_run(tmp_path / "one", prompts=[], composition="a ; b ; / ; ; / ; ; c")
    assert (only(tmp_path).prompts, only(tmp_path).prompt) == (("a", "b", "c"), "a")


def test_picture_and_film(tmp_path: Path):
    folder = write_run(tmp_path / "one")
    (folder / "image.png").touch()
    (folder / "timelapse.gif").touch()
    assert (only(tmp_path).picture, only(tmp_path).film) == (folder / "image.png", folder / "timelapse.gif")
    (folder / "timelapse.mp4").touch()
    assert only(tmp_path).film == folder / "timelapse.mp4"


def test_links_do_not_count_as_pictures(tmp_path: Path):
    folder = write_run(tmp_path / "runs" / "one")
    (tmp_path / "secret.png").touch()
    (folder / "image.png").symlink_to(tmp_path / "secret.png")
    (folder / "timelapse.mp4").mkdir()
    assert (only(tmp_path / "runs").picture, only(tmp_path / "runs").film) == (None, None)


def test_reports_of_earlier_versions_have_dates_and_identities(tmp_path: Path):
    folder = write_run(tmp_path / "one")
    report = json.loads((folder / "run.json").read_text())
    del report["begun"], report["ended"]
    (folder / "run.json").write_text(json.dumps(report))
    os.utime(folder / "config.yaml", (1_000_000_000, 1_000_000_000))
    os.utime(folder / "run.json", (1_000_000_060, 1_000_000_060))
    card = only(tmp_path)
    assert card.begun is not None and card.ended is not None
    assert (card.begun.timestamp(), card.ended.timestamp()) == (1_000_000_000, 1_000_000_060)
    assert card.identity == run_identity(report["config"])


# --- which folders are searched ------------------------------------------------------------


def test_runs_of_batches_are_listed_and_nothing_below_them(tmp_path: Path):
    expected = {write_run(tmp_path / "plain"), write_run(tmp_path / "batch" / "001-a-1")}
    expected.add(write_run(tmp_path / "batch" / "002-a-2"))
    (tmp_path / "batch" / "jobs.json").write_text("{}")
    write_run(tmp_path / "very" / "deep" / "down")
    write_run(tmp_path / "plain" / "tiles" / "inside")
    write_run(tmp_path / ".hidden")
    (tmp_path / "notes.txt").touch()
    assert {card.folder for card in runs(tmp_path)} == expected
    assert {card.folder.name for card in runs(tmp_path / "batch")} == {"001-a-1", "002-a-2"}
    assert only(tmp_path / "plain").folder == tmp_path / "plain"


def test_links_to_folders_are_not_followed(tmp_path: Path):
    folder = write_run(tmp_path / "runs" / "one")
    write_run(tmp_path / "elsewhere")
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "itself").symlink_to(tmp_path / "runs" / "itself")
    (tmp_path / "runs" / "out").symlink_to(tmp_path / "elsewhere")
    assert only(tmp_path / "runs").folder == folder


def test_no_folder_has_no_runs(tmp_path: Path):
    (tmp_path / "file").touch()
    assert runs(tmp_path) == runs(tmp_path / "missing") == runs(tmp_path / "file") == []


def test_the_newest_come_first(tmp_path: Path):
    for day in (3, 1, 2):
        folder = write_run(tmp_path / f"run-{day}", report=False)
        os.utime(folder / "config.yaml", (day * 86400, day * 86400))
    assert [card.folder.name for card in runs(tmp_path)] == ["run-3", "run-2", "run-1"]


# --- damage --------------------------------------------------------------------------------


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def large_and_real(path: Path) -> None:
    path.write_text('{"reason": "' + "x" * (1 << 23) + '"}')


DAMAGE = {
    "1 GB": huge,
    "8 MB": large_and_real,
    "deep lists": lambda path: path.write_text("[" * 200_000 + "]" * 200_000),
    "deep objects": lambda path: path.write_text('{"a":' * 200_000 + "1" + "}" * 200_000),
    "fairly deep": lambda path: path.write_text('{"config":' + '{"a":' * 900 + "1" + "}" * 901),
    "pipe": lambda path: os.mkfifo(path),
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to(path.with_name("missing")),
    "link": lambda path: path.symlink_to(path.with_name("config.yaml")),
    "not UTF-8": lambda path: path.write_bytes(b'{"reason": "\xff\xfe"}'),
    "empty": lambda path: path.touch(),
    "list": lambda path: path.write_text("[]"),
    "number": lambda path: path.write_text("9" * 100_000),
    "not JSON": lambda path: path.write_text("reason: done"),
    "unreadable": lambda path: (path.touch(), path.chmod(0)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_report_is_listed_within_bounded_time(name: str, tmp_path: Path):
    if name == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    whole = write_run(tmp_path / "whole")
    folder = write_run(tmp_path / "one", report=False)
    DAMAGE[name](folder / "run.json")
    begun = time.monotonic()
    cards = {card.folder: card for card in runs(tmp_path)}
    assert time.monotonic() - begun < 2
    assert (cards[folder].state, cards[whole].state) == ("damaged", "done")
    assert "run.json" in str(cards[folder].damage) and "\n" not in str(cards[folder].damage)
    assert {card.folder: card for card in runs(tmp_path)} == cards  # from the index


KEYS = ["reason", "step", "losses", "config"]
WRONG = [None, True, -1, 1e300, 10**30, "x", "\ud800", [], [[]], {}, {"a": 1}, [True], ["x"], 10**400]


@pytest.mark.parametrize("key", [*KEYS, "begun", "ended", "identity", "ancestors"])
def test_a_report_with_a_missing_key_or_a_wrong_type(key: str, tmp_path: Path):
    folder = write_run(tmp_path / "one")
    report = json.loads((folder / "run.json").read_text())
    report |= {"identity": "0" * 32, "ancestors": ["1" * 32]}
    for value in WRONG:
        (folder / "run.json").write_text(json.dumps({**report, key: value}))
        card = only(tmp_path)
        assert card.state in ("damaged", "done")
        if card.state == "done":
            assert isinstance(card.step, int) and not isinstance(card.step, bool)
            assert all(loss is None or isinstance(loss, float) for loss in card.losses)
            assert all(isinstance(each, str) for each in card.ancestors)
            assert card.begun is not None and card.begun.tzinfo is not None
    if key in KEYS:
        (folder / "run.json").write_text(json.dumps({k: v for k, v in report.items() if k != key}))
        assert only(tmp_path).state == "damaged"


@pytest.mark.parametrize(
    "key", ["prompts", "seed", "renderer", "steps", "tiles", "tile_prompts", "composition", "edited"]
)
def test_a_configuration_with_a_wrong_type(key: str, tmp_path: Path):
    folder = write_run(tmp_path / "one")
    report = json.loads((folder / "run.json").read_text())
    for value in WRONG:
        report["config"][key] = value
        (folder / "run.json").write_text(json.dumps(report))
        card = only(tmp_path)
        assert card.state in ("damaged", "done")
        assert all(isinstance(each, str) for each in card.prompts)
        assert card.steps is None or isinstance(card.steps, int)
    for missing in ("seed", "renderer"):
        del report["config"][missing]
        (folder / "run.json").write_text(json.dumps(report))
        assert only(tmp_path).state == "damaged"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"a: &a 1\nb: *a",
        b"!!python/object:os.system {}",
        b"[" * 100_000,
        b"a: 1",
        b"1: 2",
        b"- x\n" * (1 << 18),
    ],
)
def test_a_damaged_configuration_of_a_run_without_a_report(content: bytes, tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.yaml").write_bytes(content)
    card = only(tmp_path)
    assert (card.state, card.damage is not None, card.begun is not None) == ("damaged", True, True)


def test_a_checkpoint_alone_is_a_damaged_run(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "checkpoint.safetensors").touch()
    assert (only(tmp_path).state, only(tmp_path).begun) == ("damaged", None)


def test_times_outside_the_calendar(tmp_path: Path):
    folder = write_run(tmp_path / "one", report=False)
    os.utime(folder / "config.yaml", ns=(2**62, 2**62))
    assert only(tmp_path).state == "interrupted"
    report = json.loads((write_run(tmp_path / "two") / "run.json").read_text())
    for text in ("0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"):
        (tmp_path / "two" / "run.json").write_text(json.dumps({**report, "begun": text}))
        assert only(tmp_path / "two").state == "damaged"


# --- parents -------------------------------------------------------------------------------


def test_the_identity_depends_on_every_value_and_not_on_the_order():
    config = json.loads(RunConfig.make({"prompts": "a", "seed": 1}).to_json())
    backwards = dict(reversed(list(config.items())))
    assert run_identity(config) == run_identity(backwards)
    assert len({run_identity(config), run_identity({**config, "seed": 2}), run_identity({})}) == 3


def test_the_chain_of_edits_is_bounded():
    config: dict = {"seed": 0}
    for number in range(200):
        config = {"seed": number, "edited": {"config": config}}
    assert len(ancestors(config)) == MOST_ANCESTORS
    assert ancestors({"edited": {"config": 1}}) == ancestors({"edited": 1}) == ancestors({}) == ()


def edited_from(config: RunConfig, **changes) -> dict:
    """Return the values of the configuration of an edit of a run."""
    options = EditOptions(config=config, step=3, steps=1)
    return {"edited": json.loads(options.model_dump_json()), **changes}


def test_without_the_parent_the_run_before_it_is_the_nearest(tmp_path: Path):
    first = RunConfig.make({"prompts": ["a blue rabbit"], "seed": 1, "steps": 10})
    second = RunConfig.make({"prompts": ["a blue rabbit"], "seed": 2, "steps": 10, **edited_from(first)})
    folder = write_run(tmp_path / "first")
    write_run(tmp_path / "third", seed=3, **edited_from(second))
    assert {card.folder.name: card.parents for card in runs(tmp_path)} == {"first": (), "third": (folder,)}


def test_of_equal_runs_the_latest_before_the_edit_is_the_parent(tmp_path: Path):
    config = RunConfig.make({"prompts": ["a blue rabbit"], "seed": 1, "steps": 10})
    for number in (1, 2, 4):
        folder = write_run(tmp_path / f"run-{number}", report=False)
        os.utime(folder / "config.yaml", (number, number))
    child = write_run(tmp_path / "child", report=False, **edited_from(config))
    os.utime(child / "config.yaml", (3, 3))
    cards = {card.folder.name: card for card in runs(tmp_path)}
    assert cards["child"].parents == (tmp_path / "run-2",)
    assert [card.folder.name for card in cards.values() if card.children] == ["run-2"]


# --- the index -----------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the folders whose files are read."""
    names: list[str] = []
    original = listing_module.read_facts

    def note(folder: Path, *stamps):
        names.append(folder.name)
        return original(folder, *stamps)

    monkeypatch.setattr(listing_module, "read_facts", note)
    yield names


def test_only_changed_runs_are_read_again(tmp_path: Path, read: list[str]):
    for name in ("a", "b", "c"):
        write_run(tmp_path / name)
    first = runs(tmp_path)
    assert sorted(read) == ["a", "b", "c"]
    read.clear()
    assert runs(tmp_path) == first and read == []

    write_run(tmp_path / "d")
    (tmp_path / "a" / "run.json").unlink()
    states = {card.folder.name: card.state for card in runs(tmp_path)}
    assert states == {"a": "interrupted", "b": "done", "c": "done", "d": "done"}
    assert sorted(read) == ["a", "d"]


def test_a_replaced_report_is_noticed_even_with_the_same_time_and_size(tmp_path: Path):
    folder = write_run(tmp_path / "one")
    assert only(tmp_path).seed == 1
    status = (folder / "run.json").stat()
    text = (folder / "run.json").read_text().replace('"seed": 1,', '"seed": 2,')
    (folder / "new.json").write_text(text)
    os.utime(folder / "new.json", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "new.json").replace(folder / "run.json")
    assert (folder / "run.json").stat().st_size == status.st_size
    assert only(tmp_path).seed == 2


def test_runs_that_are_gone_leave_the_index(tmp_path: Path, fresh_cache: Path):
    write_run(tmp_path / "a")
    folder = write_run(tmp_path / "b")
    runs(tmp_path)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert only(tmp_path).folder.name == "a"
    assert list(json.loads(index_file(fresh_cache).read_text())["runs"]) == ["a"]


def test_a_damaged_or_foreign_index_is_rebuilt(tmp_path: Path, fresh_cache: Path, read: list[str]):
    write_run(tmp_path / "a")
    expected = runs(tmp_path)
    path = index_file(fresh_cache)
    good = path.read_text()
    entry = json.loads(good)["runs"]["a"]
    stamps = {"stamps": entry["stamps"]}

    broken = [
        "",
        "[]",
        "[" * 200_000,
        good[:-20],
        json.dumps({**json.loads(good), "format": 2}),
        json.dumps({**json.loads(good), "root": "/elsewhere"}),
        json.dumps({**json.loads(good), "runs": []}),
        json.dumps({**json.loads(good), "runs": {"a": 1}}),
        json.dumps({**json.loads(good), "runs": {"a": {**stamps}}}),
        json.dumps({**json.loads(good), "runs": {"a": {**entry, "seed": "x"}}}),
        json.dumps({**json.loads(good), "runs": {"a": {**entry, "prompts": [1]}}}),
        json.dumps({**json.loads(good), "runs": {"a": {**entry, "begun": "x"}}}),
        json.dumps({**json.loads(good), "runs": {"a": {**entry, "stamps": [None]}}}),
    ]
    for content in broken:
        path.write_text(content)
        read.clear()
        assert runs(tmp_path) == expected
        assert read == ["a"], content[:80]
        assert path.read_text() == good

    path.unlink()
    os.mkfifo(path)
    assert runs(tmp_path) == expected


def test_each_folder_has_an_index_of_its_own(tmp_path: Path, fresh_cache: Path):
    write_run(tmp_path / "x" / "a")
    write_run(tmp_path / "y" / "a", seed=2)
    assert (only(tmp_path / "x").seed, only(tmp_path / "y").seed) == (1, 2)
    assert len(list((fresh_cache / "artgen" / "library").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, fresh_cache: Path):
    write_run(tmp_path / "a")
    (fresh_cache / "artgen").write_text("a file is in the way")
    assert only(tmp_path).state == "done"


def test_names_that_are_not_utf_8(tmp_path: Path, read: list[str]):
    strange = os.fsdecode(b"caf\xe9")
    write_run(tmp_path / strange)
    assert only(tmp_path).folder.name == only(tmp_path).folder.name == strange
    assert read == [strange]


# --- selection -----------------------------------------------------------------------------


def test_selection():
    now = datetime(2026, 1, 10, tzinfo=UTC)
    card = RunCard(
        folder=Path("runs/Boat-7"), state="done", prompts=("A Blue Rabbit", "grass"), renderer="pixel"
    )
    new, old = replace(card, begun=now), replace(card, begun=now - timedelta(days=9), state="stopped")
    cards = [new, old, replace(card, renderer="strokes")]

    assert select(cards) == cards and select(cards, limit=2) == cards[:2]
    assert select(cards, search="GRASS blue boat") == cards and select(cards, search="blue fox") == []
    assert select(cards, renderer="strokes") == cards[2:] and select(cards, state="stopped") == [old]
    assert select(cards, since=now) == [new] and select(cards, since=now - timedelta(days=9)) == [new, old]
    assert select(cards, state="done", renderer="pixel", limit=1) == [new]


# --- the folder for new runs ---------------------------------------------------------------


def test_the_folder_for_new_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert runs_root() == Path("runs")
    monkeypatch.setenv("ARTGEN_RUNS", "")
    assert runs_root() == Path("runs")
    monkeypatch.setenv("ARTGEN_RUNS", "from-environment")
    assert make_folder(None, "a", 1, force=False).parent == Path("from-environment")

    with runs_in(tmp_path / "chosen"):
        assert make_folder(None, "a", 1, force=False).parent == tmp_path / "chosen"
        assert make_folder(tmp_path / "own", "a", 1, force=False) == tmp_path / "own"
        with runs_in(None):
            assert runs_root() == tmp_path / "chosen"
    assert runs_root() == Path("from-environment")


def test_the_default_folder_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_run(tmp_path / "pictures" / "one")
    monkeypatch.setenv("ARTGEN_RUNS", str(tmp_path / "pictures"))
    assert [card.folder.name for card in runs()] == ["one"]


def test_the_library_needs_neither_torch_nor_pydantic(tmp_path: Path):
    write_run(tmp_path / "one")
    code = (
        "import sys; from pathlib import Path; from artgen.library import runs; "
        f"assert len(runs(Path({str(tmp_path)!r}))) == 1; "
        "print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
