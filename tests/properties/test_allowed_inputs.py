"""Whatever a configuration names, wherever it names it, opens only if it is allowed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgen.config import RunConfig
from artgen.config.named_inputs import FILES_OF_KIND, files_of
from artgen.config.presets import merged
from artgen.config.request import NOT_WITH_TILES, PromptsField
from artgen.config.values import PaletteField
from artgen.errors import UsageError
from artgen.option_fields import OptionField, option_fields
from artgen.option_kinds import FieldKind
from artgen.options import Options
from artgen.renderers import renderers
from artgen.runs.inputs import AllowedInputs

SUFFIXES: dict[FieldKind, str] = {"palette": ".gpl", "patch sets": ".zip", "patch set grid": ".zip"}
"""Endings of files that are recognised by them; all other files end in `.png`."""

WRITTEN: dict[FieldKind, Callable[[str], Any]] = {
    "file": lambda path: path,
    "palette": lambda path: path,
    "background": lambda path: path,
    "patch sets": lambda path: f"animals, {path}",
    "patch set grid": lambda path: [["", "sky", path], [""] * 3, [""] * 3],
    "prompts": lambda path: ["a fox", f"a hen | @{path}:-0.5"],
    "prompt grid": lambda path: [["a fox", f"@{path}", ""], [""] * 3, [""] * 3],
    "guides": lambda path: ["doodle", f"local-dir={path}@0.5"],
}
"""How a value of a kind names a file."""

NAME_NO_FILE = {
    "bool", "int", "float", "choice", "text", "texts", "numbers", "region", "counts", "weights", "aspect", "size",
    "colour", "renderer",
}  # fmt: skip
NESTED = {"mapping", "section", "sections"}

NEEDED = {"tile_prompts": {"tiles": "3x3"}, "tile_patches": {"tiles": "3x3"}}
"""What other keys some keys need."""


@dataclass(frozen=True)
class Place:
    """A place in a configuration where a file may be named.

    Args:
        key: dotted.
        field: that names the file.
    """

    key: str
    field: OptionField
    renderer: str | None = None

    @property
    def suffix(self) -> str:
        return SUFFIXES.get(self.field.kind, ".png")

    def values(self, path: str) -> dict[str, Any]:
        """Return the values of a configuration that names a file at this place."""
        name = self.field.name
        own = {name: WRITTEN[self.field.kind](path)}
        if self.renderer is not None:
            return {"renderer": self.renderer, "options": own}
        return {**NEEDED.get(name, {}), **own}


def places() -> Iterator[Place]:
    """Yield every place of a configuration and of the options of all renderers, without the chain of edits."""
    for key, field in option_fields(RunConfig).items():
        if field.kind in WRITTEN:
            yield Place(key, field)
        elif field.kind == "section" and field.options is not None and key != "edited":
            inner = {each.kind for each in option_fields(field.options).values()}
            assert not inner & set(WRITTEN), f"{key} names files; build its values here"

    for renderer in renderers.names():
        for name, field in option_fields(renderers.get(renderer).Options).items():
            if field.kind in WRITTEN:
                yield Place(f"options.{name}", field, renderer)


PLACES = list(places())
LEAST = {"prompts": "a fox", "seed": 1}


def edited_from(before: dict[str, Any]) -> dict[str, Any]:
    return {"config": before, "step": 0, "steps": 0}


def test_every_kind_is_known_to_the_walk_and_to_this_test():
    assert set(FILES_OF_KIND) == set(get_args(FieldKind))
    assert set(WRITTEN) | NAME_NO_FILE | NESTED == set(get_args(FieldKind))
    assert {place.field.kind for place in PLACES} == set(WRITTEN)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.renderer or ''}-{place.key}")
def test_a_file_is_found_at_every_place(place: Place, depth: int):
    path = f"folder/named{place.suffix}"
    values = {**LEAST, **place.values(path)}
    for _ in range(depth):
        values = {**LEAST, "edited": edited_from(values)}
    config = RunConfig.make(values)
    assert path in config.local_files()
    with pytest.raises(UsageError, match=r"may not be opened: folder/named\.\w+; leave them out"):
        AllowedInputs().require(config)
    AllowedInputs(files=[path]).require(config)
    AllowedInputs(files=["folder"]).require(config)


FOLDERS = ["", "sub/", "../above/", "~/", "/absolute/", "with space/", "./", "a@b/"]


@st.composite
def chains(draw: st.DrawFn) -> tuple[dict[str, Any], set[str]]:
    """Return a chain of configurations and the files it names."""
    numbers = itertools.count()
    values: dict[str, Any] = {}
    named: set[str] = set()
    for _ in range(draw(st.integers(1, 4))):
        before = values
        values = dict(LEAST)
        chosen = draw(st.lists(st.sampled_from(PLACES), max_size=6, unique_by=lambda place: place.key))
        has_tiles = any(place.field.name in NEEDED for place in chosen)
        renderer = draw(st.sampled_from(renderers.names()))

        for place in chosen:
            if (has_tiles and place.key in NOT_WITH_TILES) or place.renderer not in (None, renderer):
                continue
            path = f"{draw(st.sampled_from(FOLDERS))}file-{next(numbers)}{place.suffix}"
            values = merged(values, place.values(path))
            named.add(path)
        if before:
            values["edited"] = edited_from(before)
    return values, named


@given(chains())
def test_exactly_the_named_files_have_to_be_allowed(chain: tuple[dict[str, Any], set[str]]):
    values, named = chain
    config = RunConfig.make(values)
    assert set(config.local_files()) == named
    assert set(config.picture_files()) <= named

    AllowedInputs(files=config.local_files()).require(config)
    for path in named:
        with pytest.raises(UsageError) as refused:
            AllowedInputs(files=named - {path}).require(config)
        assert f"may not be opened: {path}; " in str(refused.value)
    if named:
        with pytest.raises(UsageError, match="may not be opened"):
            AllowedInputs().require(config)


def _lists_or_mappings(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return lists and mappings of what is inside."""
    lists = st.lists(inner, min_size=1, max_size=2)
    mappings = st.dictionaries(st.just("key"), inner, min_size=1)
    return lists | mappings


