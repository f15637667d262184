"""Give the guide its words: a text tower that tells what a caption means and how it looks, and the axes of looks.

    python -m training.look --work DIR --steps 4000 [--from artgen/guides/doodle]

The last step of the recipe. It finds the principal axes of drawings that stand where a person would put them
(`training.easel`). The text tower then learns three things side by side: the coordinates of such drawings on the
axes, the meanings of captions of every kind (`training.codes`), and the names that other words are near to
(`training.words`). With the image tower as `student` left it, that makes the guide, `DIR/doodle-look`. Painting
follows the gradient of the cosine, and that of the look leads straight to the drawing that the words call to mind.
Restarts after a kill, to the same bits.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from artgen.guides.towers import GLANCE, MEANING, ROUGH, SCENE
from training import captions, codes, common, easel, export, halves, model, names, scenes

AXES = 136
"""Of the look; one more would be one less for the meaning that the text tower has room for."""
WHITEN = 0.25
"""Coordinates are divided by their variance to this power, so that details count beside light and colour."""
SHARE = 0.1
"""The look's part of the cosine when the guide judges."""
VIEWS = {"smallest": 0.95, "perspective": 0.03, "flip": 0.0, "noise": 0.02}
"""How the painter's views may vary: a look has its place, and its left and right."""
CHECKPOINT = 250
SHIFT_RATE = 0.25
"""Learning rate of the words' own vectors, as part of the others'."""
MEANT = {"names": 1.0, "colours": 0.5, "number": 0.5, "background": 1.0, "bound": 2.0}
"""Weights of the squared errors of the parts of a meaning, each as if it were of unit length."""
LOOK = 3.5
"""The same of the look."""
PAINTABLE = 0.65
"""Cosine of the sentence encoder from which on a word calls up the look of the name it is nearest to."""
STORED = torch.float8_e4m3fn
"""Format of the table of words, half of the guide, which is rounded to it before training."""
PAIRS = (("single", 0.4), ("pair", 0.5), ("count", 0.1))
"""Parts of the captions elsewhere: what has which colour is harder to learn than what is there."""


@dataclass(frozen=True)
class Plan:
    """How long to learn, and from how many scenes at once; near words and captions elsewhere come in addition."""

    steps: int = 4000
    batch: int = 320
    others: int = 112
    near: int = 64
    learning_rate: float = 2e-3
    drawings: int = 16384

    def rate(self, step: int) -> float:
        """Learning rate: 100 steps up, then down to 1%."""
        return self.learning_rate * min(1.0, (step + 1) / 100, max(0.01, 1 - step / self.steps))


class Easel:
    """Scenes to learn from, as small pictures with captions, and words near to their names."""

    def __init__(self, work: common.Work):
        rows = json.loads(work.catalogue.read_text())
        self.planner = easel.Planner(easel.Words(rows))
        self.elsewhere = captions.Planner(captions.Vocabulary(rows), PAIRS)
        self.codes = codes.Codes.load(work)
        self.atlas = scenes.Atlas(load_file(work.icons)["icons"])
        self.near = json.loads((work.folder("data") / "near.json").read_text())

    def pictures(self, plans: list[captions.Plan], generator: torch.Generator) -> Tensor:
        """Return flat pictures [N, 3 * 32 * 32] in -1..1 as `towers.Look` sees them."""
        drawn = scenes.render(plans, self.atlas, 2 * GLANCE, generator)
        return model.normalised(F.avg_pool2d(drawn, 2).flatten(1))

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, list[captions.Plan]]:
        """Return scenes as pictures, and their plans."""
        plans = self.planner.plans(count, generator)
        return self.pictures(plans, generator), plans

    def words(self) -> list[str]:
        """Return everything that captions are made of."""
        spoken = [word for forms in self.elsewhere.vocabulary.spoken for word, _ in forms]
        joints = ("above", "below", "to the left of", "to the right of", "and", "on a background", "a an")
        counted = [captions.plural(word) for word in spoken]
        return [*spoken, *counted, *names.COLOURS, *captions.NUMBERS, *captions.OPENINGS, *joints]

    def lesson(self, step: int, plan: Plan) -> Lesson:
        """Return what one step learns from: scenes, captions of other scenes, and words near to names."""
        generator = common.generator("look", step)
        pictures, plans = self.draw(plan.batch, generator)
        others = self.elsewhere.plans(plan.others, generator)
        meanings = self.codes.of_captions(plans + others)
        texts = [each.caption for each in plans + others]
        picked = torch.randint(max(1, len(self.near)), (plan.near if self.near else 0,), generator=generator)
        nearby = [self.near[i] for i in picked.tolist()]
        if nearby:
            known = torch.zeros(len(nearby), len(self.codes.prototypes))
            known.scatter_(
                1,
                torch.tensor([word["names"] for word in nearby]),
                torch.tensor([word["chances"] for word in nearby]),
            )
            meanings = torch.cat([meanings, self.codes.of_names(known)])
            texts += [captions.article(word["word"]) for word in nearby]
        shown = self.planner.portraits([word["names"][0] for word in nearby if painted(word)], generator)
        rows = [len(plans) + len(others) + i for i, word in enumerate(nearby) if painted(word)]
        rows = [row for row, each in zip(rows, shown, strict=True) if each is not None]
        if rows:
            pictures = torch.cat([pictures, self.pictures([each for each in shown if each], generator)])
        return Lesson(texts, meanings, pictures, torch.tensor([*range(len(plans)), *rows]))


