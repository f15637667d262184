"""Give the guide its look: axes of drawings, and a text tower that knows how what it is told looks.

    python -m training.look --work DIR --steps 4000 --from DIR/doodle-latest

The last step of the recipe. It takes a guide of meaning alone, as `student` exports it, and finds the principal axes
of drawings that stand where a person would put them (`training.easel`). Then the text tower learns, beside the
meanings it already tells, the coordinates of the drawing on those axes; the image tower stays as it is. Painting
follows the gradient of the cosine, and that of the look leads straight to the drawing that the words call to mind.
Restarts after a kill, to the same bits.
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from artgen.guides.towers import GLANCE, MEANING
from training import captions, common, easel, export, halves, model, names, scenes

AXES = 127
"""One fewer than the text tower is wide: with its norm it cannot tell more."""
WHITEN = 0.25
"""Coordinates are divided by their variance to this power, so that details count beside light and colour."""
SHARE = 0.3
"""The look's part of the cosine when the guide judges."""
PAINTED = 1.0
"""The same while painting: the meaning tells unseen styles apart, the look leads. 3% of meaning blur the shapes."""
VIEWS = {"smallest": 0.95, "perspective": 0.03, "flip": 0.0, "noise": 0.02}
"""How the painter's views may vary: a look has its place, and its left and right."""
CHECKPOINT = 500
KEEP = 1.0
"""Weight of the meaning that has to stay beside the look that is learned."""
SHIFT_RATE = 0.25
"""Learning rate of the words' own vectors, as part of the others'."""
LENGTH = 0.1
"""Weight of the lengths of both, which should be 1."""


@dataclass(frozen=True)
class Plan:
    """How long to learn, and from how many scenes at once."""

    steps: int = 4000
    batch: int = 384
    learning_rate: float = 2e-3
    drawings: int = 16384

    def rate(self, step: int) -> float:
        """Learning rate: 100 steps up, then down to 1%."""
        return self.learning_rate * min(1.0, (step + 1) / 100, max(0.01, 1 - step / self.steps))


