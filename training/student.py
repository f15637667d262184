"""Train the image tower to predict the meanings of scenes, with an adversarial attack at every step.

    python -m training.student --work DIR --steps 3000 [--from artgen/guides/doodle]

A checkpoint is written every CHECKPOINT steps. If the training is killed, run the same command again:
it continues and ends with the same bits.

Each step passes a batch through the tower twice: with random noise, whose gradient gives the attack, and
then attacked (single-step L2, Wong et al. 2020). Both passes train the weights, so the attack costs
nothing extra.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from timm.layers import AttentionPool2d
from torch import Tensor, nn

from artgen.guides.towers import SCENE, WIDTHS, Binding, DoodleResNet
from training import batches, codes, common, export, halves, loop, model, shards
from training.teacher import SCALE

CHECKPOINT = 100
PARTS = {"names": 1.0, "colours": 0.5, "number": 0.5, "background": 0.25, "bound": 1.0}
"""Weight of each part's squared error, after scaling the part to unit length."""
NAMING, LIKENESS = 0.5, 1.0
"""Weights of the cross-entropy over names, and of the distance to the teacher's features."""
FEATURES = 256
"""Length of the teacher's features."""


@dataclass(frozen=True)
class Plan:
    """Length and strength of the training.

    Args:
        steps: length of the schedule.
        batch: scenes per step.
        learning_rate: highest.
        weight_decay: of AdamW.
        radius: largest attack, an L2 distance between 64 px images in 0..1.
        grow: fraction of the steps in which the attack grows to `radius`.
        average: decay of the moving average of the weights.
        steps_per_shard: after so many steps, a new shard comes into use.
        window: most shards in use at once.
        first_shards: shards in use at the first step.
        shard_size: scenes per shard.
        fall: fraction of the steps, at the end, in which the learning rate falls.
    """

    steps: int = 3000
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    radius: float = 0.8
    grow: float = 0.1
    average: float = 0.998
    steps_per_shard: int = 80
    window: int = 16
    first_shards: int = 6
    shard_size: int = 4096
    fall: float = 0.7

    def rate(self, step: int) -> float:
        """Return the learning rate: 200 steps up, then level, then down to 2% over the last `fall`."""
        fall = (self.steps - step) / (self.fall * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / 200, max(0.02, fall))

    def reach(self, step: int) -> float:
        """Return the largest radius of the attack at a step."""
        return self.radius * min(1.0, 0.1 + step / (self.grow * self.steps))

    def shards_at(self, step: int) -> range:
        """Return the numbers of the shards in use at a step."""
        last = self.first_shards + step // self.steps_per_shard
        return range(max(0, last - self.window), last)


class Tower(nn.Module):
    """The part of the image tower that predicts meanings, and a layer that predicts the teacher's features.

    Args:
        generator: draws the initial weights.
    """

    def __init__(self, generator: torch.Generator):
        super().__init__()
        with common.seeded(generator):
            self.body = DoodleResNet()
            self.pool = AttentionPool2d(WIDTHS[-1], feat_size=(4, 4), out_features=SCENE)
            self.bind = Binding(WIDTHS[-1])
            self.guess = nn.Linear(WIDTHS[-1], FEATURES)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, 64, 64] in 0..1 to meanings and predicted features, [N, WIDTH + 256]."""
        with common.autocast():
            places = self.body(model.normalised(images))
            meaning = torch.cat([self.pool(places), self.bind(places)], 1)
            features = self.guess(places.mean((2, 3)))

        return torch.cat([meaning.float(), F.normalize(features.float(), dim=1)], 1)

    def start_from(self, guide: Path) -> None:
        """Copy an exported guide's image tower; if it has fewer rough names, they become the first of ours."""
        ours = self.state_dict()
        given = model.image_tower(load_file(guide / export.WEIGHTS))
        grown = {key: model.grown(value, ours[key]) for key, value in given.items()}
        self.load_state_dict(grown, strict=False)