@dataclass(frozen=True)
class Lesson:
    """Texts with unit meanings [N, codes.WIDTH], and pictures [M, 3072] of those in `rows` [M]."""

    texts: list[str]
    meanings: Tensor
    pictures: Tensor
    rows: Tensor


def painted(word: dict) -> bool:
    """Tell whether a word near to names calls up the look of one."""
    return word["cosine"] >= PAINTABLE and word["chances"][0] >= 0.5


def principal_axes(source: Easel, plan: Plan, axes: int) -> tuple[Tensor, Tensor]:
    """Return weight [axes, 3 * 32 * 32] and bias [axes] of the coordinates on the principal axes of drawings."""
    parts = [source.draw(512, common.generator("axes", i))[0] for i in range(-(-plan.drawings // 512))]
    pictures = torch.cat(parts)
    mean = pictures.mean(0)
    values, vectors = torch.linalg.eigh((pictures - mean).T @ (pictures - mean) / len(pictures))
    weight = (vectors[:, -axes:] * values[-axes:].clamp_min(1e-6).pow(-WHITEN)).flip(1).T.contiguous()
    return weight, -weight @ mean


def painting(axes: Tensor) -> dict[str, Any]:
    """Return how to paint by the guide, as its `painting.json` says: the look leads alone, and not whitened.

    With whitening, details would move faster than light and colour: shriller pictures, busier backgrounds.

    Args:
        axes: [N, 3 * 32 * 32], as the guide holds them.
    """
    spread = 1 / axes.norm(dim=1)
    factors = (spread / spread[0]).tolist()
    return VIEWS | {"emphasis": [[MEANING, 0.0], *([1, round(factor, 4)] for factor in factors)]}


class Words(nn.Module):
    """The table of words, in which those of the scenes may move and all others keep their places.

    Args:
        table: [words, width] of the sentence encoder's meanings.
        moved: numbers of the words that may move.
    """

    table: Tensor
    slots: Tensor

    def __init__(self, table: Tensor, moved: Tensor):
        super().__init__()
        self.register_buffer("table", table)
        slots = torch.zeros(len(table), dtype=torch.long)
        slots[moved] = torch.arange(1, len(moved) + 1)
        self.register_buffer("slots", slots)
        self.shift = nn.Parameter(torch.zeros(len(moved) + 1, table.shape[1]))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [N, L] to vectors [N, L, width]."""
        return F.embedding(tokens, self.table) + F.embedding(self.slots[tokens], self.shift, padding_idx=0)

    def moved(self) -> Tensor:
        """Return the whole table, [words, width], with what has moved."""
        return self.table + self.shift.detach()[self.slots]


class Learner:
    """The text tower and its optimisers, with a checkpoint.

    Args:
        work: where the checkpoint is kept.
        plan: how long to learn.
        axes: of the look.
        words: all that captions are made of.
    """

    def __init__(self, work: common.Work, plan: Plan, axes: int, words: list[str]):
        self.work, self.plan, self.step = work, plan, 0
        self.clip = model.build(common.generator("look"), model.looking(axes)).requires_grad_(False)
        with torch.no_grad():
            self.clip.text_projection *= 1 / (codes.WIDTH + axes) ** 0.5  # meanings are of unit length
        said = model.tokens(words).unique()
        table = load_file(work.folder("data") / "words.safetensors")["tokens"]
        self.clip.token_embedding = Words(table.to(STORED).float(), said[said > 0])
        self.weights = {
            key: weight.requires_grad_()
            for key, weight in self.clip.named_parameters()
            if not key.startswith(("visual.", "logit_scale"))
        }
        hidden = [w for k, w in self.weights.items() if k.startswith("transformer.") and w.ndim == 2]
        shift = [self.clip.token_embedding.shift]
        rest = [w for w in self.weights.values() if not any(w is other for other in hidden + shift)]
        groups = [{"params": rest, "share": 1.0}, {"params": shift, "share": SHIFT_RATE}]
        self.optimisers = (
            torch.optim.Muon(hidden, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98)),
        )

    @torch.no_grad()
    def start_from(self, guide: Path) -> None:
        """Take over an exported guide's text tower; a narrower one becomes the first numbers of ours."""
        given = {key: value.float() for key, value in load_file(guide / export.WEIGHTS).items()}
        words, table = self.clip.token_embedding, given["token_embedding.weight"]
        kept = words.table[:, : table.shape[1]]
        words.shift[words.slots, : table.shape[1]] = (table - kept) * (words.slots > 0)[:, None]
        rough, share = len(given["visual.trunk.bind.names.bias"]), given["visual.trunk.share"]
        given["text_projection"] = untold(given["text_projection"], rough, share)
        for key, weight in self.weights.items():
            if key in given:
                blocks = 3 if "in_proj" in key else 1  # queries, keys and values
                told = zip(given[key].chunk(blocks), weight.chunk(blocks), strict=True)
                weight.copy_(torch.cat([model.grown(old, new) for old, new in told]))
        self.clip.text_projection[len(given["text_projection"]) :] = 0  # new numbers say nothing yet

    @property
    def checkpoint(self) -> Path:
        """Where the learning is kept."""
        return self.work.folder("look") / "text.safetensors"

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{key}": weight.detach() for key, weight in self.weights.items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{number}.{index}.{name}": value for name, value in state.items()}
        common.save_tensors(tensors, self.checkpoint, {"step": self.step})

    def load(self) -> None:
        """Read the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        tensors = load_file(self.checkpoint)
        with torch.no_grad():
            for key, weight in self.weights.items():
                weight.copy_(tensors[f"model.{key}"])
        described = [optimiser.state_dict() for optimiser in self.optimisers]
        for key, value in tensors.items():
            if key.startswith("optimiser."):
                _, number, index, name = key.split(".")
                described[int(number)]["state"].setdefault(int(index), {})[name] = value
        for optimiser, state in zip(self.optimisers, described, strict=True):
            optimiser.load_state_dict(state)
        self.step = common.metadata(self.checkpoint)["step"]

    def learn(self, lesson: Lesson, wanted: Tensor) -> dict[str, float]:
        """Take one step, with the unit looks [M, axes] of the lesson's pictures; return figures."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.plan.rate(self.step) * group.get("share", 1.0)
        said = model.text_vectors(self.clip, model.tokens(lesson.texts))
        meant, look = said[:, :MEANING], said[:, MEANING:].index_select(0, lesson.rows)
        errors, lengths = {}, list(codes.PARTS.values())
        for i, (part, square) in enumerate(codes.WEIGHTS.items()):
            ours, theirs = meant.split(lengths, 1)[i], lesson.meanings.split(lengths, 1)[i]
            errors[part] = (ours - theirs).square().sum(1).mean() / square
        missed = (look - wanted).square().sum(1).mean()
        loss = LOOK * missed + sum(MEANT[part] * error for part, error in errors.items())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 5.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        figures = {part: error.item() for part, error in errors.items()}
        scenes_only = slice(0, self.plan.batch)
        alike = F.cosine_similarity(look[scenes_only], wanted[scenes_only]).mean().item()
        return {"look": alike, "loss": loss.item()} | figures

    def export(self, image: Path, vocabulary: captions.Vocabulary) -> None:
        """Write the guide, its text tower weighted as the image tower weighs meaning and look."""
        state = {key: value.clone() for key, value in self.clip.state_dict().items()}
        state = {key: value for key, value in state.items() if not key.startswith(("attn_mask", "token_"))}
        state |= {f"visual.trunk.{key}": value for key, value in load_file(image).items()}
        for key in ("weight", "bias"):
            state[f"visual.trunk.bind.names.{key}"] = model.BINDING * state[f"visual.trunk.bind.names.{key}"]
        axes = len(state["visual.trunk.look.axes.bias"])
        state["visual.trunk.share"] = torch.tensor(SHARE)
        told = state["text_projection"]
        told[:, :MEANING] *= (1 - SHARE) ** 0.5
        told[:, MEANING:] *= SHARE**0.5
        state |= {
            "text_projection": told,
            "token_embedding.weight": self.clip.token_embedding.moved().to(STORED),
        }
        steps = {"step": self.step, "image_step": common.metadata(image)["step"]}
        config, manual = model.looking(axes), painting(state["visual.trunk.look.axes.weight"])
        export.written(self.work, state, vocabulary, steps, config=config, painting=manual)


def untold(projection: Tensor, rough: int, share: Tensor) -> Tensor:
    """Return a guide's projection [width, D] as it was trained, with room for our number of rough names.

    Args:
        projection: as exported, weighted by the parts of the cosine.
        rough: its number of rough names; there may be fewer than ours.
        share: [], the look's part of its cosine.
    """
    bound = codes.KEYS * rough
    scene, keys, look = projection.split([SCENE, bound, projection.shape[1] - SCENE - bound], 1)
    padded = F.pad(keys.unflatten(1, (codes.KEYS, -1)), (0, ROUGH - rough)).flatten(1)
    return torch.cat([torch.cat([scene, padded], 1) / (1 - share) ** 0.5, look / share**0.5], 1)


def run(work: common.Work, plan: Plan, until: int, axes: int = AXES, start: Path | None = None) -> Learner:
    """Find the axes and learn, from the last checkpoint (else the guide in `start`, else anew), to step `until`."""
    source = Easel(work)
    found = work.folder("look") / "axes.safetensors"
    if not found.exists():
        weight, bias = principal_axes(source, plan, axes)
        common.save_tensors({"weight": weight, "bias": bias}, found)
    learner = Learner(work, plan, axes, source.words())
    look = learner.clip.visual.trunk.look.axes
    look.load_state_dict(load_file(found))
    if start is not None:
        learner.start_from(start)
    learner.load()
    began, first = time.monotonic(), learner.step
    drawn = halves.POOL.submit(source.lesson, learner.step, plan)
    while learner.step < until:
        lesson, drawn = drawn.result(), halves.POOL.submit(source.lesson, learner.step + 1, plan)
        figures = learner.learn(lesson, F.normalize(look(lesson.pictures), dim=1))
        if learner.step % 50 == 0 or learner.step == until:
            told = " ".join(f"{key} {value:.3f}" for key, value in figures.items())
            speed = (learner.step - first) * plan.batch / (time.monotonic() - began)
            common.log(f"step {learner.step} {told} scenes/s {speed:.0f}")
        if learner.step % CHECKPOINT == 0 or learner.step == until:
            learner.save()
    image = work.root / "image.safetensors"
    if image.exists():
        learner.export(image, source.elsewhere.vocabulary)
    else:
        common.log(f"{image} is missing: run training.student, then this again, to put the guide together")
    return learner


def main() -> None:
    """Learn until the planned number of steps, and put the guide together."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=Plan.steps, help="the schedule's length")
    arguments.add_argument("--until", type=int, help="stop here (default: the schedule's end)")
    arguments.add_argument("--from", dest="start", type=Path, help="a guide's directory to start from")
    options = arguments.parse_args()
    torch.set_num_threads(1)  # scenes are drawn beside, on a thread of their own
    plan, axes = Plan(options.steps), AXES
    if options.smoke:
        plan, axes = Plan(options.steps, batch=16, others=8, near=4, drawings=512), 12
    run(common.Work(options.work), plan, options.until or plan.steps, axes, options.start)


if __name__ == "__main__":
    main()
