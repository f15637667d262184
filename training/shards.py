"""Scenes in numbered shards. A shard follows from its number on every machine, so a lost one can be made again.

A shard contains `images`, uint8 [S, 3, 72, 72], of which the student crops 64 px, `meaning`, fp16
[S, codes.WIDTH], `names` [S, 2] (twice the same unless the scene is a pair), `icon` [S] (-1 for a pair) and
`may_flip` [S].

    python -m training.shards --work DIR --count 10
"""

from __future__ import annotations

import json

import torch
from safetensors.torch import load_file
from torch import Tensor

from training import captions, codes, common, scenes

STORED = 72


class Planner(captions.Planner):
    """Plans the student's scenes, including single things in their own colours on a plain background."""

    SHARES = (("portrait", 0.34), ("single", 0.28), ("pair", 0.26), ("count", 0.12))
    TINTED_PORTRAITS = 0.35


class Maker:
    """Plans and draws shards.

    Args:
        work: folder of the catalogue and the drawings.
        size: scenes per shard.
    """

    def __init__(self, work: common.Work, size: int = 4096):
        rows = json.loads(work.catalogue.read_text())
        self.planner = Planner(captions.Vocabulary(rows))
        self.atlas = scenes.Atlas(load_file(work.icons)["icons"])
        self.codes, self.size = codes.Codes.load(work), size

    def make(self, index: int) -> dict[str, Tensor]:
        """Return shard `index`."""
        generator = common.generator("shard", index)
        plans = self.planner.plans(self.size, generator)
        name_of = self.codes.name_of
        icons, names = [], []
        for plan in plans:
            first, last = plan.things[0].icon, plan.things[-1].icon
            icons.append(-1 if plan.kind == "pair" else first)
            names.append([name_of[first], name_of[last]])

        return {
            "images": scenes.draw(plans, self.atlas, STORED, generator),
            "meaning": self.codes.of_pictures(plans).half(),
            "names": torch.tensor(names, dtype=torch.int16),
            "icon": torch.tensor(icons),
            "may_flip": torch.tensor([codes.mirrors(plan) for plan in plans]),
        }


def shard_at(index: int, work: common.Work, maker: Maker) -> dict[str, Tensor]:
    """Return shard `index` from disk; make and store it first if it is missing."""
    path = work.folder("shards") / f"{index:05d}.safetensors"
    if path.exists():
        return load_file(path)
    shard = maker.make(index)
    common.save_tensors(shard, path)
    return shard


def main() -> None:
    """Make the first shards. The student makes the others while it trains."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--count", type=int, default=10, help="number of shards (default 10)")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    maker = Maker(work, size=64 if options.smoke else 4096)
    for index in range(options.count):
        shard_at(index, work, maker)
        common.log(f"shard {index}")


if __name__ == "__main__":
    main()