@given(st.recursive(st.just("secret/x.png"), _lists_or_mappings))
def test_nested_options_of_unknown_renderers_are_searched(value: Any):
    config = RunConfig(prompts="a fox", renderer="unknown", options={"own": value})
    assert config.local_files() == ["secret/x.png"]
    config = RunConfig(prompts="a fox", renderer="unknown", options={"own": {"secret/y.png": 1}})
    assert config.local_files() == ["secret/y.png"]


@pytest.mark.parametrize("palette", ["pico-8", "#fff, red", "white", "/etc/passwd", "~/x", "words.txt"])
def test_a_palette_that_looks_like_a_path_is_a_file(palette: str):
    """The shipped renderers refuse it. One of another package may open it."""
    expected = [palette] if palette in ("/etc/passwd", "~/x", "words.txt") else []
    assert RunConfig(prompts="a fox", palette=palette).local_files() == expected
    assert RunConfig(prompts="a fox", options={"palette": palette}).local_files() == expected


class Turn(Options):
    """A change in the middle of a run, as a section of another version may describe it."""

    prompts: PromptsField = ()
    palette: PaletteField | None = None


class Remarked(RunConfig):
    """A configuration with a list of turns."""

    remarks: tuple[Turn, ...] = ()


def test_a_new_list_of_sections_is_searched_without_further_code():
    turns = [{"prompts": ["a hen", "@hen.png:2"]}, {"palette": "dusk.gpl"}, {"palette": "red,blue"}]
    config = Remarked.make({**LEAST, "remarks": turns})
    assert config.local_files() == ["hen.png", "dusk.gpl"]
    with pytest.raises(UsageError, match=r"hen\.png, dusk\.gpl"):
        AllowedInputs().require(config)
    assert files_of(config, without=["remarks"]) == []


# --- how paths are compared -----------------------------------------------------------


