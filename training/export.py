"""Write the guide as a directory that open_clip can load.

    python -m training.export --work DIR --to artgen/guides/doodle

The directory contains `open_clip_config.json`, `open_clip_model.safetensors` (the word table, the
convolutions and the matrices of the text tower in 8 bits, the rest in fp16), `names.json` and
`painting.json`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training import common

WEIGHTS = "open_clip_model.safetensors"


def written(
    work: common.Work,
    state: dict[str, Tensor],
    vocabulary,
    steps: dict[str, int],
    *,
    config: dict[str, Any],
    painting: dict[str, Any],
    name: str = "doodle-look",
) -> Path:
    """Write a guide into the directory `name`, which replaces an older one.

    Args:
        work: parent of the directory.
        state: the weights; they are stored as `stored` says.
        vocabulary: all names.
        steps: how long each tower was trained, for the metadata.
        config: of open_clip.
        painting: content of `painting.json`.
        name: of the directory.

    Returns:
        The directory.
    """
    target = work.root / name
    partial = work.folder("doodle-partial")
    tensors = {key: stored(key, value).detach().clone() for key, value in state.items()}
    common.save_tensors(tensors, partial / WEIGHTS, steps)
    common.save_json(config, partial / "open_clip_config.json")
    common.save_json(spoken_names(vocabulary), partial / "names.json")
    (partial / "painting.json").write_text(json.dumps(painting) + "\n")  # one line, to keep the package small

    old = work.root / "doodle-old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    partial.replace(target)
    return target


def stored(key: str, value: Tensor) -> Tensor:
    """Return a weight in the number format of the file.

    Convolutions and matrices of the text tower take 8 bits (e4m3, relative error 2.7%), all others fp16
    (0.02%). A weight that has 8 bits already is returned as it is.
    """
    convolution = value.ndim == 4 and ".conv" in key
    matrix = value.ndim == 2 and key.startswith("transformer.")
    if value.element_size() == 1:
        return value
    return value.to(torch.float8_e4m3fn) if convolution or matrix else value.half()


def spoken_names(vocabulary) -> list[str]:
    """Return all trained names and their everyday forms, sorted and without duplicates."""
    return sorted({word for _, word in vocabulary.words()})


def main() -> None:
    """Copy the last guide into the package."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--to", type=Path, required=True, help="directory of the guide in the package")
    options = arguments.parse_args()
    source = options.work / "doodle-look"
    options.to.mkdir(parents=True, exist_ok=True)

    for name in ("open_clip_config.json", WEIGHTS, "names.json", "painting.json"):
        target = options.to / name
        shutil.copyfile(source / name, target)
        common.log(f"{target}: {target.stat().st_size / 1e6:.1f} MB, SHA-256 {common.sha256(target)}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
