"""Train the text tower: what a caption means and how it looks. Then put the guide together.

    python -m training.look --work DIR --steps 4000 [--from artgen/guides/doodle]

This finds the principal axes of drawings placed where a person would put them (`training.easel`). The
text tower then learns three things at once: the coordinates of such drawings on the axes (the "look"),
the meanings of captions of every kind (`training.codes`), and the names that other words are near to
(`training.words`). With the image tower that `student` trained, that makes the guide, `DIR/doodle-look`.

A painter follows the gradient of the cosine. The look's part of it leads straight to the drawing that
the words call to mind. A killed training continues and ends with the same bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from artgen.guides.towers import MEANING, ROUGH, SCENE
from training import captions, codes, common, export, loop, model
from training.lessons import Ahead, Easel, Lesson, Plan

AXES = 136
"""Axes of the look. The text tower has room for so many numbers: each axis costs the meaning one."""
WHITEN = 0.25
"""Coordinates are divided by this power of their variance, so that details count next to large shapes."""
SHARE = 0.1
"""Fraction of the cosine that the look contributes when the guide judges a picture."""
VIEWS = {"smallest": 0.95, "perspective": 0.03, "flip": 0.0, "noise": 0.02}
"""How cutouts may vary while painting. Little: a look depends on position and on left and right."""
CHECKPOINT = 250
SHIFT_RATE = 0.25
"""Learning rate of the word vectors, relative to that of the other weights."""
MEANT = {"names": 1.0, "colours": 0.5, "number": 0.5, "background": 1.0, "bound": 2.0}
"""Weight of each part's squared error, after scaling the part to unit length."""
LOOK = 3.5
"""Weight of the look's squared error."""
STORED = torch.float8_e4m3fn
"""Number format of the word table, which is half of the guide. It is rounded before training."""


