"""Train the image tower: attacked at every step, towards the meanings of its scenes.

    python -m training.student --work DIR --steps 3000 [--from artgen/guides/doodle]

Everything random follows from the step's number, and a checkpoint is written every CHECKPOINT steps;
run the same command after a kill and the training goes on as if nothing had happened.
Run on a busy machine with OMP_WAIT_POLICY=PASSIVE.
One step looks at a batch twice: with random noise, whose gradient gives the attack, then attacked
(single-step L2, Wong et al. 2020); both passes teach the weights, so the attack costs nothing extra.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from timm.layers import AttentionPool2d
from torch import Tensor, nn

from artgen.guides.towers import SCENE, WIDTHS, Binding, DoodleResNet
from training import batches, codes, common, export, halves, model, shards
from training.teacher import SCALE

CHECKPOINT = 100
PARTS = {"names": 1.0, "colours": 0.5, "number": 0.5, "background": 0.25, "bound": 1.0}
"""Weights of the squared errors of the parts of a meaning, each as if it were of unit length."""
NAMING, LIKENESS = 0.5, 1.0
"""Weights of the names told apart, and of the teacher's features guessed."""
FEATURES = 256
"""Length of the teacher's features."""


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train; radius is an L2 distance of 64 px images in 0..1."""

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
        """Learning rate: 200 steps up, then level, then down to 2% over the last part, `fall`."""
        fall = (self.steps - step) / (self.fall * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / 200, max(0.02, fall))

    def reach(self, step: int) -> float:
        """Radius of the attack at a step."""
        return self.radius * min(1.0, 0.1 + step / (self.grow * self.steps))

    def shards_at(self, step: int) -> range:
        """Numbers of the shards in use."""
        last = self.first_shards + step // self.steps_per_shard
        return range(max(0, last - self.window), last)


class Tower(nn.Module):
    """The part of the image tower that tells meanings, and a layer that guesses the teacher's features.

    Args:
        generator: draws the first weights.
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
        """Map images [N, 3, 64, 64] in 0..1 to meanings and guessed features, [N, WIDTH + 256]."""
        with common.autocast():
            places = self.body(model.normalised(images))
            told = torch.cat([self.pool(places), self.bind(places)], 1)
            guessed = self.guess(places.mean((2, 3)))
        return torch.cat([told.float(), F.normalize(guessed.float(), dim=1)], 1)

    def start_from(self, guide: Path) -> None:
        """Take over an exported guide's image tower; one with fewer rough names becomes the first of ours."""
        ours = self.state_dict()
        given = model.image_tower(load_file(guide / export.WEIGHTS))
        self.load_state_dict(
            {key: model.grown(value, ours[key]) for key, value in given.items()}, strict=False
        )


