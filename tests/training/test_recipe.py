"""The recipe end to end in miniature, and its exactness: same seed, same stream, also after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

from safetensors.torch import load_file  # noqa: E402

from training import captions, codes, common, paint_check, smoke, wording  # noqa: E402

ROOT = Path(__file__).parents[2]


def step(name: str, work: Path, *more: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run one step of the recipe in its own process."""
    command = [sys.executable, "-m", f"training.{name}", "--work", str(work), *more]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(command, cwd=ROOT, check=check, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder in which the whole chain has run."""
    work = tmp_path_factory.mktemp("recipe")
    step("smoke", work)
    return work


def test_chain_gives_a_guide_that_open_clip_loads(trained: Path) -> None:
    guide = paint_check.load(trained / "doodle-look")
    text = paint_check.encode_texts(guide, ["a circle", "a square"])
    assert text.shape == (2, codes.WIDTH + 12)
    torch.testing.assert_close(text.norm(dim=1), torch.ones(2))
    image = guide.encode_image(torch.zeros(1, 3, 64, 64))
    assert image.shape == (1, codes.WIDTH + 12) and image.isfinite().all()


def test_chain_writes_figures_and_a_picture(trained: Path) -> None:
    figures = json.loads(next((trained / "figures").glob("*.json")).read_text())
    assert figures["guide"]["openmoji"]["classes"] == len(smoke.SHAPES)
    assert figures["cost"]["MB"] < 25
    assert list((trained / "paint").glob("*.png"))


def test_padding_makes_no_difference(trained: Path) -> None:
    from training import model

    guide = paint_check.load(trained / "doodle-look")
    texts = ["a circle", "a blue square to the left of a red circle on a gray background"]
    trimmed = model.text_vectors(guide, model.tokens(texts))
    assert torch.cosine_similarity(trimmed, paint_check.encode_texts(guide, texts)).min() > 0.999


def test_a_guide_gives_back_its_image_tower(trained: Path) -> None:
    """A later round of `student` starts from what an exported guide holds."""
    from training import export, model

    trunk = load_file(trained / "image.safetensors")
    after = model.image_tower(load_file(trained / "doodle-look" / "open_clip_model.safetensors"))
    assert trunk.keys() <= after.keys()
    for key, value in trunk.items():  # a factor of two is exact but for the least numbers of fp16
        stored = export.stored(f"visual.trunk.{key}", value).float()
        torch.testing.assert_close(after[key], stored, rtol=0, atol=1e-7)


def test_words_go_on_from_a_guide(trained: Path) -> None:
    """A later round of `look` starts from what an exported guide says, up to the rounding of its weights."""
    from training import lessons, look, model

    source = lessons.Easel(common.Work(trained))
    learner = look.Learner(common.Work(trained), lessons.Plan(4), 12, source.words())
    texts = ["a circle", "a blue square to the left of a red circle", "two rings", "a disc"]
    before = model.text_vectors(learner.clip, model.tokens(texts))
    learner.start_from(trained / "doodle-look")
    after = model.text_vectors(learner.clip, model.tokens(texts))
    said = paint_check.encode_texts(paint_check.load(trained / "doodle-look"), texts)
    weighted = after * torch.tensor([1 - look.SHARE] * codes.WIDTH + [look.SHARE] * 12).sqrt()
    assert torch.cosine_similarity(weighted, said).min() > 0.99
    assert torch.cosine_similarity(before, after).min() < 0.9


def test_a_narrow_guide_becomes_the_first_numbers_of_a_wide_one() -> None:
    from training import look, model

    old, new = torch.rand(2, 3), torch.rand(4, 5)
    grown = model.grown(old, new)
    assert torch.equal(grown[:2, :3], old) and not grown[:2, 3:].any()
    assert torch.equal(grown[2:], new[2:])
    assert torch.equal(model.grown(old[0], new[0]), torch.cat([old[0], new[0, 3:]]))

    fewer = codes.ROUGH - 2
    told = torch.rand(7, look.SCENE + codes.KEYS * fewer + 9)
    full = look.as_trained(told, fewer, torch.tensor(0.3))
    assert full.shape == (7, codes.WIDTH + 9)
    bound = full[:, look.SCENE : codes.WIDTH].unflatten(1, (codes.KEYS, codes.ROUGH))
    assert not bound[..., fewer:].any()
    kept = told[:, look.SCENE : look.SCENE + codes.KEYS * fewer].unflatten(1, (codes.KEYS, fewer))
    torch.testing.assert_close(bound[..., :fewer], kept / 0.7**0.5)
    torch.testing.assert_close(full[:, -9:], told[:, -9:] / 0.3**0.5)


def test_what_is_large_is_stored_in_eight_bits(trained: Path) -> None:
    state = load_file(trained / "doodle-look" / "open_clip_model.safetensors")
    small = {key for key, value in state.items() if value.element_size() == 1}
    large = {key for key, value in state.items() if value.numel() > 200_000 and value.ndim in (2, 4)}
    assert large - small <= {"visual.trunk.pool.qkv.weight"}
    loaded = paint_check.load(trained / "doodle-look").state_dict()
    assert all(torch.equal(loaded[key], state[key].float()) for key in small)


@pytest.mark.parametrize(
    ("script", "checkpoint", "start"),
    [
        ("student", "student/tower", None),
        ("student", "student/tower", "doodle-look"),
        ("look", "look/text", None),
        ("look", "look/text", "doodle-look"),
    ],
)
def test_killed_training_ends_with_the_same_bits(
    trained: Path, tmp_path: Path, script: str, checkpoint: str, start: str | None
) -> None:
    for name in ("data", "teacher", "shards"):
        (tmp_path / name).symlink_to(trained / name)
    more = ["--from", str(trained / start)] if start else []
    ours = tmp_path / f"{checkpoint}.safetensors"
    step(script, tmp_path, "--smoke", "--steps", "4", *more)
    once = load_file(ours)
    ours.unlink()
    step(script, tmp_path, "--smoke", "--steps", "4", "--until", "2", *more)
    stopped = load_file(ours)
    changed = [key for key in once if key.startswith("model.") and not torch.equal(once[key], stopped[key])]
    assert changed
    step(script, tmp_path, "--smoke", "--steps", "4", *more)
    twice = load_file(ours)
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[key], twice[key]) for key in once)


def test_words_of_the_measure_are_in_no_list() -> None:
    from training import words

    held = words.withheld()
    assert {"bunny", "kitten", "automobile", "bees", "kittens"} - held == {"bees"}


def vocabulary() -> captions.Vocabulary:
    """A few names in one style."""
    rows = [
        {"name": n, "style": "plain", "use": "train", "group": 3}
        for n in ("red apple", "cat", "dog", "ice cream")
    ]
    return captions.Vocabulary(rows)


def test_false_captions_differ_from_true_ones() -> None:
    plans = captions.Planner(vocabulary()).plans(500, common.generator("test"))
    same = [plan.caption for plan in plans if plan.caption == plan.false_caption]
    assert len(same) < 15, same  # pairs of equal things cannot be told apart


def test_relations_follow_the_places() -> None:
    planner = captions.Planner(vocabulary(), shares=(("pair", 1.0),))
    for plan in planner.plans(300, common.generator("test")):
        first, second = plan.things
        words = f" {plan.caption} "
        if " above " in words:
            assert first.y < second.y
        if " below " in words:
            assert first.y > second.y
        if " left " in words:
            assert first.x < second.x and not plan.may_flip
        if " right " in words:
            assert first.x > second.x and not plan.may_flip


def test_counts_are_as_told() -> None:
    planner = captions.Planner(vocabulary(), shares=(("count", 1.0),))
    for plan in planner.plans(100, common.generator("test")):
        assert plan.caption.startswith(wording.NUMBERS[len(plan.things)])


def test_tint_gives_the_colour_asked_for() -> None:
    from training import scenes

    layer = torch.full((1, 4, 8, 8), 0.4)
    layer[:, 3] = 1
    blue = scenes.PALETTE[4:5]
    out = scenes.tinted(layer, blue, torch.ones(1), torch.tensor([0.4]), torch.tensor([0.1]))
    torch.testing.assert_close(out[0, :3, 0, 0], blue[0], atol=1e-5, rtol=0)
    assert (out[:, 3] == 1).all()


def test_draws_are_repeatable() -> None:
    first, second = (torch.rand(3, generator=common.generator("step", 7)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(3, generator=common.generator("step", 8)))
