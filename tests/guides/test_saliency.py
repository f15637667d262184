from __future__ import annotations

from pathlib import Path

import torch

from artgen.config import RunConfig
from artgen.guides import load_guide
from artgen.guides.saliency import saliency
from tests.driving import context_of


def test_the_bundled_guide_looks_at_the_thing_and_not_at_the_ground():
    picture = torch.ones(1, 3, 64, 64)
    picture[:, :, 20:44, 36:60] = torch.tensor([0.8, 0.1, 0.1]).view(1, 3, 1, 1)
    picture[:, :, 26:32, 42:54] = 0.1
    found = saliency(load_guide("doodle"), picture)
    assert found.shape == (1, 1, 64, 64)
    assert found.min() == 0 and found.max() == 1
    assert found[..., 20:44, 36:60].mean() > 1.5 * found[..., :28].mean()


def test_strokes_begin_where_the_guide_looks(tiny_guide: str, photograph: Path):
    values = {
        "target": str(photograph),
        "init": str(photograph),
        "guides": tiny_guide,
        "renderer": "strokes",
        "precision": "float32",
        "seed": 1,
        "canvas": "48x48",
    }
    starts = []
    for start in ("edges", "saliency"):
        config = RunConfig.make(values | {"options": {"strokes": "20", "start": start}})
        context = context_of(config)
        assert len(context.guides) == (start == "saliency")
        starts.append(context.problem.renderer.state()["points"])
    assert not torch.equal(*starts)
