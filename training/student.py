"""Train the guide itself: a small tower, attacked at every step, towards the teacher and the captions.

    python -m training.student --work DIR --steps 6000

Everything random follows from the step's number, and a checkpoint is written every CHECKPOINT steps;
run the same command after a kill and the training goes on as if nothing had happened.
One step looks at a batch twice: with random noise, whose gradient gives the attack, then attacked
(single-step L2, Wong et al. 2020); both passes teach the weights, so the attack costs nothing extra.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from training import batches, common, export, losses, model, shards, teacher

CHECKPOINT = 100
BANK_EVERY = 25


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train; radius is an L2 distance of 64 px images in 0..1."""

    steps: int = 6000
    batch: int = 192
    learning_rate: float = 1.5e-3
    text_share: float = 0.3
    weight_decay: float = 0.05
    radius: float = 1.5
    grow: float = 0.25
    average: float = 0.999
    steps_per_shard: int = 110
    window: int = 14
    first_shards: int = 6
    shard_size: int = 4096

    def rate(self, step: int) -> float:
        """Learning rate: 200 steps up, then level, then down to 5% over the last fifth."""
        fall = (self.steps - step) / (0.2 * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / 200, max(0.05, fall))

    def reach(self, step: int) -> float:
        """Radius of the attack at a step."""
        return self.radius * min(1.0, 0.1 + step / (self.grow * self.steps))

    def shards_at(self, step: int) -> range:
        """Numbers of the shards in use."""
        last = self.first_shards + step // self.steps_per_shard
        return range(max(0, last - self.window), last)


