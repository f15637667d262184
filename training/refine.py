"""Teach the guide's gradient to draw: the last round of the training.

    python -m training.refine --work DIR --steps 3000 --from artgen/guides/doodle

Starts from an exported guide. Each step looks at canvases between noise and a drawing, half of them on
the straight way there and half painted by the guide's own gradient so far, and brings the gradient
of the caption's cosine nearer to the way that is left (`training.field`). Captions and names are
asked for as before where the drawing can be seen. Restarts after a kill, to the same bits.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training import batches, common, easel, export, field, halves, losses, shards, student
from training.batches import SIZE, scaled
from training.student import BANK_EVERY, CHECKPOINT, Plan

ON_WAY = 0.5
"""Part of a batch on the straight way; the rest are canvases that the gradient has painted."""
LIFE = 10
STRIDE = 0.2
"""Visits of a painted canvas, and the part of the distance to its drawing that one visit moves it at most."""
BESIDE = 0.5
"""Scenes of all styles, layouts and grounds beside a batch of canvases, so that what they are called is kept."""
PULL = 3.0
"""Weight of the gradient's direction beside captions and names."""
SEEN = 0.3
"""Part of the straight way after which captions are asked for; never of a painted canvas: it may show nothing."""


class Refiner(student.Student):
    """A student that learns by its gradient; `canvases` are the ones it paints."""

    def __init__(self, work: common.Work, plan: Plan, start: Path | None = None):
        super().__init__(work, plan, start)
        self._prepare()
        self.painting: dict[str, Tensor] = {}

    def _prepare(self) -> None:
        """Hold the batch statistics, in both halves' towers, and let the pooling be learned through."""
        self.clip.eval()
        field.unfuse(self.clip.visual)
        self.towers = [self.clip.visual, halves.twin(self.clip.visual)]

    def state(self) -> dict[str, Tensor]:
        """Everything of the checkpoint that is not weights."""
        return super().state() | {f"painting.{key}": value for key, value in self.painting.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        super().restore(tensors)
        self._prepare()
        self.painting = {key[9:]: value for key, value in tensors.items() if key.startswith("painting.")}

    def train_step(
        self, batch: dict[str, Tensor], beside: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, float]:
        """Bring the gradient at the batch's canvases nearer to the way to their drawings; return figures.

        Args:
            batch: scenes to be drawn, from `draw`.
            beside: scenes of every kind, from `batches.draw`, to be called by their names.
            generator: of this step.
        """
        canvas, way = self._canvases(batch, generator)
        encoded = self.encode_texts(torch.cat([batch["tokens"], batch["false_tokens"]]).long())
        text = torch.cat(encoded).detach().requires_grad_()
        noisy = canvas + 0.05 * torch.randn(canvas.shape, generator=generator)
        wanted = [part.detach().requires_grad_() for part in text[: len(canvas)].chunk(2)]
        seen = halves.both(self._look, noisy.chunk(2), wanted)
        leaf = torch.cat(seen).detach().requires_grad_()
        image, slope = leaf[:, : text.shape[1]], leaf[:, text.shape[1] :].view_as(canvas)
        left = batch["images"] - canvas
        bend = field.misalignment(slope, left)
        drawn = torch.arange(len(way)) >= len(self.painting["age"])
        told, figures = self._told(image, text, batch, drawn & (way > SEEN))
        (PULL * bend.mean() + told).backward()
        grads, own = halves.slopes(seen, halves.slope_of(leaf).chunk(2), self.image_weights, wanted)
        student.accumulate(self.image_weights, grads)
        slopes = halves.slope_of(text)
        slopes[: len(canvas)] += torch.cat([part[0] for part in own])
        grads, _ = halves.slopes(encoded, slopes.chunk(2), self.text_weights)
        student.accumulate(self.text_weights, grads)
        self._move(canvas, slope.detach(), left, generator)
        figures |= self._remember(beside, generator)
        self._descend()
        early, late = way < 0.3, way > 0.7
        return {
            "aligned": 1 - bend.mean().item(),
            "painted": 1 - bend[~drawn].mean().item(),
            "early": 1 - bend[early].mean().item(),
            "late": 1 - bend[late].mean().item(),
        } | figures

    def _look(self, i: int, canvas: Tensor, text: Tensor) -> Tensor:
        """Return embeddings and flat gradients of one half, joined: [N / 2, D + 3 * 64 * 64]."""
        with common.autocast():
            image, slope = field.field(self.towers[i], canvas, text)
        return torch.cat([image, slope.flatten(1)], 1)

    def _remember(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, float]:
        """Add the gradients of captions and names over noisy scenes of every kind; return figures."""
        encoded = self.encode_texts(torch.cat([batch["tokens"], batch["false_tokens"]]).long())
        text = torch.cat(encoded).detach().requires_grad_()
        reach = 1.5 * torch.rand(len(batch["name"]), generator=generator)
        noise = scaled(torch.randn(batch["images"].shape, generator=generator), reach)
        seen = self.embed(list((batch["images"] + noise).chunk(2)))
        leaf = torch.cat(seen).detach().requires_grad_()
        told, figures = self._told(leaf[:, : text.shape[1]], text, batch, torch.ones_like(reach) > 0)
        told.backward()
        grads, _ = halves.slopes(seen, halves.slope_of(leaf).chunk(2), self.image_weights)
        student.accumulate(self.image_weights, grads)
        grads, _ = halves.slopes(encoded, halves.slope_of(text).chunk(2), self.text_weights)
        student.accumulate(self.text_weights, grads)
        return {f"all {key}": value for key, value in figures.items()}

    def _told(self, image: Tensor, text: Tensor, batch: dict[str, Tensor], seen: Tensor):
        """Return the loss of captions and names over canvases that show their drawing, and figures."""
        rows = seen.nonzero()[:, 0]
        both = torch.cat([rows, rows + len(seen)])
        contrast, right = losses.contrastive(
            image[rows], text[both], self.clip.logit_scale, batch["tokens"][rows]
        )
        single = rows[batch["kind"][rows] != 1]
        logits, names = 30.0 * image[single] @ self.bank.T, batch["name"][single].long()
        figures = {"true>false": right, "top1": (logits.argmax(1) == names).float().mean().item()}
        return self.plan.contrast * contrast + self.plan.naming * F.cross_entropy(logits, names), figures

    def _canvases(self, batch: dict[str, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return canvases [N, 3, 64, 64] and how far on the way they are [N]; painted ones replace rows."""
        count = len(batch["images"])
        start, way = batch.pop("start"), torch.rand(count, generator=generator)
        canvas = torch.lerp(start, batch["images"], way[:, None, None, None])
        painted = count - int(ON_WAY * count)
        if not self.painting:
            keys = [key for key in batch if key != "images"]
            self.painting = {key: batch[key][:painted].clone() for key in keys}
            self.painting |= {"images": batch["images"][:painted].clone(), "canvas": start[:painted].clone()}
            self.painting["age"] = torch.arange(painted) % LIFE
        old = self.painting
        fresh = old["age"] >= LIFE
        for key in (key for key in batch):
            old[key][fresh] = batch[key][:painted][fresh]
            batch[key] = torch.cat([old[key], batch[key][painted:]])
        old["canvas"][fresh] = start[:painted][fresh]
        old["age"][fresh] = 0
        way = torch.cat([1 - (1 - STRIDE) ** old["age"].float(), way[painted:]])
        return torch.cat([old["canvas"], canvas[painted:]]), way

    def _move(self, canvas: Tensor, slope: Tensor, left: Tensor, generator: torch.Generator) -> None:
        """Paint on: move the painted canvases along the gradient, averaged over cells of 2 or 4 pixels."""
        count = len(self.painting["age"])
        part = STRIDE * (0.5 + 0.5 * torch.rand(count, generator=generator))
        length = part * left[:count].flatten(1).norm(dim=1)
        side = (2, 4)[int(torch.randint(2, (1,), generator=generator))]
        step = F.interpolate(F.avg_pool2d(slope[:count], side), scale_factor=side, mode="nearest")
        self.painting["canvas"] = (canvas[:count] + scaled(step, length)).clamp(0, 1)
        self.painting["age"] = self.painting["age"] + 1


def draw(
    data: dict[str, Tensor], starts: Tensor, count: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return `count` rows with images float [N, 3, 64, 64], moved by up to 4 pixels, and a `start` for each."""
    rows = torch.randint(len(data["images"]), (count,), generator=generator)
    batch = {key: value[rows] for key, value in data.items()}
    room = data["images"].shape[-1] - SIZE + 1
    top, left = torch.randint(room, (2,), generator=generator).tolist()
    images = batch["images"][:, :, top : top + SIZE, left : left + SIZE].float() / 255
    batch["images"] = images.contiguous(memory_format=torch.channels_last)
    batch["start"] = starts[torch.randint(len(starts), (count,), generator=generator)]
    return batch


def run(work: common.Work, plan: Plan, smoke: bool, until: int, start: Path) -> Refiner:
    """Train from the last checkpoint, else from the guide in `start`, to step `until`."""
    torch.backends.cuda.enable_flash_sdp(False)
    refiner = Refiner(work, plan, start)
    refiner.load()
    rows = json.loads(work.catalogue.read_text())
    planner = easel.Planner(easel.Words(rows))
    makers = [
        shards.Maker(work, None, seed=plan.scenes, size=plan.shard_size, planner=planner),
        shards.Maker(work, None, seed="later", size=plan.shard_size),
    ]
    everything = makers[1].vocabulary
    names = [f"a {name}" for name in everything.names]
    data: list[dict[str, Tensor]] = []
    starts = torch.zeros(0)
    held, began, first = range(0), time.monotonic(), refiner.step
    while refiner.step < until:
        if plan.shards_at(refiner.step) != held:
            held = plan.shards_at(refiner.step)
            torch.set_num_threads(2)
            data = [student.joined([shards.shard_at(k, work, maker) for k in held]) for maker in makers]
            starts = easel.canvases(plan.shard_size // 4, common.generator("canvases", held.stop))
            torch.set_num_threads(1)
        if not len(refiner.bank) or refiner.step % BANK_EVERY == 0:
            refiner.refresh(names)
        generator = common.generator("refine", refiner.step)
        beside = batches.draw(data[1], int(BESIDE * plan.batch), generator)
        figures = refiner.train_step(draw(data[0], starts, plan.batch, generator), beside, generator)
        if refiner.step % 25 == 0 or smoke:
            speed = (refiner.step - first) * plan.batch / (time.monotonic() - began)
            told = " ".join(f"{key} {value:.3f}" for key, value in figures.items())
            common.log(f"step {refiner.step} {told} scenes/s {speed:.0f}")
        if refiner.step % CHECKPOINT == 0 or refiner.step == until:
            refiner.save()
            words = refiner.clip.token_embedding.weight
            export.from_average(work, refiner.average, words, everything, refiner.step)
    return refiner


def main() -> None:
    """Train until the planned number of steps."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=3000, help="the schedule's length")
    arguments.add_argument("--until", type=int, help="stop here (default: the schedule's end)")
    arguments.add_argument("--from", dest="start", type=Path, required=True, help="a guide's directory")
    options = arguments.parse_args()
    torch.set_num_threads(1)  # two halves, one thread each
    plan = replace(
        Plan.later(options.steps),
        batch=96,
        scenes="easel",
        learning_rate=8e-4,
        fall=0.8,
        naming=1.0,
        steps_per_shard=60,
    )
    if options.smoke:
        plan = replace(plan, batch=16, shard_size=64, steps_per_shard=2, first_shards=2)
    run(common.Work(options.work), plan, options.smoke, options.until or plan.steps, options.start)


if __name__ == "__main__":
    main()
