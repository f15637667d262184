"""The judge: says what a picture shows, to measure paintings by; never a guide, never shipped.

    python -m training.judge --work DIR --scenes 24576

It shares nothing with the guide but the drawings: a frozen EfficientNet-Lite2 with heads for names,
colours and numbers, fitted without attacks to scenes of its own (`judge_scenes`). Features go to
`judge/features/NNNNN.safetensors`, 1,024 scenes each, and those there are not made again; then the heads
are fitted to `judge/heads.safetensors`, and the ceiling on unseen drawings goes to `judge/ceiling.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kornia
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from training import captions, common, evaluate, judge_scenes, prompts, scenes, subject, teacher
from training.judge_scenes import KINDS
from training.names import COLOURS
from training.teacher import SCALE, optimise

SIZE = 192
SHARD = 1024
WEIGHTS = "efficientnet-lite2-9656183e.pth"
DISTANCES = (0.0, 2.5, 5.0)
"""The judge looks again and again, blurred by so many pixels: cells and strokes melt together from afar."""
SPACE = 128
"""Numbers in which every name is a direction."""
DOUBT = 0.02
"""Part of every answer that is spread evenly, so that one sure mistake does not outweigh the rest."""


class Quarters(nn.Module):
    """EfficientNet-Lite2 as trained on ImageNet, without its classifier: features of a picture's quarters."""

    def __init__(self, work: common.Work, smoke: bool = False):
        super().__init__()
        weights = work.folder("sources") / "judge" / WEIGHTS
        self.backbone = teacher.Backbone("lite2", None if smoke else weights)

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, 192, 192] in 0..1 to features [N, 4, 1280].

        The quarters are upper left, upper right, lower left, lower right.
        """
        parts = [F.avg_pool2d(self.backbone(part), SIZE // 64) for part in images.split(64)]
        return torch.cat(parts).flatten(2).mT.contiguous()


def blurred(images: Tensor, spread: float) -> Tensor:
    """Return images under a Gaussian blur of a standard deviation in pixels, 0 for none."""
    if spread == 0:
        return images
    return kornia.filters.gaussian_blur2d(images, (25, 25), (spread, spread))


def views(quarters: Tensor) -> Tensor:
    """Return features [N, 5, 1280] of the whole picture and of its left, right, upper, lower half."""
    pairs = [[0, 1, 2, 3], [0, 2], [1, 3], [0, 1], [2, 3]]
    return torch.stack([quarters[:, rows].mean(1) for rows in pairs], 1)


class Heads(nn.Module):
    """What is asked of the features: the thing's name, its colour, and how many things there are.

    Args:
        names: how many names.
        features: [N, 1280] in training, whose mean and spread are evened out; blank if they are read from a file.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, names: int, features: Tensor | None = None):
        super().__init__()
        generator = common.generator("judge heads")
        self.register_buffer("mean", torch.zeros(1280) if features is None else features.mean(0))
        self.register_buffer("spread", torch.ones(1280) if features is None else features.std(0) + 1e-3)
        self.space, self.prototypes = nn.Linear(1280, SPACE), nn.Linear(SPACE, names, bias=False)
        self.colours = nn.Linear(1280, len(COLOURS))
        self.quarter, self.kinds = nn.Linear(1280, 64), nn.Linear(256, len(KINDS))
        for layer in (self.space, self.prototypes, self.colours, self.quarter, self.kinds):
            nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def _even(self, seen: Tensor, dropped: float) -> Tensor:
        return F.dropout((seen - self.mean) / self.spread, dropped, self.training)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Map features [..., 1280] to logits of names and of colours."""
        placed = F.normalize(self.space(self._even(seen, 0.6)), dim=-1)
        names = SCALE * placed @ F.normalize(self.prototypes.weight, dim=1).T
        return names, self.colours(self._even(seen, 0.3))

    def kinds_of(self, quarters: Tensor) -> Tensor:
        """Map features [N, 4, 1280] to logits of `KINDS`."""
        hidden = F.gelu(self.quarter(self._even(quarters, 0.2)))
        return self.kinds(hidden.flatten(1))

    def loss(self, data: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, float]:
        """Return the cross-entropies of a batch, and the share of names that are right."""
        quarters = data["features"][rows].float()
        seen, kind = views(quarters), data["kind"][rows].long()
        pair = (kind == KINDS.index("pair")).nonzero()[:, 0]
        alone = (kind != KINDS.index("pair")).nonzero()[:, 0]
        side = 1 + 2 * data["upright"][rows][pair].long()
        asked = torch.cat([seen[alone, 0], seen[pair, side], seen[pair, side + 1]])
        order = lambda key: torch.cat(  # noqa: E731
            [data[key][rows][alone, 0], data[key][rows][pair, 0], data[key][rows][pair, 1]]
        ).long()
        names, colours = self(asked)
        name, colour = order("name"), order("colour")
        loss = F.cross_entropy(names, name, label_smoothing=0.1)
        loss = loss + 0.5 * F.cross_entropy(colours[colour >= 0], colour[colour >= 0])
        loss = loss + 0.5 * F.cross_entropy(self.kinds_of(quarters), kind)
        return loss, (names.argmax(1) == name).float().mean().item()


def make_shard(
    index: int, planner: judge_scenes.Planner, atlas: scenes.Atlas, backbone: Quarters, size: int
) -> dict[str, Tensor]:
    """Return `size` scenes: features [S, 4, 1280], name and colour [S, 2], kind and upright [S]."""
    generator = common.generator("judge", index)
    plans, features = planner.plans(size, generator), []
    for start in range(0, size, 64):
        drawn = scenes.render(plans[start : start + 64], atlas, SIZE, generator)
        features.append(backbone(judge_scenes.disguised(drawn, generator)).half())
    name_of = {icon: i for i, icons in enumerate(planner.vocabulary.icons) for icon in icons}
    ends = [(plan.things[0], plan.things[-1]) for plan in plans]
    return {
        "features": torch.cat(features).clone(),
        "name": torch.tensor([[name_of[a.icon], name_of[b.icon]] for a, b in ends], dtype=torch.int16),
        "colour": torch.tensor([[a.colour, b.colour] for a, b in ends], dtype=torch.int8),
        "kind": torch.tensor([KINDS.index(plan.kind) for plan in plans], dtype=torch.uint8),
        "upright": torch.tensor([abs(a.y - b.y) > abs(a.x - b.x) for a, b in ends]),
    }


def features(work: common.Work, vocabulary, atlas, backbone, count: int, smoke: bool) -> dict[str, Tensor]:
    """Return all shards joined; make the missing ones of the first `count` scenes."""
    planner, size = judge_scenes.Planner(vocabulary), 128 if smoke else SHARD
    folder = work.folder("judge/features")
    for index in range(-(-count // size)):
        path = folder / f"{index:05d}.safetensors"
        if not path.exists():
            common.save_tensors(make_shard(index, planner, atlas, backbone, size), path)
            common.log(f"judge's shard {index}")
    parts = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def fit(data: dict[str, Tensor], names: int, steps: int) -> Heads:
    """Return heads fitted to the features."""
    heads = Heads(names, data["features"][::4].float().mean(1)).train()

    def loss_of(step: int):
        rows = torch.randint(len(data["kind"]), (384,), generator=common.generator("judge heads", step))
        return heads.loss(data, rows)

    optimise(heads.parameters(), steps, 2e-3, loss_of, "judge", decay=0.2)
    return heads.eval()


@dataclass(frozen=True)
class Seen:
    """What the judge saw: log probabilities.

    Args:
        names: [N, 5, names], of the `views`.
        colours: [N, 5, 11].
        kinds: [N, 5].
    """

    names: Tensor
    colours: Tensor
    kinds: Tensor


class Judge:
    """Backbone, heads and words: which prompt does a picture show?"""

    def __init__(self, vocabulary: captions.Vocabulary, backbone: Quarters, heads: Heads):
        self.backbone, self.heads, self.vocabulary = backbone, heads, vocabulary
        chances = torch.tensor(vocabulary.cumulative).diff(prepend=torch.zeros(1))
        self.chances = chances / chances.sum()

    @classmethod
    def load(cls, work: common.Work, smoke: bool = False) -> Judge:
        """Return the judge that `main` fitted."""
        path = work.folder("judge") / "heads.safetensors"
        if not path.exists():
            raise SystemExit(f"{path} is missing; run python -m training.judge --work {work.root} first")
        vocabulary = captions.Vocabulary(json.loads(work.catalogue.read_text()))
        heads = Heads(len(vocabulary.names)).eval()
        heads.load_state_dict(load_file(path))
        return cls(vocabulary, Quarters(work, smoke), heads)

    @torch.inference_mode()
    def look(self, images: Tensor) -> Seen:
        """Look at images [N, 3, H, W] in 0..1 from near and from afar; the mean of the log probabilities counts."""
        small = F.interpolate(images, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        glances = [self._glance(blurred(small, spread)) for spread in DISTANCES]
        return Seen(*(torch.stack(told).mean(0).log_softmax(-1) for told in zip(*glances, strict=True)))

    def _glance(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log probabilities of names and colours in the views, and of kinds."""
        quarters = self.backbone(images)
        names, colours = self.heads(views(quarters))
        kinds = self.heads.kinds_of(quarters)
        return names.log_softmax(2), colours.log_softmax(2), kinds.log_softmax(1)

    def named(self, word: str) -> list[int]:
        """Return the rows of all names that `word` stands for: 'car' is four of them."""
        rows = [i for i, forms in enumerate(self.vocabulary.spoken) if word in [form for form, _ in forms]]
        if not rows:
            raise ValueError(f"the judge does not know {word!r}; take a word of training.captions.Vocabulary")
        return rows

    def _evidence(self, seen: Seen, word: str, colour: str | None) -> Tensor:
        """Return log (chance after seeing / chance before) of a thing, [N, 5]."""
        rows = self.named(word)
        before = self.chances[rows].sum()
        after = seen.names[..., rows].exp().sum(2)
        total = ((1 - DOUBT) * after + DOUBT * before).log() - before.log()
        if colour is not None:
            told = seen.colours[..., COLOURS.index(colour)].exp()
            total = total + ((1 - DOUBT) * told * len(COLOURS) + DOUBT).log()
        return total

    def scores(self, images: Tensor, asked: list[prompts.Prompt]) -> Tensor:
        """Return how much more probable each prompt is after seeing each image, in nats, [N, T]."""
        return self.scores_of(self.look(images), asked)

    def scores_of(self, seen: Seen, asked: list[prompts.Prompt]) -> Tensor:
        """Return the same for what was seen already.

        The evidence of name, colour and number adds up as if they were independent (naive Bayes). Of two
        things, each is looked for on its side; with 'and', on either.
        """
        columns = []
        for prompt in asked:
            things = [self._evidence(seen, thing.word, thing.colour) for thing in prompt.things]
            if len(things) == 1:
                kind, score = prompt.number - 1, things[0][:, 0]
            else:
                first, second = (thing[:, 1:] for thing in things)
                where = {"above": [2], "below": [3], "left": [0], "right": [1], "and": [0, 1, 2, 3]}
                places = where[prompt.relation]
                score = torch.stack([first[:, i] + second[:, i ^ 1] for i in places], 1)
                kind, score = len(KINDS) - 1, score.logsumexp(1) - torch.tensor(len(places)).log()
            before = judge_scenes.SHARES[kind]
            columns.append(score + ((1 - DOUBT) * seen.kinds[:, kind].exp() / before + DOUBT).log())
        return torch.stack(columns, 1)

    def colours(self, images: Tensor) -> list[str]:
        """Return the colour of what each image shows."""
        return [COLOURS[i] for i in self.look(images).colours[:, 0].argmax(1).tolist()]


