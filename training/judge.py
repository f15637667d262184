"""The judge: an independent network that says what a picture shows, to measure paintings.

    python -m training.judge --work DIR --scenes 24576

The judge never guides a painter and is not shipped. It shares only the drawings with the guide: a frozen
EfficientNet-Lite2 with heads for names, colours and numbers, fitted without attacks to scenes of its own
(`judge_scenes`).

Features are written to `judge/features/NNNNN.safetensors`, 1,024 scenes each, and are not computed again.
The heads are fitted to them and written to `judge/heads.safetensors`. The ceiling, the score of real
drawings of an unseen style, is written to `judge/ceiling.json`.
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
from torch import Tensor

from training import captions, common, evaluate, judge_scenes, loop, prompts, scenes, subject, teacher
from training.judge_model import SIZE, Heads, Quarters, views
from training.judge_scenes import KINDS
from training.names import COLOURS

SHARD = 1024
DISTANCES = (0.0, 2.5, 5.0)
"""The judge looks at a picture under each of these blurs (pixels), as if from further away."""
DOUBT = 0.02
"""Fraction of every probability that is spread evenly, so that one confident mistake does not decide."""
SIDES = {"above": [2], "below": [3], "left": [0], "right": [1], "and": [0, 1, 2, 3]}
"""Halves of the picture that may show the first of two things: left, right, upper, lower."""


def blurred(images: Tensor, spread: float) -> Tensor:
    """Return images [N, 3, H, W] under a Gaussian blur with standard deviation `spread` in pixels."""
    if spread == 0:
        return images
    return kornia.filters.gaussian_blur2d(images, (25, 25), (spread, spread))


def make_shard(
    index: int, planner: judge_scenes.Planner, atlas: scenes.Atlas, backbone: Quarters, size: int
) -> dict[str, Tensor]:
    """Return `size` scenes: features [S, 4, 1280], name and colour [S, 2], kind and upright [S]."""
    generator = common.generator("judge", index)
    plans, features = planner.plans(size, generator), []
    for start in range(0, size, 64):
        drawn = scenes.render(plans[start : start + 64], atlas, SIZE, generator)
        features.append(backbone(judge_scenes.disguised(drawn, generator)).half())

    name_of = planner.vocabulary.name_of()
    ends = [(plan.things[0], plan.things[-1]) for plan in plans]
    names = [[name_of[first.icon], name_of[last.icon]] for first, last in ends]
    colours = [[first.colour, last.colour] for first, last in ends]
    upright = [abs(first.y - last.y) > abs(first.x - last.x) for first, last in ends]
    return {
        "features": torch.cat(features).clone(),
        "name": torch.tensor(names, dtype=torch.int16),
        "colour": torch.tensor(colours, dtype=torch.int8),
        "kind": torch.tensor([KINDS.index(plan.kind) for plan in plans], dtype=torch.uint8),
        "upright": torch.tensor(upright),
    }


def features(
    work: common.Work,
    vocabulary: captions.Vocabulary,
    atlas: scenes.Atlas,
    backbone: Quarters,
    count: int,
    smoke: bool,
) -> dict[str, Tensor]:
    """Return all shards joined; make those of the first `count` scenes that are missing."""
    planner, size = judge_scenes.Planner(vocabulary), 128 if smoke else SHARD
    folder = work.folder("judge/features")

    for index in range(-(-count // size)):
        path = folder / f"{index:05d}.safetensors"
        if not path.exists():
            common.save_tensors(make_shard(index, planner, atlas, backbone, size), path)
            common.log(f"shard {index} of the judge")

    return common.joined([load_file(path) for path in sorted(folder.glob("*.safetensors"))])


def fit(data: dict[str, Tensor], names: int, steps: int) -> Heads:
    """Return heads fitted to the features."""
    heads = Heads(names, data["features"][::4].float().mean(1)).train()

    def loss_of(step: int) -> tuple[Tensor, float]:
        rows = torch.randint(len(data["kind"]), (384,), generator=common.generator("judge heads", step))
        return heads.loss(data, rows)

    loop.fit("judge", heads.parameters(), steps, loss_of)
    return heads.eval()


@dataclass(frozen=True)
class Seen:
    """What the judge saw, as log probabilities.

    Args:
        names: [N, 5, names], for each of the `views`.
        colours: [N, 5, 11].
        kinds: [N, 5].
    """

    names: Tensor
    colours: Tensor
    kinds: Tensor


class Judge:
    """Says which prompt a picture shows.

    Args:
        vocabulary: the names it knows.
        backbone: computes features.
        heads: fitted to them.
    """

    def __init__(self, vocabulary: captions.Vocabulary, backbone: Quarters, heads: Heads):
        self.backbone, self.heads, self.vocabulary = backbone, heads, vocabulary
        chances = torch.tensor(vocabulary.cumulative).diff(prepend=torch.zeros(1))
        self.chances = chances / chances.sum()

    @classmethod
    def load(cls, work: common.Work, smoke: bool = False) -> Judge:
        """Return the judge that was fitted in a work folder.

        Raises:
            SystemExit: there is none.
        """
        path = work.folder("judge") / "heads.safetensors"
        if not path.exists():
            raise SystemExit(f"{path} is missing; run python -m training.judge --work {work.root} first")
        vocabulary = captions.Vocabulary(json.loads(work.catalogue.read_text()))
        heads = Heads(len(vocabulary.names)).eval()
        heads.load_state_dict(load_file(path))
        return cls(vocabulary, Quarters(work, smoke), heads)

    @torch.inference_mode()
    def look(self, images: Tensor) -> Seen:
        """Look at images [N, 3, H, W] in 0..1 under each of `DISTANCES`; average the log probabilities."""
        small = F.interpolate(images, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        glances = [self._glance(blurred(small, spread)) for spread in DISTANCES]
        means = [torch.stack(answers).mean(0).log_softmax(-1) for answers in zip(*glances, strict=True)]
        return Seen(*means)

    def _glance(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log probabilities of names and of colours in the views, and of kinds."""
        quarters = self.backbone(images)
        names, colours = self.heads(views(quarters))
        kinds = self.heads.kinds_of(quarters)
        return names.log_softmax(2), colours.log_softmax(2), kinds.log_softmax(1)

    def named(self, word: str) -> list[int]:
        """Return the numbers of all names that `word` stands for, such as four for "car".

        Raises:
            ValueError: it is not a word of the vocabulary.
        """
        rows = [number for number, spoken in self.vocabulary.words() if spoken == word]
        if not rows:
            raise ValueError(f"the judge does not know {word!r}; use a word of training.captions.Vocabulary")
        return rows

    def _evidence(self, seen: Seen, word: str, colour: str | None) -> Tensor:
        """Return the log of the chance of a thing after seeing over the chance before, [N, 5]."""
        rows = self.named(word)
        before = self.chances[rows].sum()
        after = seen.names[..., rows].exp().sum(2)
        total = ((1 - DOUBT) * after + DOUBT * before).log() - before.log()

        if colour is not None:
            chance = seen.colours[..., COLOURS.index(colour)].exp()
            total = total + ((1 - DOUBT) * chance * len(COLOURS) + DOUBT).log()
        return total

    def scores(self, images: Tensor, asked: list[prompts.Prompt]) -> Tensor:
        """Return how much more probable each prompt is after seeing each image, in nats, [N, T]."""
        return self.scores_of(self.look(images), asked)

    def scores_of(self, seen: Seen, asked: list[prompts.Prompt]) -> Tensor:
        """Return the same for pictures that were looked at already.

        The evidence of name, colour and number is added as if they were independent (naive Bayes). Each
        of two things is looked for on its side, or with "and" on either side.
        """
        columns = []
        for prompt in asked:
            things = [self._evidence(seen, thing.word, thing.colour) for thing in prompt.things]
            if len(things) == 1:
                kind, score = prompt.number - 1, things[0][:, 0]
            else:
                kind, score = len(KINDS) - 1, self._both(things, prompt.relation)
            before = judge_scenes.SHARES[kind]
            columns.append(score + ((1 - DOUBT) * seen.kinds[:, kind].exp() / before + DOUBT).log())
        return torch.stack(columns, 1)

    @staticmethod
    def _both(things: list[Tensor], relation: str) -> Tensor:
        """Return the evidence [N] of two things in their places, from that of each in the views [N, 5]."""
        first, second = (thing[:, 1:] for thing in things)
        places = SIDES[relation]
        score = torch.stack([first[:, side] + second[:, side ^ 1] for side in places], 1)
        return score.logsumexp(1) - torch.tensor(len(places)).log()

    def colours(self, images: Tensor) -> list[str]:
        """Return the colour of what each image shows."""
        return [COLOURS[i] for i in self.look(images).colours[:, 0].argmax(1).tolist()]


