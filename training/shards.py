"""Scenes in numbered portions. Portion k is the same on every machine, so a lost one is made again.

A shard holds `images` uint8 [S, 3, 72, 72] (the student crops 64 px out of them), `meaning` fp16 [S, codes.WIDTH],
`names` [S, 2] (twice the same unless it is a pair), `icon` (-1 if there are two) and `may_flip`.

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
    """The student's scenes: also things as icons show them, in their own colours on a calm background."""

    SHARES = (("portrait", 0.34), ("single", 0.28), ("pair", 0.26), ("count", 0.12))
    TINTED_PORTRAITS = 0.35


class Maker:
    """Plans and draws shards."""

    def __init__(self, work: common.Work, size: int = 4096):
        rows = json.loads(work.catalogue.read_text())
        self.planner = Planner(captions.Vocabulary(rows))
        self.atlas = scenes.Atlas(load_file(work.icons)["icons"])
        self.codes, self.size = codes.Codes.load(work), size

    def make(self, index: int) -> dict[str, Tensor]:
        """Return shard `index`."""
        generator = common.generator("shard", index)
        plans = self.planner.plans(self.size, generator)
        ends = [(plan.things[0].icon, plan.things[-1].icon) for plan in plans]
        name_of = self.codes.name_of
        return {
            "images": scenes.draw(plans, self.atlas, STORED, generator),
            "meaning": self.codes.of_pictures(plans).half(),
            "names": torch.tensor([[name_of[a], name_of[b]] for a, b in ends], dtype=torch.int16),
            "icon": torch.tensor(
                [a if p.kind != "pair" else -1 for p, (a, _) in zip(plans, ends, strict=True)]
            ),
            "may_flip": torch.tensor([codes.mirrors(plan) for plan in plans]),
        }


def shard_at(index: int, work: common.Work, maker: Maker) -> dict[str, Tensor]:
    """Return shard `index`: from disk, or made and kept there."""
    path = work.folder("shards") / f"{index:05d}.safetensors"
    if path.exists():
        return load_file(path)
    shard = maker.make(index)
    common.save_tensors(shard, path)
    return shard


def main() -> None:
    """Make the first shards; the later ones are made while the student trains."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--count", type=int, default=10)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    maker = Maker(work, size=64 if options.smoke else 4096)
    for index in range(options.count):
        shard_at(index, work, maker)
        common.log(f"shard {index}")


if __name__ == "__main__":
    main()
