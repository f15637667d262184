"""Write the averaged student as an open_clip directory, ready to ship.

    python -m training.export --work DIR --to artgen/guides/doodle

The directory holds `open_clip_config.json`, `open_clip_model.safetensors` (fp16),
`names.json` and `painting.json`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training import common, model

WEIGHTS = "open_clip_model.safetensors"


def from_average(
    work: common.Work,
    average: dict[str, Tensor],
    words: Tensor,
    vocabulary,
    step: int,
    *,
    config: dict[str, Any] = model.CONFIG,
    painting: dict[str, Any] | None = None,
    name: str = "doodle-latest",
) -> Path:
    """Write the directory `name` from a training's averaged weights and its table of words; the old one goes."""
    state = average | {"token_embedding.weight": words}
    target = work.root / name
    partial = work.folder("doodle-partial")
    half = {key: value.detach().half().contiguous().clone() for key, value in state.items()}
    common.save_tensors(half, partial / WEIGHTS, {"step": step})
    common.save_json(config, partial / "open_clip_config.json")
    common.save_json(spoken_names(vocabulary), partial / "names.json")
    common.save_json(painting or {}, partial / "painting.json")
    old = work.root / "doodle-old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    partial.replace(target)
    return target


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
