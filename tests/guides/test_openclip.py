"""open_clip's own models with random weights: every kind of tower loads and paints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from artgen.config import RunConfig
from artgen.errors import InputError, UsageError
from artgen.guides import load_guide
from artgen.guides.base import parse_guide
from artgen.runs.paint import paint
from tests.conftest import TINY_MODEL, write_random_model
from tests.driving import context_of

TOWERS = ["ViT-B-32", "RN50", "MobileCLIP2-S0"]
"""A native ViT, a native ResNet, and a timm tower."""


def write_checkpoint(name: str, folder: Path) -> Path:
    """Write random weights in open_clip's own format."""
    import open_clip

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(name, pretrained=None, pretrained_image=False)
    path = folder / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("name", TOWERS)
def test_ten_steps_with_weights_from_a_file(name: str, tmp_path: Path):
    path = write_checkpoint(name, tmp_path)
    config = RunConfig.make(
        {
            "prompts": "a blue rabbit",
            "guides": f"{name}={path}",
            "steps": 10,
            "seed": 1,
            "cutouts": {"count": 1},
            "options": {"cells": 8},
            "precision": "float32",
            "size": "64x64",
        }
    )
    result = paint(config, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert result.step == 10
    assert lines[-1]["losses"][0] < lines[0]["losses"][0]


def test_a_guide_keeps_its_own_constants(tiny_guide: str):
    guide = load_guide(tiny_guide)
    assert guide.image_size == (32, 32)
    assert guide.mean.flatten().tolist() == pytest.approx([0.4, 0.45, 0.5])
    assert guide.std.flatten().tolist() == pytest.approx([0.2, 0.25, 0.3])


def test_siglip_from_a_file_has_siglips_constants():
    from artgen.guides.openclip_constants import normalisation

    assert normalisation("ViT-B-16-SigLIP", "weights.safetensors") == {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def test_embeddings_are_open_clips(tiny_guide: str):
    import open_clip

    guide = load_guide(tiny_guide)
    directory = tiny_guide.partition("=")[2]
    model = open_clip.create_model(f"local-dir:{directory}", require_pretrained=True).eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{directory}")(["a blue rabbit", "x"])
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    normalised = (images - guide.mean) / guide.std
    with torch.no_grad():
        expected_text = model.encode_text(tokens, normalize=True)
        expected_image = model.encode_image(normalised, normalize=True)
    torch.testing.assert_close(guide.encode_text(["a blue rabbit", "x"]), expected_text)
    torch.testing.assert_close(guide.encode_image(images), expected_image, atol=1e-5, rtol=1e-4)
    assert guide.logit_scale == pytest.approx(model.logit_scale.exp().item())


def test_other_sizes_are_resized(tiny_guide: str):
    guide = load_guide(tiny_guide)
    plain = torch.full((1, 3, 50, 70), 0.3)
    torch.testing.assert_close(
        guide.encode_image(plain), guide.encode_image(plain[..., :32, :32]), atol=1e-4, rtol=0
    )


def test_features_are_maps_of_the_tower(tiny_guide: str):
    guide = load_guide(tiny_guide)
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    maps = guide.features(images, [0, -1])
    assert guide.layer_count == 2
    assert [tuple(each.shape) for each in maps] == [(2, 64, 4, 4)] * 2
    maps[0].sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    with pytest.raises(UsageError, match="layers 0 to 1"):
        guide.features(images, [2])


def test_half_precision_agrees(tiny_guide: str):
    guide = load_guide(tiny_guide)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    full = guide.encode_image(images)
    guide.use_precision(torch.bfloat16)
    half = guide.encode_image(images)
    assert half.dtype == torch.float32
    assert (full * half).sum(dim=1).min() > 0.999
    guide.use_precision(torch.float32)
    assert torch.equal(guide.encode_image(images), full)


def test_weights_take_no_gradient(tiny_guide: str):
    guide = load_guide(tiny_guide)
    guide.encode_image(torch.rand(1, 3, 32, 32, requires_grad=True)).sum().backward()
    assert all(parameter.grad is None for parameter in guide._model.parameters())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ViT-B-32", ("ViT-B-32", None, None, 1.0)),
        ("ViT-B-32:openai@0.5", ("ViT-B-32", "openai", None, 0.5)),
        ("RN50=a/b@c.safetensors", ("RN50", None, "a/b@c.safetensors", 1.0)),
        ("doodle@2", ("doodle", None, None, 2.0)),
    ],
)
def test_guide_specs(text: str, expected: tuple):
    spec = parse_guide(text)
    assert (spec.name, spec.tag, spec.file, spec.weight) == expected


@pytest.mark.parametrize("text", ["", ":openai", "ViT-B-32=", "doodle@0", "doodle@-1"])
def test_bad_guide_specs(text: str):
    with pytest.raises(UsageError):
        parse_guide(text)