def names_figures(judge: Judge, rows: list[dict], icons: Tensor) -> dict[str, Any]:
    """Return top-1 and top-5 in percent on the things of the unseen style."""
    drawings, classes, labels = evaluate.style_set(rows, icons, "openmoji things")
    known = torch.tensor([judge.vocabulary.names.index(name) for name in classes])
    parts = [judge.look(teacher.shown(part, SIZE)).names[:, 0] for part in drawings.split(64)]
    order = torch.cat(parts)[:, known].topk(min(5, len(classes)), dim=1).indices
    hit = order == labels[:, None]
    return {
        "classes": len(classes),
        "top1": 100 * hit[:, 0].float().mean().item(),
        "top5": 100 * hit.any(1).float().mean().item(),
    }


def ceiling(
    judge: Judge, asked: list[prompts.Prompt], rows: list[dict], atlas: scenes.Atlas, versions: int
) -> dict[str, Any]:
    """Return the percentage of real drawings, placed and tinted as prompts say, that the judge finds.

    Args:
        judge: to be measured.
        asked: the prompts.
        rows: the catalogue, whose unseen style is drawn.
        atlas: its drawings.
        versions: drawings per prompt.
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
        colours = [asked[number].only_colour for number in truth.tolist()]
        figures[look]["colours"] = subject.agreement(shown, colours, judge.colours(shown))
    return figures


def main() -> None:
    """Compute features, fit the heads, and measure the ceiling."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--scenes", type=int, default=24576, help="to fit the heads to (default 24576)")
    arguments.add_argument("--steps", type=int, default=2500, help="of fitting the heads (default 2500)")
    arguments.add_argument(
        "--prompts", type=Path, default=prompts.LIST, help="list of prompts for the ceiling"
    )
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