def principal_axes(source: Easel, plan: Plan, axes: int) -> tuple[Tensor, Tensor]:
    """Return weight [axes, 3 * 32 * 32] and bias [axes] that map a picture to its coordinates on the axes."""
    parts = []
    for number in range(-(-plan.drawings // 512)):
        drawn, _ = source.draw(512, common.generator("axes", number))
        parts.append(drawn)
    pictures = torch.cat(parts)
    mean = pictures.mean(0)
    values, vectors = torch.linalg.eigh((pictures - mean).T @ (pictures - mean) / len(pictures))
    weight = (vectors[:, -axes:] * values[-axes:].clamp_min(1e-6).pow(-WHITEN)).flip(1).T.contiguous()
    return weight, -weight @ mean


def painting(axes: Tensor) -> dict[str, Any]:
    """Return the guide's `painting.json`: a painter follows the look alone, without whitening.

    With whitening, details would move faster than light and colour: shriller pictures, busier backgrounds.

    Args:
        axes: [N, 3 * 32 * 32], as stored in the guide.
    """
    spread = 1 / axes.norm(dim=1)
    factors = (spread / spread[0]).tolist()
    return VIEWS | {"emphasis": [[MEANING, 0.0], *([1, round(factor, 4)] for factor in factors)]}


class Learner(loop.Training):
    """The text tower and its optimisers.

    Args:
        work: folder of the words and of the checkpoint.
        plan: the schedule.
        axes: how many the look has.
        words: every word and phrase that captions are made of.
    """

    def __init__(self, work: common.Work, plan: Plan, axes: int, words: list[str]):
        super().__init__(work.folder("look") / "text.safetensors")
        self.work, self.plan = work, plan
        self.clip = model.build(common.generator("look"), model.looking(axes)).requires_grad_(False)
        with torch.no_grad():
            self.clip.text_projection *= 1 / (codes.WIDTH + axes) ** 0.5  # meanings are of unit length

        spoken = model.tokens(words).unique()
        table = load_file(work.folder("data") / "words.safetensors")["tokens"]
        self.clip.token_embedding = model.WordTable(table.to(STORED).float(), spoken[spoken > 0])

        self.weights: dict[str, nn.Parameter] = {}
        for key, weight in self.clip.named_parameters():
            if not key.startswith(("visual.", "logit_scale")):
                self.weights[key] = weight.requires_grad_()
        self.optimisers = self._make_optimisers()

    def _make_optimisers(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        """Return Muon for the hidden matrices, and AdamW for everything else."""
        hidden, rest = [], []
        for key, weight in self.weights.items():
            if key.startswith("transformer.") and weight.ndim == 2:
                hidden.append(weight)
            elif weight is not self.clip.token_embedding.shift:
                rest.append(weight)

        groups = [
            {"params": rest, "share": 1.0},
            {"params": [self.clip.token_embedding.shift], "share": SHIFT_RATE},
        ]
        return (
            torch.optim.Muon(hidden, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98)),
        )

    @torch.no_grad()
    def start_from(self, guide: Path) -> None:
        """Copy an exported guide's text tower; a narrower one becomes the first numbers of ours."""
        given = {key: value.float() for key, value in load_file(guide / export.WEIGHTS).items()}
        words, table = self.clip.token_embedding, given["token_embedding.weight"]
        kept = words.table[:, : table.shape[1]]
        words.shift[words.slots, : table.shape[1]] = (table - kept) * (words.slots > 0)[:, None]

        rough, share = len(given["visual.trunk.bind.names.bias"]), given["visual.trunk.share"]
        given["text_projection"] = as_trained(given["text_projection"], rough, share)
        for key, weight in self.weights.items():
            if key in given:
                blocks = 3 if "in_proj" in key else 1  # queries, keys and values
                pairs = zip(given[key].chunk(blocks), weight.chunk(blocks), strict=True)
                weight.copy_(torch.cat([model.grown(old, new) for old, new in pairs]))
        self.clip.text_projection[len(given["text_projection"]) :] = 0  # new numbers have no effect yet

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights and the states of both optimisers."""
        weights = {key: weight.detach() for key, weight in self.weights.items()}
        tensors = loop.prefixed(weights, "model.")
        for number, optimiser in enumerate(self.optimisers):
            tensors |= loop.prefixed(loop.optimiser_tensors(optimiser), f"optimiser.{number}.")
        return tensors

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` returned."""
        for key, weight in self.weights.items():
            weight.copy_(tensors[f"model.{key}"])
        for number, optimiser in enumerate(self.optimisers):
            loop.restore_optimiser(optimiser, loop.selected(tensors, f"optimiser.{number}."))

    def learn(self, lesson: Lesson, looks: Tensor) -> loop.Figures:
        """Take one step.

        Args:
            lesson: texts, their meanings, and pictures of some.
            looks: [M, axes], the target looks of the lesson's pictures, of unit length.

        Returns:
            Figures for the log.
        """
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.plan.rate(self.step) * group.get("share", 1.0)

        predicted = model.text_vectors(self.clip, model.tokens(lesson.texts))
        errors = codes.errors(predicted[:, :MEANING], lesson.meanings)
        look = predicted[:, MEANING:].index_select(0, lesson.rows)
        look_error = (look - looks).square().sum(1).mean()
        loss = LOOK * look_error + sum(MEANT[part] * error for part, error in errors.items())
        loss.backward()

        torch.nn.utils.clip_grad_norm_(self.weights.values(), 5.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1

        scenes_only = slice(0, self.plan.batch)
        cosine = F.cosine_similarity(look[scenes_only], looks[scenes_only]).mean().item()
        figures = {part: error.item() for part, error in errors.items()}
        return {"look": cosine, "loss": loss.item()} | figures

    def export(self, image: Path, vocabulary: captions.Vocabulary) -> None:
        """Write the guide, with its text projection weighted by `SHARE` as the image tower is.

        Args:
            image: the image tower that `student` exported.
            vocabulary: all names.
        """
        state = {}
        for key, value in self.clip.state_dict().items():
            if not key.startswith(("attn_mask", "token_")):
                state[key] = value.clone()
        state |= loop.prefixed(load_file(image), "visual.trunk.")
        for key in ("weight", "bias"):
            state[f"visual.trunk.bind.names.{key}"] = model.BINDING * state[f"visual.trunk.bind.names.{key}"]
        state["visual.trunk.share"] = torch.tensor(SHARE)

        projection = state["text_projection"]
        projection[:, :MEANING] *= (1 - SHARE) ** 0.5
        projection[:, MEANING:] *= SHARE**0.5
        state["token_embedding.weight"] = self.clip.token_embedding.moved().to(STORED)

        axes = state["visual.trunk.look.axes.weight"]
        steps = {"step": self.step, "image_step": common.metadata(image)["step"]}
        config = model.looking(len(axes))
        export.written(self.work, state, vocabulary, steps, config=config, painting=painting(axes))


def as_trained(projection: Tensor, rough: int, share: Tensor) -> Tensor:
    """Return an exported projection [width, D] as it was trained, padded to our number of rough names.

    Args:
        projection: as exported, weighted by `share`.
        rough: its number of rough names, at most ours.
        share: [], the fraction of its cosine that the look contributes.
    """
    bound = codes.KEYS * rough
    scene, keys, look = projection.split([SCENE, bound, projection.shape[1] - SCENE - bound], 1)
    padded = F.pad(keys.unflatten(1, (codes.KEYS, -1)), (0, ROUGH - rough)).flatten(1)
    meaning = torch.cat([scene, padded], 1)
    return torch.cat([meaning / (1 - share) ** 0.5, look / share**0.5], 1)


def axes_of_look(source: Easel, work: common.Work, plan: Plan, axes: int) -> dict[str, Tensor]:
    """Return `principal_axes` as `weight` and `bias`, from disk if they were found before."""
    path = work.folder("look") / "axes.safetensors"
    if not path.exists():
        weight, bias = principal_axes(source, plan, axes)
        common.save_tensors({"weight": weight, "bias": bias}, path)
    return load_file(path)


def run(work: common.Work, plan: Plan, until: int, axes: int = AXES, start: Path | None = None) -> Learner:
    """Train to step `until`, from the last checkpoint, else the guide `start`, else random weights."""
    source = Easel(work)
    found = axes_of_look(source, work, plan, axes)
    learner = Learner(work, plan, axes, source.words())
    look = learner.clip.visual.trunk.look.axes
    look.load_state_dict(found)
    if start is not None:
        learner.start_from(start)
    learner.load()
    lessons = Ahead(source, plan, learner.step)

    def advance() -> loop.Figures:
        lesson = lessons.next()
        return learner.learn(lesson, F.normalize(look(lesson.pictures), dim=1))

    learner.run(until, advance, loop.Cadence(50, CHECKPOINT, plan.batch))
    image = work.root / "image.safetensors"
    if image.exists():
        learner.export(image, source.elsewhere.vocabulary)
    else:
        common.log(f"{image} is missing; run training.student, then training.look again to write the guide")
    return learner


def main() -> None:
    """Train for the planned number of steps, and write the guide."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=Plan.steps, help="length of the schedule")
    arguments.add_argument("--until", type=int, help="stop after this step (default: the last)")
    arguments.add_argument("--from", dest="start", type=Path, help="directory of a guide to start from")
    options = arguments.parse_args()

    torch.set_num_threads(1)  # the next scenes are drawn on the other core
    plan, axes = Plan(options.steps), AXES
    if options.smoke:
        plan, axes = Plan(options.steps, batch=16, others=8, near=4, drawings=512), 12
    run(common.Work(options.work), plan, options.until or plan.steps, axes, options.start)


if __name__ == "__main__":
    main()
