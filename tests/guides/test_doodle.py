"""The bundled guide: small, complete, and paintable by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from artgen.config import RunConfig
from artgen.guides import Guide, load_guide
from artgen.guides.bundled import DOODLE
from artgen.images import read_opaque
from artgen.probes.classify import classify
from artgen.runs.paint import paint

LARGEST_BYTES = 25_000_000


@pytest.fixture(scope="module")
def guide() -> Guide:
    return load_guide("doodle")


def test_it_is_small_and_has_its_card(guide: Guide):
    assert sum(path.stat().st_size for path in DOODLE.iterdir()) <= LARGEST_BYTES
    card = (DOODLE / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert guide.weights_digest in card
    for source in ("noto", "fluent-emoji", "Twemoji", "CC-BY", "Apache-2.0"):
        assert source in card


def test_its_names_are_distractors(guide: Guide):
    assert len(guide.names) > 500
    assert len(set(guide.names)) == len(guide.names)
    assert "rabbit" in guide.names


def test_features_of_every_stage(guide: Guide):
    maps = guide.features(torch.rand(1, 3, 64, 64), list(range(guide.layer_count)))
    assert [each.shape[-1] for each in maps] == sorted((each.shape[-1] for each in maps), reverse=True)


@pytest.mark.parametrize(("leads", "least"), [(True, 0.99), (False, 0.98)])
def test_gradients_agree_in_half_precision(guide: Guide, leads: bool, least: float):
    """While it leads (0.99, which the choice of a number format asks for) and, on pure noise, while it judges."""
    guide = guide.for_painting() if leads else guide
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    gradients = []
    for precision in (torch.float32, torch.bfloat16):
        guide.use_precision(precision)
        leaf = images.clone().requires_grad_()
        (guide.encode_image(leaf) @ guide.encode_text(["a red apple"]).T).sum().backward()
        gradients.append(leaf.grad.flatten())
    guide.use_precision(torch.float32)
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > least


def test_what_it_paints_it_recognises_in_the_right_colour(tmp_path: Path):
    """Not only in the views it was optimised on, and the picture has the colour asked for."""
    values = {
        "prompts": "a blue rabbit",
        "steps": 100,
        "seed": 1,
        "precision": "float32",
        "timelapse": {"kind": "none"},
    }
    result = paint(RunConfig.make(values | {"size": "256x256"}), tmp_path / "run")
    picture = read_opaque(result.picture)
    labels = ["a green tree", "a blue rabbit", "a yellow car", "a red house", "a red apple", "a pink fish"]
    assert next(iter(classify(load_guide("doodle"), picture, labels))) == "a blue rabbit"
    red, green, blue = picture[0, :, 64:192, 64:192].mean(dim=(1, 2)).tolist()
    assert blue > green + 0.05 and blue > red + 0.1
    losses = [
        json.loads(line)["losses"][0]
        for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert losses[-1] < 0.8 * losses[0]
