"""A guide's directory may come from a stranger: only known keys and named files of it are used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from artgen.config import RunConfig, options_from
from artgen.errors import InputError, UsageError
from artgen.guides import load_guide
from artgen.guides.directory import read_directory
from artgen.guides.directory_schema import GuideConfig
from artgen.runs.paint import paint, resume
from artgen.runs.state import CheckpointHeader
from tests.conftest import TINY_MODEL, write_random_model

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_random_model(tmp_path / "guide", TINY_MODEL)


def change(directory: Path, part: str, **keys: Any) -> None:
    """Set keys of `model_cfg` or of one of its towers."""
    path = directory / CONFIG
    values = json.loads(path.read_text())
    model = values["model_cfg"]
    (model if part == "model_cfg" else model[part]).update(keys)
    path.write_text(json.dumps(values))


def refusal(directory: Path) -> str:
    """Return the one line that a directory is refused with."""
    with pytest.raises(InputError) as caught:
        load_guide(f"local-dir={directory}")
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("options", [{"trust_remote_code": True}, {"trust_remote_code": False}])
def test_code_of_a_directory_is_refused(options: dict, directory: Path):
    """transformers is not asked at all, whether or not it is installed."""
    change(directory, "text_cfg", hf_tokenizer_name="timm/ViT-B-16-SigLIP", tokenizer_kwargs=options)
    (directory / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["own.Own", null]}}')
    (directory / "own.py").write_text("raise SystemExit('ran')")
    line = refusal(directory)
    assert "trust_remote_code" in line and CONFIG in line


@pytest.mark.parametrize(
    ("part", "keys", "told"),
    [
        ("text_cfg", {"hf_tokenizer_name": "."}, "hf_tokenizer_name '.'"),
        ("text_cfg", {"hf_tokenizer_name": "somebody/tokenizer"}, "NAME:TAG"),
        ("text_cfg", {"hf_model_name": "roberta-base"}, "NAME:TAG"),
        ("text_cfg", {"tokenizer_kwargs": {"vocab_file": "/etc/passwd"}}, "vocab_file"),
        ("text_cfg", {"tokenizer_mode": "clips"}, "tokenizer_mode"),
        ("text_cfg", {"vocab_size": 1000}, "49408"),
        ("text_cfg", {"context_length": 100_000}, "context_length"),
        ("text_cfg", {"act_kwargs": {"inplace": True}}, "inplace"),
        ("text_cfg", {"heads": "2"}, "heads"),
        ("text_cfg", {"vocab_size": 2_000_000, "width": 8192}, "too few"),
        ("vision_cfg", {"timm_model_name": "hf-hub:somebody/model"}, "timm_model_name"),
        ("vision_cfg", {"timm_model_name": "local-dir:/tmp/x"}, "timm_model_name"),
        ("vision_cfg", {"timm_model_name": "eva02_enormous_patch14_clip_224"}, "too few"),
        ("vision_cfg", {"image_size": 100_000}, "image_size"),
        ("vision_cfg", {"layers": 128, "width": 8192}, "too few"),
        ("vision_cfg", {"layers": [128] * 4, "width": 8192}, "too few"),
        ("vision_cfg", {"output_tokens": True}, "output_tokens"),
        ("vision_cfg", {"patchsize": 8}, "did you mean 'patch_size'"),
        ("model_cfg", {"multimodal_cfg": {}}, "multimodal_cfg"),
        ("model_cfg", {"embed_dim": 10**9}, "embed_dim"),
        ("model_cfg", {"init_logit_scale": float("nan")}, "init_logit_scale"),
    ],
)
def test_configurations_out_of_bounds_are_refused(part: str, keys: dict, told: str, directory: Path):
    change(directory, part, **keys)
    assert told in refusal(directory)


@pytest.mark.parametrize("text", ["", "null", '"fox"', "[1]", '{"a":' * 200_000, "x" * (1 << 21)])
@pytest.mark.parametrize("name", [CONFIG, "names.json", "painting.json"])
def test_broken_files_are_refused(name: str, text: str, directory: Path):
    (directory / name).write_text(text)
    assert name in refusal(directory)


def test_an_enormous_emphasis_is_refused(directory: Path):
    for emphasis in ([[10**12, 1]], [[-1, 1], [33, 1]], [[31.5, 1], [0.5, 1]], [[32]]):
        (directory / "painting.json").write_text(json.dumps({"emphasis": emphasis}))
        assert "painting.json" in refusal(directory)


ORDINARY = [
    name
    for name in open_clip.list_models()
    if "multimodal_cfg" not in open_clip.get_model_config(name)
    and "hf_model_name" not in open_clip.get_model_config(name)["text_cfg"]
]


def test_open_clips_own_configurations_are_accepted():
    """ViT, ResNet, timm towers and SigLIP; what is read goes to open_clip unchanged."""
    assert len(ORDINARY) > 100
    for name in ORDINARY:
        given = open_clip.get_model_config(name)
        read = options_from(GuideConfig, {"model_cfg": given}, name)
        assert read.model_cfg.model_dump(exclude_unset=True) == given, name


def test_text_towers_of_transformers_are_refused():
    given = open_clip.get_model_config("xlm-roberta-base-ViT-B-32")
    with pytest.raises(UsageError, match="NAME:TAG"):
        options_from(GuideConfig, {"model_cfg": given}, "guide")


def test_it_is_the_model_that_open_clip_makes(directory: Path):
    ours = load_guide(f"local-dir={directory}")._model
    theirs = open_clip.create_model(f"local-dir:{directory}", require_pretrained=True)
    assert ours.visual.preprocess_cfg == theirs.visual.preprocess_cfg
    state = theirs.state_dict()
    assert state.keys() == ours.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.state_dict().items())


def test_the_named_weights_are_loaded_and_digested(directory: Path):
    """A file that comes first by name is neither loaded nor digested; a pickle is not opened."""
    plain = load_guide(f"local-dir={directory}")
    other = {name: tensor + 1 for name, tensor in load_file(directory / WEIGHTS).items()}
    save_file(other, directory / "a.safetensors")
    (directory / "open_clip_pytorch_model.bin").write_bytes(b"\x80\x04.")
    same = load_guide(f"local-dir={directory}")
    assert (same.digest, same.weights_digest) == (plain.digest, plain.weights_digest)
    assert torch.equal(same.encode_text(["a fox"]), plain.encode_text(["a fox"]))

    (directory / WEIGHTS).rename(directory / "b.safetensors")
    line = refusal(directory)
    assert "a.safetensors, b.safetensors" in line and WEIGHTS in line

    (directory / "b.safetensors").unlink()
    changed = load_guide(f"local-dir={directory}")
    assert not torch.equal(changed.encode_text(["a fox"]), plain.encode_text(["a fox"]))
    assert changed.weights_digest != plain.weights_digest

    (directory / "a.safetensors").unlink()
    assert "pickles" in refusal(directory)


@pytest.mark.parametrize(
    ("name", "text"),
    [("names.json", '["a fox"]'), ("painting.json", '{"flip": 0}'), (CONFIG, None), (WEIGHTS, None)],
)
def test_the_digest_covers_every_file(name: str, text: str | None, directory: Path):
    before = read_directory(directory)
    (directory / "README.md").write_text("decides nothing")
    assert read_directory(directory).digest == before.digest
    if name == WEIGHTS:
        save_file({key: tensor + 1 for key, tensor in load_file(directory / name).items()}, directory / name)
    else:
        path = directory / name
        path.write_text(text if text is not None else path.read_text().replace("0.4", "0.41"))
    after = read_directory(directory)
    assert after.digest != before.digest
    assert (after.weights_digest != before.weights_digest) == (name == WEIGHTS)


def test_checkpoints_that_know_a_guide_by_its_weights_still_resume(directory: Path, tmp_path: Path):
    from artgen.runs.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint

    values = {"prompts": "a cat", "guides": f"local-dir={directory}", "steps": 1, "size": "32x32"}
    values |= {"cutouts": {"count": 1}, "precision": "float32", "options": {"cells": 8}}
    values |= {"losses": {"sketch": 0}, "timelapse": {"kind": "none"}}
    folder = paint(RunConfig.make(values), tmp_path / "run").folder
    now = load_checkpoint(folder / CHECKPOINT)
    guide = load_guide(f"local-dir={directory}")
    assert CheckpointHeader.of(now).digests == {guide.name: guide.digest}
    report = json.loads((folder / "run.json").read_text())["guides"][0]
    assert (report["sha256"], report["digest"]) == (guide.weights_digest, guide.digest)

    for digest in (guide.weights_digest, guide.digest):
        old = Checkpoint({**now.facts, "digests": {guide.name: digest}}, now.tensors)
        save_checkpoint(folder / CHECKPOINT, old)
        assert resume(folder).step == 1
    other = Checkpoint({**now.facts, "digests": {guide.name: "0" * 64}}, now.tensors)
    save_checkpoint(folder / CHECKPOINT, other)
    with pytest.raises(InputError, match="not the one this run began with"):
        resume(folder)


@pytest.mark.parametrize("written", ["local-dir:{}", "local-dir", "local-dir:{}=x.safetensors", "hf-hub:a/b"])
def test_open_clips_prefixes_reach_nothing(written: str, directory: Path):
    text = written.format(directory)
    with pytest.raises(UsageError, match="local-dir=PATH"):
        load_guide(text)
    with pytest.raises(UsageError, match="has no weights"):
        load_guide(f"ViT-B-32:{directory}")


def test_a_folder_with_the_name_of_a_tokenizer_is_not_opened(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """transformers would prefer it to the hub."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(directory, "timm/ViT-B-16-SigLIP")
    with pytest.raises(InputError, match="timm/ViT-B-16-SigLIP: is in the working folder"):
        load_guide("ViT-B-16-SigLIP:webli")
    change(directory, "text_cfg", hf_tokenizer_name="timm/ViT-B-16-SigLIP")
    assert "is in the working folder" in refusal(directory)
