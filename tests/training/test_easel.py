"""The scenes that looks are learned from: one picture a word, in its place."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

from training import common, easel  # noqa: E402

ROWS = [
    {"name": name, "style": style, "use": "train", "group": 3}
    for name, style in [
        ("cat", "noto"),
        ("cat", "fluent-emoji-flat"),
        ("cat face", "noto"),
        ("cat face", "fluent-emoji-flat"),
        ("cat face", "fluent-emoji"),
        ("evergreen tree", "noto"),
        ("deciduous tree", "mdi"),
        ("deciduous tree", "twemoji"),
        ("deciduous tree", "noto"),
        ("rocket", "mdi"),
    ]
]


@pytest.fixture(scope="module")
def words() -> easel.Words:
    return easel.Words(ROWS)


def test_a_word_means_one_name(words: easel.Words) -> None:
    said = {}
    for u in torch.linspace(0, 0.999, 200).tolist():
        name = words.pick(u)
        for v in (0.0, 0.3, 0.6, 0.99):
            said.setdefault(words.say(name, v), set()).add(words.names[name])
    assert said["cat"] == {"cat face"}
    assert said["tree"] == {"deciduous tree"}
    assert all(len(meant) == 1 for meant in said.values())
    assert "rocket" not in said  # only a glyph shows it


def test_a_name_has_the_drawings_of_one_family(words: easel.Words) -> None:
    styles = {}
    for name, icons in zip(words.names, words.icons, strict=True):
        styles[name] = {ROWS[icon]["style"] for icon in icons}
    assert styles["cat face"] == set(easel.FAMILY)
    assert styles["deciduous tree"] == {"twemoji"}


def test_scenes_stand_where_they_are_told(words: easel.Words) -> None:
    plans = easel.Planner(words).plans(400, common.generator("easel"))
    assert {plan.kind for plan in plans} == {"single", "pair", "count"}
    for plan in plans:
        assert all(thing.angle == 0 and not thing.flip for thing in plan.things)
        if plan.kind == "pair" and " and " in plan.caption:
            assert plan.things[0].x < plan.things[1].x
        first, second = plan.things[0], plan.things[-1]
        if plan.kind == "pair" and " above " in plan.caption:
            assert first.y < second.y and first.x == second.x
        if plan.kind == "pair" and " right " in plan.caption:
            assert first.x > second.x
        if plan.kind == "single":
            assert (first.x, first.y, first.size) == (0.5, 0.5, 0.74)