class Student(loop.Training):
    """The tower, its moving average and its optimiser.

    Args:
        work: folder of the teacher's results and of the checkpoint.
        plan: the schedule.
        start: an exported guide whose image tower to start from; None for random weights.
    """

    def __init__(self, work: common.Work, plan: Plan, start: Path | None = None):
        super().__init__(work.folder("student") / "tower.safetensors")
        self.work, self.plan = work, plan
        self.tower = Tower(common.generator("student")).train()
        if start is not None:
            self.tower.start_from(start)
        self.halves = [self.tower, halves.twin(self.tower)]
        self.weights: list[nn.Parameter] = list(self.tower.parameters())

        teacher = load_file(work.folder("teacher") / "names.safetensors")
        self.prototypes, self.looks = teacher["prototypes"], teacher["looks"]
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=1e-3, weight_decay=plan.weight_decay, betas=(0.9, 0.98), fused=True
        )
        self.average = {key: value.clone() for key, value in self._moving().items()}

    def _moving(self) -> dict[str, Tensor]:
        """Return all weights and batch statistics that training changes."""
        state = self.tower.state_dict()
        return {key: value for key, value in state.items() if value.dtype.is_floating_point}

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the exponential moving average towards the present weights."""
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))
        moving = self._moving()
        averages = [self.average[key] for key in moving]
        torch._foreach_lerp_(averages, list(moving.values()), 1 - keep)

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights, their averages and the optimiser's state."""
        return (
            loop.prefixed(self._moving(), "model.")
            | loop.prefixed(self.average, "average.")
            | loop.prefixed(loop.optimiser_tensors(self.optimiser), "adam.")
        )

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` returned."""
        self.tower.load_state_dict(loop.selected(tensors, "model."), strict=False)
        self.average = loop.selected(tensors, "average.")
        loop.restore_optimiser(self.optimiser, loop.selected(tensors, "adam."))

    def save(self) -> None:
        """Write the checkpoint, and the tower that `look` puts into the guide."""
        super().save()
        self.export()

    def loss(self, seen: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, loop.Figures]:
        """Return the loss of the tower's output [N, WIDTH + 256], and figures for the log."""
        meaning, features = seen.split((codes.WIDTH, FEATURES), 1)
        errors = codes.errors(meaning, batch["meaning"].float())
        figures = {part: error.item() for part, error in errors.items()}
        total = sum((PARTS[part] * error for part, error in errors.items()), seen.new_zeros(()))

        logits = SCALE * F.normalize(meaning[:, : codes.NAME], dim=1) @ self.prototypes.T
        names = batch["names"].long()
        chances = logits.log_softmax(1).gather(1, names)
        single = batch["icon"] >= 0
        likeness = 1 - (features[single] * self.looks[batch["icon"][single].long()]).sum(1).mean()
        total = total - NAMING * chances.mean() + LIKENESS * likeness

        figures["top1"] = (logits.argmax(1) == names[:, 0])[single].float().mean().item()
        figures["likeness"] = 1 - likeness.item()
        return total, figures

    def look(
        self, images: Tensor, batch: dict[str, Tensor], attack: bool
    ) -> tuple[Tensor | None, loop.Figures]:
        """Pass images [N, 3, 64, 64] through the tower; add half of the loss's gradient to the weights.

        Args:
            images: in 0..1.
            batch: what they show.
            attack: whether the gradient with respect to the images is wanted.

        Returns:
            That gradient [N, 3, 64, 64], or None, and figures for the log.
        """
        parts = [part.detach().requires_grad_(attack) for part in images.chunk(2)]
        outputs = halves.both(lambda i, part: self.halves[i](part), parts)
        seen = torch.cat(outputs).detach().requires_grad_()
        loss, figures = self.loss(seen, batch)
        (0.5 * loss).backward()

        grads, own = halves.slopes(
            outputs, halves.slope_of(seen).chunk(2), self.weights, parts if attack else None
        )
        for weight, grad in zip(self.weights, grads, strict=True):
            if grad is not None:
                weight.grad = grad if weight.grad is None else weight.grad + grad

        slope = torch.cat([grad[0] for grad in own]) if attack else None
        return slope, {"loss": loss.item()} | figures

    def train_step(self, batch: dict[str, Tensor], generator: torch.Generator) -> loop.Figures:
        """Train on a batch with noise and on the same batch attacked; return figures of the attacked pass."""
        count = len(batch["icon"])
        reach = self.plan.reach(self.step) * torch.rand(count, generator=generator)
        noise = batches.scaled(torch.randn(batch["images"].shape, generator=generator), 0.6 * reach)
        slope, _ = self.look(batch["images"] + noise, batch, attack=True)
        assert slope is not None
        attack = batches.within(noise + batches.scaled(slope, reach), reach)
        _, figures = self.look(batch["images"] + attack, batch, attack=False)

        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate(self.step)
        torch.nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        self.update_average()
        return figures | {"radius": self.plan.reach(self.step)}

    def export(self) -> None:
        """Write the averaged tower without the layer that predicts the teacher's features."""
        kept = {key: value for key, value in self.average.items() if not key.startswith("guess.")}
        common.save_tensors(kept, self.work.root / "image.safetensors", {"step": self.step})


class Scenes:
    """The scenes of the shards in use, loaded when they change.

    Args:
        work: folder of the shards.
        plan: says which shards are in use at a step.
    """

    def __init__(self, work: common.Work, plan: Plan):
        self._work, self._plan = work, plan
        self._maker = shards.Maker(work, size=plan.shard_size)
        self._loaded = range(0)
        self._data: dict[str, Tensor] = {}

    def at(self, step: int) -> dict[str, Tensor]:
        """Return all scenes in use at a step, as `shards` describes them."""
        wanted = self._plan.shards_at(step)
        if wanted != self._loaded:
            self._loaded = wanted
            self._data = common.joined([shards.shard_at(k, self._work, self._maker) for k in wanted])
        return self._data


def run(work: common.Work, plan: Plan, smoke: bool, until: int, start: Path | None = None) -> Student:
    """Train to step `until`, from the last checkpoint, else the guide `start`, else random weights."""
    student = Student(work, plan, start)
    student.load()
    scenes = Scenes(work, plan)

    def advance() -> loop.Figures:
        generator = common.generator("step", student.step)
        batch = batches.draw(scenes.at(student.step), plan.batch, generator)
        return student.train_step(batch, generator)

    student.run(until, advance, loop.Cadence(1 if smoke else 25, CHECKPOINT, plan.batch))
    return student


def main() -> None:
    """Train for the planned number of steps."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=Plan.steps, help="length of the schedule")
    arguments.add_argument("--until", type=int, help="stop after this step (default: the last)")
    arguments.add_argument("--from", dest="start", type=Path, help="directory of a guide to start from")
    options = arguments.parse_args()

    torch.set_num_threads(1)  # two halves, one thread each
    plan = Plan(options.steps)
    if options.smoke:
        plan = replace(plan, batch=16, shard_size=64, steps_per_shard=2, first_shards=2)
    run(common.Work(options.work), plan, options.smoke, options.until or plan.steps, options.start)


if __name__ == "__main__":
    main()
