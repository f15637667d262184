"""Run the whole recipe in miniature and offline, with made-up shapes and a few steps.

python -m training.smoke --work DIR
"""

from __future__ import annotations

import itertools
import subprocess
import sys

import torch
from torch import Tensor

from training import common, model

SIZE = 96
SHAPES = ("circle", "square", "triangle", "ring", "cross", "stripe")
STYLES = (("plain", "train"), ("soft", "train"), ("bold", "train"), ("openmoji", "test"))


def shape(name: str, style: str) -> Tensor:
    """Return one shape as uint8 premultiplied RGBA [4, 96, 96]."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, SIZE)] * 2, indexing="ij")
    radius = (x.square() + y.square()).sqrt()
    upright = torch.maximum(x.abs() - 0.25, y.abs() - 0.8)
    flat = torch.maximum(y.abs() - 0.25, x.abs() - 0.8)
    distance = {
        "circle": radius - 0.8,
        "square": torch.maximum(x.abs(), y.abs()) - 0.75,
        "triangle": torch.maximum(y - 0.7, x.abs() * 2 - y - 0.8),
        "ring": (radius - 0.6).abs() - 0.2,
        "cross": torch.minimum(upright, flat),
        "stripe": torch.maximum(y.abs() - 0.3, x.abs() - 0.9),
    }[name]

    sharpness = {"plain": 40.0, "soft": 12.0, "bold": 60.0, "openmoji": 30.0}[style]
    alpha = torch.sigmoid(-distance * sharpness)
    shade = 0.6 + 0.2 * x if style == "soft" else torch.full_like(x, 0.5)
    pixels = torch.stack([shade * alpha, shade * alpha * 0.8, shade * alpha * 0.6, alpha])
    return (pixels * 255).round().to(torch.uint8)


def make_icons(work: common.Work) -> None:
    """Write icons and catalogue as `rasterise` would."""
    rows, icons = [], []
    for (style, use), name in itertools.product(STYLES, SHAPES):
        rows.append({"name": name, "style": style, "use": use, "group": 3})
        icons.append(shape(name, style))
    common.save_tensors({"icons": torch.stack(icons)}, work.icons)
    common.save_json(rows, work.catalogue)


def make_words(work: common.Work) -> None:
    """Write a random word table, and two words near to shapes, as `words` would."""
    text = model.CONFIG["model_cfg"]["text_cfg"]
    table = 0.1 * torch.randn(text["vocab_size"], text["width"], generator=common.generator("words"))
    common.save_tensors({"tokens": table}, work.folder("data") / "words.safetensors")
    near = [
        {"word": "disc", "names": [0, 1], "chances": [0.8, 0.2], "cosine": 0.9},
        {"word": "plus", "names": [1, 2], "chances": [0.8, 0.2], "cosine": 0.6},
    ]
    common.save_json(near, work.folder("data") / "near.json")


def make_prompts(work: common.Work) -> str:
    """Write a list of prompts about the shapes, one of each kind; return its path."""
    path = work.root / "prompts.json"
    rows = [
        {"prompt": "a blue circle", "things": [{"word": "circle", "colour": "blue"}]},
        {"prompt": "a square", "things": [{"word": "square"}]},
        {"prompt": "two red rings", "things": [{"word": "ring", "colour": "red"}], "number": 2},
        {
            "prompt": "a triangle above a cross",
            "things": [{"word": "triangle"}, {"word": "cross"}],
            "relation": "above",
        },
    ]
    common.save_json(rows, path)
    return str(path)


def step(name: str, work: common.Work, *more: str) -> None:
    """Run one step of the recipe in a new process."""
    command = [sys.executable, "-m", f"training.{name}", "--work", str(work.root), "--smoke", *more]
    subprocess.run(command, check=True)


def main() -> None:
    """Run all steps from the teacher to the record."""
    work = common.Work(common.parser(__doc__).parse_args().work)
    make_icons(work)
    make_words(work)
    step("teacher", work, "--steps", "20")
    step("shards", work, "--count", "2")
    step("student", work, "--steps", "4")
    step("look", work, "--steps", "4")
    step("evaluate", work)
    step("paint_check", work, "--guide", str(work.root / "doodle-look"))
    listed = ("--prompts", make_prompts(work))
    step("judge", work, "--scenes", "128", "--steps", "20", *listed)
    step("record", work, "--guide", str(work.root / "doodle-look"), *listed)


if __name__ == "__main__":
    main()