def test_unknown_names_and_pickles_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="did you mean 'ViT-B-32'"):
        load_guide("ViT-B-23")
    pickle = tmp_path / "weights.pt"
    pickle.write_bytes(b"\x80\x04.")
    with pytest.raises(UsageError, match=r"only \.safetensors"):
        load_guide(f"ViT-B-32={pickle}")


def test_weights_that_do_not_fit_are_refused(tiny_guide: str, tmp_path: Path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not json at all")
    with pytest.raises(InputError, match="not weights of"):
        load_guide(f"ViT-B-32={broken}")
    directory = write_random_model(tmp_path / "model", TINY_MODEL)
    weights = load_file(directory / "open_clip_model.safetensors")
    weights.pop("visual.proj")
    save_file(weights, directory / "open_clip_model.safetensors")
    with pytest.raises(InputError, match="not weights of"):
        load_guide(f"local-dir={directory}")


def test_no_network_is_said_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The server that would be asked is replaced by one that refuses every connection."""
    from huggingface_hub import constants

    from artgen.guides import download

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(download, "_is_cached", lambda entry: False)
    with pytest.raises(InputError, match=r"not downloaded yet.*--guide doodle"):
        load_guide("ViT-B-32:laion2b_s34b_b79k")


def test_several_guides_vote(tiny_guide: str, tmp_path: Path):
    other = write_random_model(tmp_path / "other", {**TINY_MODEL, "embed_dim": 16})
    values = {
        "prompts": "a cat",
        "guides": [f"{tiny_guide}@0.25", f"local-dir={other}"],
        "steps": 2,
        "seed": 1,
        "cutouts": {"count": 2},
        "losses": {"smoothness": 0, "border": 0},
        "precision": "float32",
        "size": "32x32",
    }
    result = paint(RunConfig.make(values), tmp_path / "run")
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    first, second = line[f"prompt {tiny_guide}"][0], line[f"prompt local-dir={other}"][0]
    assert line["losses"][0] == pytest.approx(0.25 * first + second, rel=1e-5)
    report = json.loads((result.folder / "run.json").read_text())
    assert [len(guide["sha256"]) for guide in report["guides"]] == [64, 64]


def test_a_directory_tells_how_to_paint_by_it(tmp_path: Path):
    other = write_random_model(tmp_path / "other", TINY_MODEL)
    particular = write_random_model(tmp_path / "particular", TINY_MODEL)
    manual = particular / "painting.json"
    manual.write_text('{"smallest": 0.9, "flip": 0, "emphasis": [[20, 0], [12, 2.0]]}')
    guide = load_guide(f"local-dir={particular}")
    assert (guide.variation.smallest, guide.variation.perspective, guide.variation.flip) == (0.9, 0.1, 0)
    named = [f"local-dir={path}" for path in (other, particular)]
    values = {"prompts": "a cat", "guides": named, "precision": "float32"}
    context = context_of(RunConfig.make(values))
    cutouts = context.problem.objective.cutouts
    assert (cutouts.smallest, cutouts.flip) == (0.9, 0)
    painter, image = context.guides[1], torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for plain, led in [
        (guide.encode_text(["a cat"]), painter.encode_text(["a cat"])),
        (guide.encode_image(image), painter.encode_image(image)),
    ]:
        assert not led[:, :20].any()
        torch.testing.assert_close(led[:, 20:], torch.nn.functional.normalize(plain[:, 20:], dim=1))
    assert painter.for_painting() is painter


def test_a_painter_by_looks_computes_no_meaning(monkeypatch):
    """The bundled guide's look leads alone: its network is not asked, in no number format, and still by the judge."""
    guide = load_guide("doodle")
    painter = guide.for_painting()
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    led = torch.nn.functional.normalize(guide.encode_image(image) * painter._emphasis, dim=1)
    asked = []
    handle = guide._visual.trunk.body.register_forward_hook(lambda *_: asked.append(1))
    torch.testing.assert_close(painter.encode_image(image), led)
    painter.use_precision(torch.bfloat16)
    torch.testing.assert_close(painter.encode_image(image), led, atol=0.02, rtol=0)
    assert not asked
    guide.encode_image(image)
    handle.remove()
    assert asked


@pytest.mark.parametrize(
    "text",
    ['{"zoom": 1}', '{"flip": "no"}', '{"flip": 2}', "[]", "{", '{"emphasis": [[3, 1]]}', '{"emphasis": 1}'],
)
def test_a_manual_that_says_something_else_is_refused(text: str, tmp_path: Path):
    directory = write_random_model(tmp_path / "model", TINY_MODEL)
    (directory / "painting.json").write_text(text)
    with pytest.raises(InputError, match=r"painting\.json"):
        load_guide(f"local-dir={directory}")