@pytest.fixture
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is allowed, beside a file that is not; the parent of both is the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "allowed"
    (folder / "inner").mkdir(parents=True)
    (folder / "picture.png").write_bytes(b"picture")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(folder / "picture.png")
    (folder / "way-out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "way-in").symlink_to(folder)
    (folder / "loop").symlink_to(folder / "loop")
    return folder


INSIDE = [
    "allowed/picture.png",
    "./allowed/inner/../picture.png",
    "allowed/link.png",
    "way-in/picture.png",
    "allowed/missing.png",
    "allowed/inner",
]
OUTSIDE = [
    "secret.png",
    "allowed/../secret.png",
    "allowed/way-out.png",
    "way-in/../secret.png",
    "allowed-not/picture.png",
    "~/secret.png",
    "~/allowed/picture.png",
    "/etc/passwd",
    "/proc/self/cwd/secret.png",
    ".",
    "a\0b",
]


@pytest.mark.parametrize("path", INSIDE)
def test_paths_in_an_allowed_folder(path: str, allowed: Path):
    for written in (path, str(allowed.parent / path)):
        assert AllowedInputs(files=[allowed]).allows(written)
        assert AllowedInputs(files=["allowed"]).allows(written)


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_outside_an_allowed_folder(path: str, allowed: Path):
    """Some code opens `~/x` in the home folder, some in a folder called `~`: both have to be allowed."""
    assert not AllowedInputs(files=[allowed]).allows(path)


def test_a_folder_with_a_link_that_leads_out(allowed: Path):
    assert not AllowedInputs(files=[allowed]).allows("allowed")
    (allowed / "way-out.png").unlink()
    (allowed / "loop").unlink()
    assert AllowedInputs(files=[allowed]).allows("allowed")


def test_an_allowed_file_is_only_that_file(allowed: Path):
    only = AllowedInputs(files=["allowed/link.png"])
    assert only.allows("allowed/picture.png") and only.allows("allowed/link.png")
    assert not only.allows("secret.png") and not only.allows("allowed")
    assert AllowedInputs(files=["~/secret.png"]).allows("~/secret.png")


def test_an_empty_text_does_not_allow_the_working_folder(allowed: Path):
    assert not AllowedInputs(files=["", " "]).allows("secret.png")
    assert AllowedInputs(files=["."]).allows("secret.png")


def test_a_folder_that_is_not_allowed_is_not_listed(allowed: Path, monkeypatch: pytest.MonkeyPatch):
    listed: list[Path] = []
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(listed.append(path) or ()))
    assert not AllowedInputs(files=["secret.png"]).allows("allowed")
    assert listed == []
    assert AllowedInputs(files=["allowed"]).allows("allowed")
    assert listed == [allowed.resolve()]


def test_a_loop_of_links_is_not_an_error_of_the_check(allowed: Path):
    """Nothing can be opened there; whether it counts as inside depends on the version of Python."""
    assert AllowedInputs(files=[allowed]).allows("allowed/loop") in (True, False)
    assert not AllowedInputs(files=["allowed/inner"]).allows("allowed/loop")


# --- guides ---------------------------------------------------------------------------


def refused(values: dict[str, Any], **allowed: Any) -> str:
    """Return why a configuration is refused, an empty text if it is not."""
    try:
        AllowedInputs(**allowed).require(RunConfig.make({**LEAST, **values}), "gift.png")
    except UsageError as error:
        return str(error)
    return ""


def test_guides_from_a_list():
    named = {"guides": ["doodle@0.5", "ViT-B-32:openai"]}
    assert not refused(named, downloads=True)
    assert not refused(named, guides=["doodle", "ViT-B-32:openai"], downloads=True)
    problem = refused(named, guides=["doodle"], downloads=True)
    assert problem == "gift.png names the guide 'ViT-B-32:openai', which is not allowed; allowed: doodle"
    assert "'ViT-B-32:openai'" in refused({"edited": edited_from({**LEAST, **named})}, guides=["doodle"])


@pytest.mark.parametrize("guide", ["ViT-B-32", "ViT-B-32:openai", "doodle:openai", "nonesuch"])
def test_a_guide_that_has_to_be_downloaded(guide: str):
    problem = refused({"guides": guide})
    assert "has to be downloaded" in problem and "doodle" in problem
    assert not refused({"guides": guide}, downloads=True)
    assert not refused({"guides": "doodle"})


def test_a_guide_from_a_file_may_need_a_tokenizer_from_a_hub(tmp_path: Path):
    weights = "weights.safetensors"
    assert not refused({"guides": f"ViT-B-32={weights}"}, files=[weights])
    assert "has to be downloaded" in refused({"guides": f"ViT-B-16-SigLIP={weights}"}, files=[weights])
    assert not refused({"guides": f"ViT-B-16-SigLIP={weights}"}, files=[weights], downloads=True)
    assert "weights.safetensors" in refused({"guides": f"ViT-B-32={weights}"}, guides=["ViT-B-32"])


def test_a_directory_of_a_guide_may_need_a_tokenizer_from_a_hub(tmp_path: Path, tiny_guide: str):
    import json

    directory = Path(tiny_guide.partition("=")[2])
    assert not refused({"guides": tiny_guide}, files=[directory])

    facts = json.loads((directory / "open_clip_config.json").read_text())
    facts["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "timm/ViT-B-16-SigLIP"
    (tmp_path / "open_clip_config.json").write_text(json.dumps(facts))
    guide = {"guides": f"local-dir={tmp_path}"}
    assert "has to be downloaded" in refused(guide, files=[tmp_path])
    assert not refused(guide, files=[tmp_path], downloads=True)
    assert "may not be opened" in refused(guide, downloads=True)