class Student:
    """Model, its average and its optimiser; `save` and `load` carry all of it."""

    def __init__(self, work: common.Work, plan: Plan):
        self.work, self.plan, self.step = work, plan, 0
        self.clip = model.build(common.generator("student")).train()
        teacher.start_text(self.clip, work)
        text = work.folder("teacher") / "text.safetensors"
        self.clip.load_state_dict(load_file(text), strict=False)
        self.clip.visual.to(memory_format=torch.channels_last)
        image = [p for k, p in self.clip.named_parameters() if k.startswith("visual.")]
        words = [
            p for k, p in self.clip.named_parameters() if not k.startswith("visual.") and p.requires_grad
        ]
        groups = [{"params": image, "share": 1.0}, {"params": words, "share": plan.text_share}]
        self.optimiser = torch.optim.AdamW(
            groups, lr=1e-3, weight_decay=plan.weight_decay, betas=(0.9, 0.98), fused=True
        )
        self.average = {key: value.clone() for key, value in self._moving().items()}
        self.bank: Tensor | None = None

    def _moving(self) -> dict[str, Tensor]:
        """All weights and batch statistics that change."""
        state = self.clip.state_dict()
        return {
            k: v
            for k, v in state.items()
            if k != "token_embedding.weight" and v.dtype.is_floating_point and k != "attn_mask"
        }

    @torch.no_grad()
    def follow(self) -> None:
        """Let the average follow the weights (exponential moving average)."""
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))
        moving = self._moving()
        torch._foreach_lerp_([self.average[k] for k in moving], [moving[k] for k in moving], 1 - keep)

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{k}": v for k, v in self._moving().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": v for k, v in state.items()}
        common.save_tensors(
            tensors, self.work.folder("student") / "checkpoint.safetensors", {"step": self.step}
        )

    def load(self) -> None:
        """Read the checkpoint, if there is one."""
        path = self.work.folder("student") / "checkpoint.safetensors"
        if not path.exists():
            return
        tensors = load_file(path)
        self.clip.load_state_dict(
            {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}, strict=False
        )
        self.average = {k[8:]: v for k, v in tensors.items() if k.startswith("average.")}
        described = self.optimiser.state_dict()
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                described["state"].setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict(described)
        self.step = common.metadata(path)["step"]

    @torch.no_grad()
    def refresh(self, names: list[str]) -> None:
        """Encode all names: the bank that single objects are told apart with."""
        self.bank = model.encode_tokens(self.clip, model.tokens(names))

    def embed(self, images: Tensor) -> Tensor:
        """Return unit embeddings [N, D] of images in 0..1."""
        with torch.autocast("cpu", torch.bfloat16):
            image = self.clip.encode_image(model.normalised(images))
        return F.normalize(image.float(), dim=1)

    def loss(self, images: Tensor, text: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch and what is worth logging."""
        image = self.embed(images)
        contrast, right = losses.contrastive(image, text, self.clip.logit_scale, batch["tokens"])
        single = batch["kind"] == 0
        distance = losses.distillation(image, batch["targets"].float())
        weight = torch.where(batch["kind"] == 1, 0.5, 4.0)
        logits = 30.0 * image[single] @ self.bank.T
        names = batch["name"][single].long()
        naming = F.cross_entropy(logits, names)
        figures = {"cosine": 1 - distance.mean().item(), "true>false": right}
        figures["top1"] = (logits.argmax(1) == names).float().mean().item()
        return 0.5 * contrast + 0.25 * naming + (weight * distance).mean(), figures

    def train_step(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, float]:
        """Look at a batch twice, noisy and attacked; step; return figures of the attacked look."""
        both = torch.cat([batch["tokens"], batch["false_tokens"]]).long()
        text = model.encode_tokens(self.clip, both)
        leaf = text.detach().requires_grad_()
        reach = self.plan.reach(self.step) * (
            0.25 + 0.75 * torch.rand(len(batch["name"]), generator=generator)
        )
        noise = batches.scaled(torch.randn(batch["images"].shape, generator=generator), 0.6 * reach)
        images = (batch["images"] + noise).requires_grad_()
        first, _ = self.loss(images, leaf, batch)
        (0.5 * first).backward()
        attack = batches.within(noise + batches.scaled(images.grad, reach), reach)
        second, figures = self.loss((batch["images"] + attack).detach(), leaf, batch)
        (0.5 * second).backward()
        text.backward(leaf.grad)
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate(self.step) * group["share"]
        torch.nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], 5.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.clip.logit_scale.data.clamp_(max=4.0)
        self.step += 1
        self.follow()
        return {"loss": second.item()} | figures


def gathered(parts: list[dict[str, Tensor]], head) -> dict[str, Tensor]:
    """Join shards, with the teacher's embeddings as `targets` in place of the features."""
    data = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    with torch.inference_mode():
        targets = torch.cat([head(part.float()) for part in data.pop("features").split(4096)])
    return data | {"targets": targets.clone()}


def run(work: common.Work, plan: Plan, smoke: bool, until: int) -> Student:
    """Train from the last checkpoint to step `until`."""
    student = Student(work, plan)
    student.load()
    maker = shards.Maker(work, teacher.backbone_of(work, smoke), size=plan.shard_size)
    head = teacher.load_head(work, len(maker.vocabulary.names))
    names = [f"a {name}" for name in maker.vocabulary.names]
    data, held = None, range(0)
    start, first = time.monotonic(), student.step
    while student.step < until:
        if plan.shards_at(student.step) != held:
            held = plan.shards_at(student.step)
            data = gathered([shards.shard_at(k, work, maker) for k in held], head)
        if student.bank is None or student.step % BANK_EVERY == 0:
            student.refresh(names)
        generator = common.generator("step", student.step)
        batch = batches.draw(data, plan.batch, generator)
        figures = student.train_step(batch, generator)
        if student.step % 25 == 0 or smoke:
            speed = (student.step - first) * plan.batch / (time.monotonic() - start)
            told = " ".join(f"{key} {value:.3f}" for key, value in figures.items())
            common.log(
                f"step {student.step} {told} radius {plan.reach(student.step):.2f} scenes/s {speed:.0f}"
            )
        if student.step % CHECKPOINT == 0 or student.step == until:
            student.save()
            export.from_average(work, student.average, maker.vocabulary, student.step)
    return student


def main() -> None:
    """Train until the planned number of steps."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=6000, help="the schedule's length")
    arguments.add_argument("--until", type=int, help="stop here (default: the schedule's end)")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    plan = Plan(steps=options.steps)
    if options.smoke:
        plan = Plan(steps=options.steps, batch=16, shard_size=64, steps_per_shard=2, first_shards=2)
    run(common.Work(options.work), plan, options.smoke, options.until or plan.steps)


if __name__ == "__main__":
    main()