class Easel:
    """Scenes to learn from, as small pictures with captions."""

    def __init__(self, work: common.Work):
        rows = json.loads(work.catalogue.read_text())
        self.planner = easel.Planner(easel.Words(rows))
        self.elsewhere = captions.Planner(captions.Vocabulary(rows))
        self.atlas = scenes.Atlas(load_file(work.icons)["icons"])

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """Return flat pictures [count, 3 * 32 * 32] in -1..1 as `towers.Look` sees them, and their captions."""
        plans = self.planner.plans(count, generator)
        drawn = scenes.render(plans, self.atlas, 2 * GLANCE, generator)
        return model.normalised(F.avg_pool2d(drawn, 2).flatten(1)), [plan.caption for plan in plans]

    def words(self) -> list[str]:
        """Return everything that captions are made of."""
        spoken = [word for forms in self.elsewhere.vocabulary.spoken for word, _ in forms]
        joints = ("above", "below", "to the left of", "to the right of", "and", "on a background", "a an")
        counted = [captions.plural(word) for word in spoken]
        return [*spoken, *counted, *names.COLOURS, *captions.NUMBERS, *captions.OPENINGS, *joints]

    def lesson(self, step: int, count: int) -> tuple[Tensor, list[str], list[str]]:
        """Return what one step learns from: pictures with captions, and captions of scenes of every kind."""
        generator = common.generator("look", step)
        pictures, texts = self.draw(count, generator)
        return pictures, texts, [plan.caption for plan in self.elsewhere.plans(count // 4, generator)]


def principal_axes(source: Easel, plan: Plan, axes: int) -> tuple[Tensor, Tensor]:
    """Return weight [axes, 3 * 32 * 32] and bias [axes] of the coordinates on the principal axes of drawings."""
    parts = [source.draw(512, common.generator("axes", i))[0] for i in range(-(-plan.drawings // 512))]
    pictures = torch.cat(parts)
    mean = pictures.mean(0)
    values, vectors = torch.linalg.eigh((pictures - mean).T @ (pictures - mean) / len(pictures))
    weight = (vectors[:, -axes:] * values[-axes:].clamp_min(1e-6).pow(-WHITEN)).flip(1).T.contiguous()
    return weight, -weight @ mean


def assembled(meaning: Path, axes: int) -> open_clip.CLIP:
    """Return a guide of meaning and look, the meaning from an exported guide, the look still blank."""
    clip = model.build(common.generator("look"), model.looking(axes))
    old = model.meaning_only(load_file(meaning / export.WEIGHTS))
    state = {key: value.float() for key, value in old.items() if not key.startswith("visual.")}
    state |= {"visual.trunk.body." + k[13:]: v for k, v in old.items() if k.startswith("visual.trunk.")}
    state |= {"visual.trunk.pool." + k[17:]: v for k, v in old.items() if k.startswith("visual.head.pool.")}
    state["text_projection"] = torch.cat([state["text_projection"], clip.text_projection[:, MEANING:]], 1)
    missing, unknown = clip.load_state_dict(state, strict=False)
    assert not unknown and all(key.startswith(("visual.trunk.look", "visual.trunk.share")) for key in missing)
    return clip


def painting(axes: int) -> dict[str, Any]:
    """Return how to paint by a guide of meaning and look, as its `painting.json` says."""
    parts = [[MEANING, ((1 - PAINTED) / (1 - SHARE)) ** 0.5], [axes, (PAINTED / SHARE) ** 0.5]]
    return VIEWS | {"emphasis": parts}


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
    """The text tower that learns looks, the one whose meanings it keeps, and the axes; with a checkpoint."""

    def __init__(self, work: common.Work, plan: Plan, clip: open_clip.CLIP, words: list[str]):
        self.work, self.plan, self.step = work, plan, 0
        self.clip, self.before = clip.eval(), copy.deepcopy(clip).eval().requires_grad_(False)
        said = model.tokens(words).unique()
        clip.token_embedding = Words(clip.token_embedding.weight.detach(), said[said > 0])
        self.weights = {
            key: weight
            for key, weight in clip.named_parameters()
            if not key.startswith(("visual.", "logit_scale"))
        }
        clip.requires_grad_(False)
        groups = [
            {"params": [weight.requires_grad_()], "share": SHIFT_RATE if "token" in key else 1.0}
            for key, weight in self.weights.items()
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98))

    @property
    def checkpoint(self) -> Path:
        """Where the learning is kept."""
        return self.work.folder("look") / "text.safetensors"

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{key}": weight.detach() for key, weight in self.weights.items()}
        for key, state in zip(self.weights, self.optimiser.state_dict()["state"].values(), strict=True):
            tensors |= {f"adam.{key}.{name}": value for name, value in state.items()}
        common.save_tensors(tensors, self.checkpoint, {"step": self.step})

    def load(self) -> None:
        """Read the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        tensors = load_file(self.checkpoint)
        described = self.optimiser.state_dict()
        with torch.no_grad():
            for i, (key, weight) in enumerate(self.weights.items()):
                weight.copy_(tensors[f"model.{key}"])
                names = ("step", "exp_avg", "exp_avg_sq")
                described["state"][i] = {name: tensors[f"adam.{key}.{name}"] for name in names}
        self.optimiser.load_state_dict(described)
        self.step = common.metadata(self.checkpoint)["step"]

    def learn(self, pictures: Tensor, texts: list[str], others: list[str]) -> dict[str, float]:
        """Take one step: pictures [N, 3072] with their captions, and other captions; return figures."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate(self.step) * group["share"]
        wanted = self.clip.visual.trunk.look.axes(pictures)
        tokens = model.tokens(texts + others)
        with torch.no_grad():
            meaning = model.text_vectors(self.before, tokens)[:, :MEANING]
        said = model.text_vectors(self.clip, tokens)
        kept = F.cosine_similarity(said[:, :MEANING], meaning)
        look = F.cosine_similarity(said[: len(texts), MEANING:], wanted)
        lengths = torch.stack([said[:, :MEANING].norm(dim=1), said[:, MEANING:].norm(dim=1)])
        loss = 1 - look.mean() + KEEP * (1 - kept.mean()) + LENGTH * (lengths - 1).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        return {"look": look.mean().item(), "kept": kept.mean().item(), "lengths": lengths.mean().item()}

    def export(self, vocabulary: captions.Vocabulary) -> None:
        """Write the guide, its text tower weighted as the image tower weighs meaning and look."""
        state = {key: value.clone() for key, value in self.clip.state_dict().items()}
        state = {key: value for key, value in state.items() if not key.startswith(("attn_mask", "token_"))}
        state["visual.trunk.share"] = torch.tensor(SHARE)
        state["text_projection"][:, :MEANING] *= (1 - SHARE) ** 0.5
        state["text_projection"][:, MEANING:] *= SHARE**0.5
        words = self.clip.token_embedding.moved()
        config = model.looking(len(state["visual.trunk.look.axes.bias"]))
        export.from_average(
            self.work,
            state,
            words,
            vocabulary,
            self.step,
            config=config,
            painting=painting(len(state["visual.trunk.look.axes.bias"])),
            name="doodle-look",
        )


def run(work: common.Work, plan: Plan, start: Path, until: int, axes: int = AXES) -> Learner:
    """Find the axes and learn, from the last checkpoint if there is one, to step `until`."""
    source, clip = Easel(work), assembled(start, axes)
    found = work.folder("look") / "axes.safetensors"
    if not found.exists():
        weight, bias = principal_axes(source, plan, axes)
        common.save_tensors({"weight": weight, "bias": bias}, found)
    clip.visual.trunk.look.axes.load_state_dict(load_file(found))
    learner = Learner(work, plan, clip, source.words())
    learner.load()
    began, first = time.monotonic(), learner.step
    drawn = halves.POOL.submit(source.lesson, learner.step, plan.batch)
    while learner.step < until:
        lesson, drawn = drawn.result(), halves.POOL.submit(source.lesson, learner.step + 1, plan.batch)
        figures = learner.learn(*lesson)
        if learner.step % 100 == 0 or learner.step == until:
            told = " ".join(f"{key} {value:.3f}" for key, value in figures.items())
            speed = (learner.step - first) * plan.batch / (time.monotonic() - began)
            common.log(f"step {learner.step} {told} scenes/s {speed:.0f}")
        if learner.step % CHECKPOINT == 0 or learner.step == until:
            learner.save()
            learner.export(source.elsewhere.vocabulary)
    return learner


def main() -> None:
    """Learn until the planned number of steps."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=Plan.steps, help="the schedule's length")
    arguments.add_argument("--until", type=int, help="stop here (default: the schedule's end)")
    arguments.add_argument("--from", dest="start", type=Path, required=True, help="a guide of meaning alone")
    options = arguments.parse_args()
    torch.set_num_threads(1)  # scenes are drawn beside, on a thread of their own
    plan = Plan(options.steps)
    axes = AXES
    if options.smoke:
        plan, axes = Plan(options.steps, batch=16, drawings=512), 12
    run(common.Work(options.work), plan, options.start, options.until or plan.steps, axes)


if __name__ == "__main__":
    main()
