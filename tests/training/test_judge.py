"""The judge and the record: evidence adds up as told, colours are measured, nothing done is done again."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from safetensors.torch import load_file  # noqa: E402

from training import captions, common, judge, judge_scenes, prompts, scenes, smoke, subject, wording  # noqa: E402
from training.names import COLOURS  # noqa: E402

ROOT = Path(__file__).parents[2]


def step(name: str, work: Path, *more: str) -> subprocess.CompletedProcess:
    """Run one step of the recipe in its own process."""
    command = [sys.executable, "-m", f"training.{name}", "--work", str(work), "--smoke", *more]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Path:
    """A folder with shapes, a fitted judge, and a record of two prompts by the bundled guide."""
    work = common.Work(tmp_path_factory.mktemp("judge"))
    smoke.make_icons(work)
    listed = ("--prompts", smoke.make_prompts(work))
    step("judge", work.root, "--scenes", "200", "--steps", "60", *listed)
    step("record", work.root, "--limit", "2", *listed)
    return work.root


@pytest.fixture(scope="module")
def vocabulary(judged: Path) -> captions.Vocabulary:
    return captions.Vocabulary(json.loads(common.Work(judged).catalogue.read_text()))


def certain(vocabulary: captions.Vocabulary, views: dict[int, tuple[str, str]], kind: str) -> judge.Seen:
    """Return what a judge sees who is sure of (name, colour) in some views, and knows nothing of the others."""
    names = torch.zeros(1, 5, len(vocabulary.names))
    colours, kinds = torch.zeros(1, 5, len(COLOURS)), torch.zeros(1, 5)
    for view, (name, colour) in views.items():
        names[0, view, vocabulary.names.index(name)] = 20
        colours[0, view, COLOURS.index(colour)] = 20
    kinds[0, judge_scenes.KINDS.index(kind)] = 20
    return judge.Seen(names.log_softmax(2), colours.log_softmax(2), kinds.log_softmax(1))


def prompt(text: str, *things: tuple, **more) -> prompts.Prompt:
    return prompts.Prompt(text, tuple(prompts.Told(*thing) for thing in things), **more)


ASKED = [
    prompt("a red circle", ("circle", "red")),
    prompt("a blue circle", ("circle", "blue")),
    prompt("a square", ("square",)),
    prompt("two red circles", ("circle", "red"), number=2),
    prompt("a red circle and a blue square", ("circle", "red"), ("square", "blue")),
    prompt("a blue circle and a red square", ("circle", "blue"), ("square", "red")),
    prompt("a circle above a square", ("circle",), ("square",), relation="above"),
    prompt("a circle below a square", ("circle",), ("square",), relation="below"),
]
LEFT, RIGHT, UPPER, LOWER = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("views", "kind", "best"),
    [
        ({0: ("circle", "red")}, "one", "a red circle"),
        ({0: ("circle", "blue")}, "one", "a blue circle"),
        ({0: ("square", "green")}, "one", "a square"),
        ({0: ("circle", "red")}, "two", "two red circles"),
        ({LEFT: ("square", "blue"), RIGHT: ("circle", "red")}, "pair", "a red circle and a blue square"),
        ({UPPER: ("circle", "blue"), LOWER: ("square", "red")}, "pair", "a blue circle and a red square"),
    ],
)
def test_what_is_seen_decides(vocabulary, views, kind: str, best: str) -> None:
    scores = judge.Judge(vocabulary, None, None).scores_of(certain(vocabulary, views, kind), ASKED)
    assert scores.shape == (1, len(ASKED)) and scores.isfinite().all()
    assert ASKED[int(scores.argmax())].text == best


@pytest.mark.parametrize(("upper", "lower", "best"), [("circle", "square", 6), ("square", "circle", 7)])
def test_relations_are_places(vocabulary, upper: str, lower: str, best: int) -> None:
    seen = certain(vocabulary, {UPPER: (upper, "gray"), LOWER: (lower, "gray")}, "pair")
    scores = judge.Judge(vocabulary, None, None).scores_of(seen, ASKED[6:])
    assert int(scores.argmax()) + 6 == best


def test_knowing_nothing_favours_no_prompt(vocabulary) -> None:
    """The chances before seeing cancel: names, colours and numbers as common as in training score 0."""
    arbiter = judge.Judge(vocabulary, None, None)
    seen = judge.Seen(
        arbiter.chances.log().expand(1, 5, -1),
        torch.full((1, 5, len(COLOURS)), 1 / len(COLOURS)).log(),
        torch.tensor(judge_scenes.SHARES).log()[None],
    )
    torch.testing.assert_close(arbiter.scores_of(seen, ASKED), torch.zeros(1, len(ASKED)), atol=0.03, rtol=0)


def test_unknown_words_are_refused(vocabulary) -> None:
    with pytest.raises(ValueError, match="does not know 'unicorn'"):
        judge.Judge(vocabulary, None, None).named("unicorn")


def test_quarters_make_the_views() -> None:
    quarters = torch.arange(4.0)[None, :, None].expand(1, 4, 2)
    assert judge.views(quarters)[0, :, 0].tolist() == [1.5, 1.0, 2.0, 0.5, 2.5]


def test_the_ceiling_is_asked_of_the_style_held_back(judged: Path) -> None:
    figures = json.loads((judged / "judge" / "ceiling.json").read_text())
    assert figures["scenes"] == 256
    assert figures["names"]["classes"] == len(smoke.SHAPES)
    assert figures["ceiling"]["clean"]["colours"]["mask"] == 100


def test_features_are_made_once(judged: Path) -> None:
    files = sorted((judged / "judge" / "features").glob("*.safetensors"))
    assert len(files) == 2
    kept, lost = load_file(files[0]), load_file(files[1])
    before = files[0].stat().st_mtime_ns
    files[1].unlink()
    step("judge", judged, "--scenes", "200", "--steps", "2", "--prompts", str(judged / "prompts.json"))
    assert files[0].stat().st_mtime_ns == before
    again = load_file(files[1])
    assert all(torch.equal(again[key], lost[key]) for key in lost)
    assert not torch.equal(kept["features"], lost["features"])


def test_record_has_figures_and_sheet(judged: Path) -> None:
    (folder,) = (judged / "record").iterdir()
    figures = json.loads((folder / "figures.json").read_text())
    assert [row["prompt"] for row in figures["pictures"]] == ["a blue circle", "a square"]
    assert figures["steps"] == [3] and figures["seed"] == 1 and len(figures["guide"]) == 64
    assert figures["colours"]["pictures"] == 1
    assert {"ceiling", "names", "sha256"} <= figures["judge"].keys()
    right = [row["rank"] == 1 for row in figures["pictures"]]
    assert figures["found"]["right"] == 100 * sum(right) / 2
    assert (folder / "sheet.png").stat().st_size > 0


def test_record_paints_only_what_is_missing(judged: Path) -> None:
    (folder,) = (judged / "record").iterdir()
    first, second = (out / "image.png" for out in sorted(folder.glob("0*")))
    before, bytes_before = first.stat().st_mtime_ns, second.read_bytes()
    second.unlink()
    step("record", judged, "--limit", "2", "--paint-only", "--prompts", str(judged / "prompts.json"))
    assert first.stat().st_mtime_ns == before
    assert second.read_bytes() == bytes_before


@pytest.mark.parametrize("colour", [name for name in COLOURS if name != "white"])
def test_subject_colour_of_a_disc_on_a_light_background(colour: str) -> None:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 120)] * 2, indexing="ij")
    inside = x.square() + (y - 0.2).square() < 0.3
    image = torch.full((3, 120, 120), 0.97)
    image[:, inside] = scenes.PALETTE[COLOURS.index(colour)][:, None]
    image = (image + 0.02 * torch.randn(image.shape, generator=common.generator("disc"))).clamp(0, 1)
    assert subject.subject_colour(image) == colour


def test_nothing_stands_out_of_an_empty_picture() -> None:
    image = 0.9 + 0.01 * torch.rand(3, 64, 64, generator=common.generator("empty"))
    assert subject.subject_colour(image) is None


def test_prompts_say_what_their_things_are() -> None:
    """A hundred different prompts; each twenty the same mix; the words are those of the structure."""
    listed = prompts.listed()
    assert len({each.text for each in listed}) == len(listed) == 100
    for start in range(0, 100, 20):
        kinds = Counter(each.kind for each in listed[start : start + 20])
        assert kinds == {"coloured": 10, "named": 7, "several": 3}
    for each in listed:
        told = [f"{thing.colour or ''} {thing.word}".strip() for thing in each.things]
        if each.number > 1:
            assert each.text == f"{wording.NUMBERS[each.number]} {wording.plural(told[0])}"
        elif len(told) == 1:
            assert each.text == wording.article(told[0])
        else:
            first, second = map(wording.article, told)
            said = {"left": "to the left of", "right": "to the right of"}.get(each.relation, each.relation)
            assert each.text == f"{first} {said} {second}"


def test_prompts_are_known_to_the_guide() -> None:
    known = set(json.loads((ROOT / "artgen/guides/doodle/names.json").read_text()))
    asked = set()
    for each in prompts.listed():
        asked.update(thing.word for thing in each.things)
    assert not asked - known


def test_scenes_keep_to_their_kind(vocabulary) -> None:
    plans = judge_scenes.Planner(vocabulary).plans(400, common.generator("kinds"))
    shares = Counter(plan.kind for plan in plans)
    assert shares.keys() == set(judge_scenes.KINDS)
    for plan in plans:
        if plan.kind == "pair":
            first, second = plan.things
            assert max(second.x - first.x, second.y - first.y) > 0.3
        else:
            assert len(plan.things) == judge_scenes.KINDS.index(plan.kind) + 1
            assert len({(thing.icon, thing.colour) for thing in plan.things}) == 1
            centres = torch.tensor([[thing.x, thing.y] for thing in plan.things])
            assert len(centres) == 1 or torch.pdist(centres).min() > 0.15


LOOKS = list(itertools.chain.from_iterable(looks for _, looks in judge_scenes.LOOKS))


@pytest.mark.parametrize("look", LOOKS)
def test_looks_keep_the_picture_recognisable(look) -> None:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 128)] * 2, indexing="ij")
    image = ((x.abs() < 0.5) & (y.abs() < 0.5)).float().expand(2, 3, -1, -1) * 0.8 + 0.1
    seen = look(image, common.generator("look"))
    assert seen.shape == image.shape and not torch.equal(seen, image)
    assert torch.corrcoef(torch.stack([seen.flatten(), image.flatten()]))[0, 1] > 0.7
