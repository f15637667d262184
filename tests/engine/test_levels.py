from __future__ import annotations

from pathlib import Path

from artgen.config import RunConfig
from artgen.runs.paint import paint


def test_each_level_of_a_growing_renderer_is_its_own_picture(photograph: Path, tmp_path: Path):
    values = {
        "target": str(photograph),
        "renderer": "strokes",
        "options": {"strokes": "2,4,8"},
        "steps": 30,
        "seed": 1,
        "canvas": "48x48",
        "size": "48x48",
        "timelapse": {"kind": "none"},
    }
    paint(RunConfig.make(values), tmp_path / "run")
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.glob("level-*.png")) == [
        "level-2.png",
        "level-4.png",
        "level-8.png",
    ]
    strokes = [(folder / f"level-{count}.svg").read_text().count("<path") for count in (2, 4, 8)]
    assert strokes == sorted(strokes)
    assert strokes[0] <= 2 < strokes[2] <= 8
    assert (folder / "level-8.png").read_bytes() == (folder / "image.png").read_bytes()
