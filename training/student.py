"""Train the guide itself: a small tower, attacked at every step, towards the teacher and the captions.

    python -m training.student --work DIR --steps 6000
    python -m training.student --work DIR --steps 5000 --from artgen/guides/doodle

Everything random follows from the step's number, and a checkpoint is written every CHECKPOINT steps;
run the same command after a kill and the training goes on as if nothing had happened.
Run on a busy machine with OMP_WAIT_POLICY=PASSIVE.
One step looks at a batch twice: with random noise, whose gradient gives the attack, then attacked
(single-step L2, Wong et al. 2020); both passes teach the weights, so the attack costs nothing extra.

The first round follows the teacher. A later round (`--from`) starts from an exported guide, which knows
more than the teacher by then, and learns from captions and names alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from training import batches, common, export, halves, losses, model, shards, teacher

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
    fall: float = 0.2
    scenes: str = "train"
    distil: float = 4.0
    contrast: float = 0.5
    naming: float = 0.25

    @staticmethod
    def later(steps: int) -> Plan:
        """A round that starts from a guide: no teacher, the full attack at once, a longer fall."""
        return Plan(steps, 128, 1e-3, grow=0.01, fall=0.6, scenes="later", distil=0, contrast=1, naming=0.5)

    def rate(self, step: int) -> float:
        """Learning rate: 200 steps up, then level, then down to 3% over the last part, `fall`."""
        fall = (self.steps - step) / (self.fall * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / 200, max(0.03, fall))

    def reach(self, step: int) -> float:
        """Radius of the attack at a step."""
        return self.radius * min(1.0, 0.1 + step / (self.grow * self.steps))

    def shards_at(self, step: int) -> range:
        """Numbers of the shards in use."""
        last = self.first_shards + step // self.steps_per_shard
        return range(max(0, last - self.window), last)


class Student:
    """Model, its average and its optimiser; `save` and `load` carry all of it."""

    def __init__(self, work: common.Work, plan: Plan, start: Path | None = None):
        self.work, self.plan, self.step = work, plan, 0
        self.clip = model.build(common.generator("student")).train()
        teacher.start_text(self.clip, work)
        first = start / export.WEIGHTS if start else work.folder("teacher") / "text.safetensors"
        self.clip.load_state_dict(model.meaning_only(load_file(first)), strict=start is not None)
        self.clip.visual.to(memory_format=torch.channels_last)
        self.towers = [self.clip.visual, halves.twin(self.clip.visual)]
        self.guess = guess_layer(self.clip.visual.trunk.num_features)
        trained = [(k, p) for k, p in self.clip.named_parameters() if p.requires_grad]
        self.image_weights = [p for k, p in trained if k.startswith("visual.")] + list(
            self.guess.parameters()
        )
        self.text_weights = [p for k, p in trained if not k.startswith("visual.")]
        groups = [
            {"params": self.image_weights, "share": 1.0},
            {"params": self.text_weights, "share": plan.text_share},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, lr=1e-3, weight_decay=plan.weight_decay, betas=(0.9, 0.98), fused=True
        )
        self.average = {key: value.clone() for key, value in self._moving().items()}
        self.bank = torch.zeros(0, 256)

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

    @property
    def checkpoint(self) -> Path:
        """Where this round is kept."""
        return self.work.folder("student") / f"{self.plan.scenes}.safetensors"

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{k}": v for k, v in self._moving().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        tensors |= {f"guess.{k}": v for k, v in self.guess.state_dict().items()}
        tensors |= self.state()
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": v for k, v in state.items()}
        common.save_tensors(tensors, self.checkpoint, {"step": self.step})

    def state(self) -> dict[str, Tensor]:
        """Everything of the checkpoint that is neither weights nor the optimiser's."""
        return {"bank": self.bank}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.bank = tensors["bank"]

    def load(self) -> None:
        """Read the checkpoint, if there is one."""
        path = self.checkpoint
        if not path.exists():
            return
        tensors = load_file(path)
        self.clip.load_state_dict(
            {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}, strict=False
        )
        self.average = {k[8:]: v for k, v in tensors.items() if k.startswith("average.")}
        self.guess.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("guess.")})
        self.restore(tensors)
        described = self.optimiser.state_dict()
        weights = [*self.image_weights, *self.text_weights]
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                like = weights[int(index)]  # the fused step needs the weight's own memory layout
                laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
                described["state"].setdefault(int(index), {})[name] = laid
        self.optimiser.load_state_dict(described)
        self.step = common.metadata(path)["step"]

    @torch.no_grad()
    def refresh(self, names: list[str]) -> None:
        """Encode all names: the bank that single objects are told apart with."""
        self.bank = torch.cat(self.encode_texts(model.tokens(names)))

    def encode_texts(self, tokens: Tensor) -> list[Tensor]:
        """Return unit embeddings of both halves of the tokens."""
        learning = torch.is_grad_enabled()

        def half(_: int, part: Tensor) -> Tensor:
            with torch.set_grad_enabled(learning):
                return model.encode_tokens(self.clip, part)

        return halves.both(half, tokens.chunk(2))

    def embed(self, images: list[Tensor]) -> list[Tensor]:
        """Return unit embeddings [N/2, D] and reduced features [N/2, 256], joined, of both halves."""

        def half(i: int, part: Tensor) -> Tensor:
            with common.autocast():
                places = self.towers[i].trunk(model.normalised(part))
                image, features = self.towers[i].head(places), self.guess(places.mean((2, 3)))
            return torch.cat([F.normalize(image.float(), dim=1), F.normalize(features.float(), dim=1)], 1)

        return halves.both(half, images)

    def loss(self, image: Tensor, text: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of what `embed` gave [N, D + 256] and captions [2N, D], and figures for the log."""
        image, features = image.split((text.shape[1], image.shape[1] - text.shape[1]), 1)
        contrast, right = losses.contrastive(image, text, self.clip.logit_scale, batch["tokens"])
        single = batch["kind"] == 0
        logits = 30.0 * image[single] @ self.bank.T
        names = batch["name"][single].long()
        naming = F.cross_entropy(logits, names)
        figures = {"contrast": contrast.item(), "naming": naming.item(), "true>false": right}
        figures["top1"] = (logits.argmax(1) == names).float().mean().item()
        total = self.plan.contrast * contrast + self.plan.naming * naming
        if self.plan.distil:
            distance = losses.distillation(image, batch["targets"].float())
            weight = torch.where(batch["kind"] == 1, 0.125, 1.0)  # pairs: the teacher knows one thing a scene
            likeness = losses.distillation(features, batch["features"].float()).mean()
            total = total + self.plan.distil * ((weight * distance).mean() + likeness)
            figures |= {"cosine": 1 - distance[single].mean().item(), "features": 1 - likeness.item()}
        return total, figures

    def look(self, images: Tensor, text: Tensor, batch: dict[str, Tensor], attack: bool):
        """Look once at images [N, 3, 64, 64]: add half the loss's gradients to the weights and to `text`.

        Returns the gradient to the images (None unless `attack`), the loss and figures.
        """
        parts = [part.detach().requires_grad_(attack) for part in images.chunk(2)]
        seen = self.embed(parts)
        image = torch.cat(seen).detach().requires_grad_()
        loss, figures = self.loss(image, text, batch)
        (0.5 * loss).backward()
        grads, own = halves.slopes(
            seen, halves.slope_of(image).chunk(2), self.image_weights, parts if attack else None
        )
        accumulate(self.image_weights, grads)
        slope = torch.cat([grad[0] for grad in own]) if attack else None
        return slope, {"loss": loss.item()} | figures

    def train_step(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, float]:
        """Look at a batch twice, noisy and attacked; step; return figures of the attacked look."""
        count = len(batch["name"])
        encoded = self.encode_texts(torch.cat([batch["tokens"], batch["false_tokens"]]).long())
        text = torch.cat(encoded).detach().requires_grad_()
        reach = self.plan.reach(self.step) * (0.25 + 0.75 * torch.rand(count, generator=generator))
        noise = batches.scaled(torch.randn(batch["images"].shape, generator=generator), 0.6 * reach)
        slope, _ = self.look(batch["images"] + noise, text, batch, attack=True)
        attack = batches.within(noise + batches.scaled(slope, reach), reach)
        _, figures = self.look(batch["images"] + attack, text, batch, attack=False)
        grads, _ = halves.slopes(encoded, halves.slope_of(text).chunk(2), self.text_weights)
        accumulate(self.text_weights, grads)
        self._descend()
        return figures

    def _descend(self) -> None:
        """Take the optimiser's step with the gradients gathered so far, and let the average follow."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate(self.step) * group["share"]
        torch.nn.utils.clip_grad_norm_([*self.image_weights, *self.text_weights], 5.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.clip.logit_scale.data.clamp_(max=4.0)
        self.step += 1
        self.follow()


def accumulate(weights: list[Tensor], grads: list[Tensor | None]) -> None:
    """Add gradients to `.grad`."""
    for weight, grad in zip(weights, grads, strict=True):
        if grad is not None:
            weight.grad = grad if weight.grad is None else weight.grad + grad


def guess_layer(width: int) -> torch.nn.Linear:
    """Return the layer that guesses the teacher's reduced features from the mean map; not shipped."""
    layer = torch.nn.Linear(width, 256)
    torch.nn.init.trunc_normal_(layer.weight, std=width**-0.5, generator=common.generator("guess"))
    torch.nn.init.zeros_(layer.bias)
    return layer


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Join shards; the teacher's features only if all have them."""
    common_keys = set.intersection(*(set(part) for part in parts))
    return {key: torch.cat([part[key] for part in parts]) for key in sorted(common_keys)}


def gathered(parts: list[dict[str, Tensor]], head, principal: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join shards, with the teacher's embeddings as `targets` and its features reduced to unit length."""
    data = joined(parts)
    targets, features = [], []
    with torch.inference_mode():
        for part in data["features"].split(4096):
            targets.append(head(part.float()))
            features.append(F.normalize((part.float() - principal["mean"]) @ principal["axes"], dim=1).half())
    return data | {"targets": torch.cat(targets).clone(), "features": torch.cat(features).clone()}


def teacher_join(work: common.Work, names: int):
    """Return what joins shards and adds the teacher's view of them."""
    head = teacher.load_head(work, names)
    principal = load_file(work.folder("teacher") / "principal.safetensors")
    return partial(gathered, head=head, principal=principal)


def run(work: common.Work, plan: Plan, smoke: bool, until: int, start: Path | None = None) -> Student:
    """Train from the last checkpoint (else from the guide in `start`, else anew) to step `until`."""
    torch.backends.cuda.enable_flash_sdp(False)  # also the CPU's: its backward is slow for 16 tokens
    student = Student(work, plan, start)
    student.load()
    backbone = teacher.backbone_of(work, smoke) if plan.distil else None
    maker = shards.Maker(work, backbone, seed=plan.scenes, size=plan.shard_size)
    join = joined if not plan.distil else teacher_join(work, len(maker.vocabulary.names))
    names = [f"a {name}" for name in maker.vocabulary.names]
    data: dict[str, Tensor] = {}
    held = range(0)
    began, first = time.monotonic(), student.step
    while student.step < until:
        if plan.shards_at(student.step) != held:
            held = plan.shards_at(student.step)
            torch.set_num_threads(2)
            data = join([shards.shard_at(k, work, maker) for k in held])
            torch.set_num_threads(1)
        if not len(student.bank) or student.step % BANK_EVERY == 0:
            student.refresh(names)
        generator = common.generator("step", student.step)
        batch = batches.draw(data, plan.batch, generator)
        figures = student.train_step(batch, generator)
        if student.step % 25 == 0 or smoke:
            speed = (student.step - first) * plan.batch / (time.monotonic() - began)
            told = " ".join(f"{key} {value:.3f}" for key, value in figures.items())
            common.log(
                f"step {student.step} {told} radius {plan.reach(student.step):.2f} scenes/s {speed:.0f}"
            )
        if student.step % CHECKPOINT == 0 or student.step == until:
            student.save()
            words = student.clip.token_embedding.weight
            export.from_average(work, student.average, words, maker.vocabulary, student.step)
    return student


def main() -> None:
    """Train until the planned number of steps."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=6000, help="the schedule's length")
    arguments.add_argument("--until", type=int, help="stop here (default: the schedule's end)")
    arguments.add_argument("--from", dest="start", type=Path, help="a guide's directory: a later round")
    options = arguments.parse_args()
    torch.set_num_threads(1)  # two halves, one thread each
    plan = Plan.later(options.steps) if options.start else Plan(steps=options.steps)
    if options.smoke:
        plan = replace(plan, batch=16, shard_size=64, steps_per_shard=2, first_shards=2)
    run(common.Work(options.work), plan, options.smoke, options.until or plan.steps, options.start)


if __name__ == "__main__":
    main()