def names_figures(judge: Judge, rows: list[dict], icons: Tensor) -> dict[str, Any]:
    """Top-1 and top-5 in percent on the unseen style's things."""
    drawings, classes, labels = evaluate.style_set(rows, icons, "openmoji things")
    known = torch.tensor([judge.vocabulary.names.index(name) for name in classes])
    parts = [judge.look(teacher.shown(part, SIZE)).names[:, 0] for part in drawings.split(64)]
    order = torch.cat(parts)[:, known].topk(min(5, len(classes)), dim=1).indices
    hit = order == labels[:, None]
    top = {"top1": hit[:, 0], "top5": hit.any(1)}
    return {"classes": len(classes)} | {key: 100 * value.float().mean().item() for key, value in top.items()}


def ceiling(
    judge: Judge, asked: list[prompts.Prompt], rows: list[dict], atlas: scenes.Atlas, versions: int
) -> dict[str, Any]:
    """Percent of real drawings of the unseen style, tinted and placed as prompts say, that are found.

    Args:
        judge: who is asked.
        asked: the prompts.
        rows: the catalogue.
        atlas: its drawings.
        versions: drawings a prompt.
    """
    plans = prompts.drawn_plans(asked, rows, "openmoji", versions)
    generator = common.generator("judge ceiling")
    images = scenes.draw(plans, atlas, SIZE, generator).float() / 255
    truth = torch.arange(len(asked)).repeat_interleave(versions)
    figures: dict[str, Any] = {"prompts": len(asked), "drawings": len(plans)}
    coarse = F.interpolate(F.interpolate(images, size=(32, 32), mode="area"), size=(SIZE, SIZE))
    for look, shown in (("clean", images), ("32 cells", coarse)):
        right = prompts.found(judge.scores(shown, asked), truth)
        figures[look] = prompts.shares(asked, right, truth)
        told = [asked[i].things[0].colour if len(asked[i].things) == 1 else None for i in truth.tolist()]
        figures[look]["colours"] = subject.agreement(shown, told, judge.colours(shown))
    return figures


def main() -> None:
    """Make features, fit the heads, and measure the ceiling."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--scenes", type=int, default=24576)
    arguments.add_argument("--steps", type=int, default=2500)
    arguments.add_argument("--prompts", type=Path, default=prompts.LIST, help="another list to be found in")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    rows, icons = json.loads(work.catalogue.read_text()), load_file(work.icons)["icons"]
    vocabulary, atlas = captions.Vocabulary(rows), scenes.Atlas(icons)
    backbone = Quarters(work, options.smoke)
    data = features(work, vocabulary, atlas, backbone, options.scenes, options.smoke)
    heads = fit(data, len(vocabulary.names), options.steps)
    common.save_tensors(heads.state_dict(), work.folder("judge") / "heads.safetensors")
    judge = Judge(vocabulary, backbone, heads)
    figures = {
        "scenes": len(data["kind"]),
        "names": names_figures(judge, rows, icons),
        "ceiling": ceiling(judge, prompts.listed(options.prompts), rows, atlas, 1 if options.smoke else 4),
    }
    common.save_json(figures, work.folder("judge") / "ceiling.json")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