class Student:
    """Tower, its average and its optimiser; `save` and `load` carry all of it."""

    def __init__(self, work: common.Work, plan: Plan, start: Path | None = None):
        self.work, self.plan, self.step = work, plan, 0
        self.tower = Tower(common.generator("student")).train()
        if start is not None:
            self.tower.start_from(start)
        self.halves = [self.tower, halves.twin(self.tower)]
        self.weights: list[Tensor] = list(self.tower.parameters())
        taught = load_file(work.folder("teacher") / "names.safetensors")
        self.prototypes, self.looks = taught["prototypes"], taught["looks"]
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=1e-3, weight_decay=plan.weight_decay, betas=(0.9, 0.98), fused=True
        )
        self.average = {key: value.clone() for key, value in self._moving().items()}

    def _moving(self) -> dict[str, Tensor]:
        """All weights and batch statistics that change."""
        return {k: v for k, v in self.tower.state_dict().items() if v.dtype.is_floating_point}

    @torch.no_grad()
    def follow(self) -> None:
        """Let the average follow the weights (exponential moving average)."""
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))
        moving = self._moving()
        torch._foreach_lerp_([self.average[k] for k in moving], [moving[k] for k in moving], 1 - keep)

    @property
    def checkpoint(self) -> Path:
        """Where the training is kept."""
        return self.work.folder("student") / "tower.safetensors"

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{k}": v for k, v in self._moving().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": v for k, v in state.items()}
        common.save_tensors(tensors, self.checkpoint, {"step": self.step})

    def load(self) -> None:
        """Read the checkpoint, if there is one."""
        path = self.checkpoint
        if not path.exists():
            return
        tensors = load_file(path)
        self.tower.load_state_dict(
            {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}, strict=False
        )
        self.average = {k[8:]: v for k, v in tensors.items() if k.startswith("average.")}
        described = self.optimiser.state_dict()
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                like = self.weights[int(index)]  # the fused step needs the weight's own memory layout
                laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
                described["state"].setdefault(int(index), {})[name] = laid
        self.optimiser.load_state_dict(described)
        self.step = common.metadata(path)["step"]

    def loss(self, seen: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of what the tower gave, [N, WIDTH + 256], and figures for the log."""
        told, guessed = seen.split((codes.WIDTH, FEATURES), 1)
        wanted = batch["meaning"].float()
        lengths = list(codes.PARTS.values())
        total, figures = seen.new_zeros(()), {}
        for i, (part, square) in enumerate(codes.WEIGHTS.items()):
            ours, theirs = told.split(lengths, 1)[i], wanted.split(lengths, 1)[i]
            error = (ours - theirs).square().sum(1).mean() / square
            total = total + PARTS[part] * error
            figures[part] = error.item()
        logits = SCALE * F.normalize(told[:, : codes.NAME], dim=1) @ self.prototypes.T
        names = batch["names"].long()
        chances = logits.log_softmax(1).gather(1, names)
        single = batch["icon"] >= 0
        likeness = 1 - (guessed[single] * self.looks[batch["icon"][single].long()]).sum(1).mean()
        total = total - NAMING * chances.mean() + LIKENESS * likeness
        figures["top1"] = (logits.argmax(1) == names[:, 0])[single].float().mean().item()
        figures["likeness"] = 1 - likeness.item()
        return total, figures

    def look(self, images: Tensor, batch: dict[str, Tensor], attack: bool):
        """Look once at images [N, 3, 64, 64]: add half the loss's gradients to the weights.

        Returns the gradient to the images (None unless `attack`), the loss and figures.
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

    def train_step(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, float]:
        """Look at a batch twice, noisy and attacked; step; return figures of the attacked look."""
        count = len(batch["icon"])
        reach = self.plan.reach(self.step) * torch.rand(count, generator=generator)
        noise = batches.scaled(torch.randn(batch["images"].shape, generator=generator), 0.6 * reach)
        slope, _ = self.look(batch["images"] + noise, batch, attack=True)
        attack = batches.within(noise + batches.scaled(slope, reach), reach)
        _, figures = self.look(batch["images"] + attack, batch, attack=False)
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate(self.step)
        torch.nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        self.follow()
        return figures

    def export(self) -> None:
        """Write the averaged tower, for `look` to put a guide together."""
        kept = {k: v for k, v in self.average.items() if not k.startswith("guess.")}
        common.save_tensors(kept, self.work.root / "image.safetensors", {"step": self.step})


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Join shards."""
    return {key: torch.cat([part[key] for part in parts]) for key in sorted(parts[0])}


def run(work: common.Work, plan: Plan, smoke: bool, until: int, start: Path | None = None) -> Student:
    """Train from the last checkpoint (else from the guide in `start`, else anew) to step `until`."""
    student = Student(work, plan, start)
    student.load()
    maker = shards.Maker(work, size=plan.shard_size)
    data: dict[str, Tensor] = {}
    held = range(0)
    began, first = time.monotonic(), student.step
    while student.step < until:
        if plan.shards_at(student.step) != held:
            held = plan.shards_at(student.step)
            data = joined([shards.shard_at(k, work, maker) for k in held])
        generator = common.generator("step", student.step)
        figures = student.train_step(batches.draw(data, plan.batch, generator), generator)
        if student.step % 25 == 0 or smoke:
            speed = (student.step - first) * plan.batch / (time.monotonic() - began)
            told = " ".join(f"{key} {value:.3f}" for key, value in figures.items())
            common.log(
                f"step {student.step} {told} radius {plan.reach(student.step):.2f} scenes/s {speed:.0f}"
            )
        if student.step % CHECKPOINT == 0 or student.step == until:
            student.save()
            student.export()
    return student


def main() -> None:
    """Train until the planned number of steps."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=Plan.steps, help="the schedule's length")
    arguments.add_argument("--until", type=int, help="stop here (default: the schedule's end)")
    arguments.add_argument("--from", dest="start", type=Path, help="a guide's directory to start from")
    options = arguments.parse_args()
    torch.set_num_threads(1)  # two halves, one thread each
    plan = Plan(options.steps)
    if options.smoke:
        plan = replace(plan, batch=16, shard_size=64, steps_per_shard=2, first_shards=2)
    run(common.Work(options.work), plan, options.smoke, options.until or plan.steps, options.start)


if __name__ == "__main__":
    main()
