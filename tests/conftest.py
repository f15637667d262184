from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image as Pillow

# `training` and `benchmarks` are not installed; at the end of the path, so that artgen itself is the installed one.
sys.path.append(str(Path(__file__).parent.parent))


COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("suite", max_examples=200, **COMMON)
settings.register_profile("nightly", max_examples=5000, **COMMON)
settings.load_profile(os.environ.get("ARTGEN_HYPOTHESIS", "suite"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-golden", action="store_true", help="write the golden pictures anew")


TINY_MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def write_random_model(directory: Path, model: dict) -> Path:
    """Write an open_clip directory with random weights of a fixed seed."""
    import open_clip
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    mean, std = [0.4, 0.45, 0.5], [0.2, 0.25, 0.3]
    facts = {"model_cfg": model, "preprocess_cfg": {"mean": mean, "std": std}}
    (directory / "open_clip_config.json").write_text(json.dumps(facts))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = open_clip.model.CLIP(**model)
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    save_file(state, directory / "open_clip_model.safetensors")
    return directory


@pytest.fixture(scope="session")
def tiny_guide(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The spec of a small open_clip model with random weights."""
    return f"local-dir={write_random_model(tmp_path_factory.mktemp('tiny'), TINY_MODEL)}"


@pytest.fixture(scope="session")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small photograph-like picture: smooth ground, two soft discs, some texture."""
    side = 48
    down, across = np.mgrid[0:side, 0:side] / side
    picture = np.stack([0.2 + 0.6 * across, 0.5 + 0.3 * np.sin(6 * down), 0.7 - 0.5 * down], axis=-1)
    for y, x, radius, colour in ((0.35, 0.3, 0.2, (0.9, 0.2, 0.1)), (0.65, 0.7, 0.15, (0.1, 0.3, 0.9))):
        inside = 1 / (1 + np.exp(40 * (np.hypot(down - y, across - x) - radius)))
        picture = picture * (1 - inside[..., None]) + inside[..., None] * np.array(colour)
    path = tmp_path_factory.mktemp("photograph") / "photograph.png"
    Pillow.fromarray((picture.clip(0, 1) * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def small_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four patch sets, `one` to `four`, of three discs each."""
    folder = tmp_path_factory.mktemp("sets")
    down, across = np.mgrid[-1:1:24j, -1:1:24j]
    for number, name in enumerate(("one", "two", "three", "four")):
        (folder / name).mkdir()
        for shade in range(3):
            pixels = np.zeros((24, 24, 4), dtype=np.uint8)
            pixels[..., 3] = (np.hypot(down, across) < 0.6 + 0.1 * shade) * 255
            pixels[..., number % 3] = 80 + 80 * shade
            Pillow.fromarray(pixels).save(folder / name / f"{name}-{shade}.png")
    return folder


@pytest.fixture(autouse=True)
def two_threads():
    torch.set_num_threads(2)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep measured number formats out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
