"""Scenes in numbered portions. Portion k is the same on every machine, so a lost one is made again.

A shard holds `images` uint8 [S, 3, 72, 72] (the student crops 64 px out of them), the ImageNet
network's `features` fp16 [S, 1280], `tokens` and `false_tokens` [S, 16], `name`, `colour` (-1: its own),
`kind` and `may_flip`.

    python -m training.shards --work DIR --count 10
"""

from __future__ import annotations

import json

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from training import captions, common, model, scenes

STORED = 72
TEACHER = 128
KINDS = ("single", "pair", "count")


class Maker:
    """Plans and draws shards, and asks the teacher, if there is one, about them."""

    def __init__(
        self,
        work: common.Work,
        backbone,
        seed: str = "train",
        size: int = 4096,
        planner: captions.Planner | None = None,
    ):
        rows = json.loads(work.catalogue.read_text())
        self.planner = planner or captions.Planner(captions.Vocabulary(rows))
        self.vocabulary = self.planner.vocabulary
        self.atlas = scenes.Atlas(load_file(work.icons)["icons"])
        self.backbone, self.seed, self.size = backbone, seed, size

    def make(self, index: int) -> dict[str, Tensor]:
        """Return shard `index`."""
        generator = common.generator(self.seed, index)
        plans = self.planner.plans(self.size, generator)
        images, features = [], []
        for start in range(0, self.size, 128):
            size = TEACHER if self.backbone else STORED
            drawn = scenes.render(plans[start : start + 128], self.atlas, size, generator)
            if self.backbone:
                features.append(self.backbone(drawn))
            small = F.interpolate(
                drawn, size=(STORED, STORED), mode="bilinear", antialias=True, align_corners=False
            )
            images.append((small * 255).round().clamp(0, 255).to(torch.uint8))
        told = {"features": torch.cat(features).clone()} if features else {}
        return told | {
            "images": torch.cat(images),
            "tokens": model.tokens([plan.caption for plan in plans]).to(torch.int32),
            "false_tokens": model.tokens([plan.false_caption for plan in plans]).to(torch.int32),
            "name": torch.tensor([plan.name for plan in plans], dtype=torch.int16),
            "colour": torch.tensor([plan.things[0].colour for plan in plans], dtype=torch.int8),
            "kind": torch.tensor([KINDS.index(plan.kind) for plan in plans], dtype=torch.uint8),
            "may_flip": torch.tensor([plan.may_flip for plan in plans]),
        }


def shard_at(index: int, work: common.Work, maker: Maker) -> dict[str, Tensor]:
    """Return shard `index`: from disk, or made and kept there."""
    path = work.folder(f"shards/{maker.seed}") / f"{index:05d}.safetensors"
    if path.exists():
        return load_file(path)
    shard = maker.make(index)
    common.save_tensors(shard, path)
    return shard


def main() -> None:
    """Make the first shards; the later ones are made while the student trains."""
    from training.teacher import backbone_of

    arguments = common.parser(__doc__)
    arguments.add_argument("--count", type=int, default=10)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    maker = Maker(work, backbone_of(work, options.smoke), size=64 if options.smoke else 4096)
    for index in range(options.count):
        shard_at(index, work, maker)
        common.log(f"shard {index}")


if __name__ == "__main__":
    main()
