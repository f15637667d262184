"""Write the guide as an open_clip directory, ready to ship.

    python -m training.export --work DIR --to artgen/guides/doodle

The directory holds `open_clip_config.json`, `open_clip_model.safetensors` (words, convolutions and
the matrices of the text tower in 8 bits, the rest fp16), `names.json` and `painting.json`.
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
    """Write the directory `name` from a guide's weights; the old one goes.

    Convolutions and the text tower's matrices become 8 bits wide, what else is wider than that fp16.
    """
    target = work.root / name
    partial = work.folder("doodle-partial")
    small = {key: stored(key, value) for key, value in state.items()}
    common.save_tensors(
        {key: value.detach().clone() for key, value in small.items()}, partial / WEIGHTS, steps
    )
    common.save_json(config, partial / "open_clip_config.json")
    common.save_json(spoken_names(vocabulary), partial / "names.json")
    (partial / "painting.json").write_text(json.dumps(painting) + "\n")  # a line: every byte counts
    old = work.root / "doodle-old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    partial.replace(target)
    return target


def stored(key: str, value: Tensor) -> Tensor:
    """Return a weight as it is stored; its relative error is 2.7% in 8 bits (e4m3), 0.02% in fp16."""
    convolution = value.ndim == 4 and ".conv" in key
    matrix = value.ndim == 2 and key.startswith("transformer.")
    if value.element_size() == 1:
        return value
    return value.to(torch.float8_e4m3fn) if convolution or matrix else value.half()


def spoken_names(vocabulary) -> list[str]:
    """Return all names in training, everyday forms included, sorted and once each."""
    return sorted({word for forms in vocabulary.spoken for word, _ in forms})


def main() -> None:
    """Copy the last export into a directory of the package."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--to", type=Path, required=True)
    options = arguments.parse_args()
    source = options.work / "doodle-look"
    options.to.mkdir(parents=True, exist_ok=True)
    for name in ("open_clip_config.json", WEIGHTS, "names.json", "painting.json"):
        shutil.copyfile(source / name, options.to / name)
        common.log(
            f"{name} {(options.to / name).stat().st_size / 1e6:.1f} MB {common.sha256(options.to / name)}"
        )


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
