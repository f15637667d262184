"""Paint prompts with an exported guide and plain torch, to see whether its gradients can draw.

    python -m training.paint_check --work DIR --guide DIR/doodle-look

This writes one contact sheet, `paint/<time>.png`, with the pictures in the order of the prompts.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from training import common, model
from training.names import COLOURS

PROMPTS = (
    "a blue rabbit", "a cat", "a red apple", "a green tree", "a butterfly", "a castle", "a yellow duck",
    "a purple octopus", "a car", "a house", "an elephant", "a pink flower", "a fish", "a banana",
    "a sailboat",
    "a dog", "a mushroom", "a rocket", "a red cat and a blue dog", "two red apples",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The painter's settings.

    Args:
        steps: of Adam, over all grids.
        grids: cells per side, from coarse to fine.
        learning_rate: on the first grid.
        cutouts: views per picture and step.
        noise: standard deviation added to the views, in 0..1.
        smooth: weight of the difference between neighbouring cells.
        border: weight of the distance of the border from `background`.
        background: grey level in 0..1; negative for the border's own mean.
        recolour: 1 to compare each prompt with itself in other colours too, else 0.
        ending: text appended to each prompt.
        softmax: weight of the cross-entropy against all names.
        cosine: weight of the distance to the prompt.
        sharpness: factor of the cosines before the softmax.
        crop: how much smaller or larger a view may be.
        tilt: how much a view may turn, in units of 45 degrees.
        blank: grey level at the start.
        start_noise: standard deviation of the cells at the start.
    """

    steps: int = 150
    grids: tuple[int, ...] = (8, 16, 32)
    learning_rate: float = 0.05
    cutouts: int = 8
    noise: float = 0.1
    smooth: float = 2.0
    border: float = 20.0
    background: float = 0.97
    recolour: int = 1
    ending: str = ""
    softmax: float = 1.0
    cosine: float = 8.0
    sharpness: float = 20.0
    crop: float = 0.2
    tilt: float = 0.1
    blank: float = 0.6
    start_noise: float = 0.05


def load(directory: Path):
    """Return an exported guide, frozen and in evaluation mode."""
    guide = open_clip.create_model(f"local-dir:{directory}", require_pretrained=True, precision="fp32").eval()
    guide.visual.to(memory_format=torch.channels_last)
    return guide.requires_grad_(False)


def encode_texts(guide, texts: list[str]) -> Tensor:
    """Return unit embeddings [T, D]."""
    parts = [guide.encode_text(model.tokens(texts[i : i + 512])) for i in range(0, len(texts), 512)]
    return F.normalize(torch.cat(parts).float(), dim=1)


def encode_images(guide, images: Tensor) -> Tensor:
    """Return unit embeddings [N, D] of images [N, 3, 64, 64] in 0..1."""
    with common.autocast():
        seen = guide.encode_image(model.normalised(images).contiguous(memory_format=torch.channels_last))
    return F.normalize(seen.float(), dim=1)


def cutouts(image: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Return random views [P * cutouts, 3, 64, 64] of images [P, 3, H, W]: cropped, shifted, tilted, noisy."""
    count = len(image) * settings.cutouts

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    scale = 1 - settings.crop * draw(count, 1).abs() + 0.5 * settings.crop * draw(count, 1).clamp_min(0)
    shift = draw(count, 2) * settings.crop * 0.6
    tilt = draw(count, 1) * settings.tilt * math.pi / 4
    cos, sin = torch.cos(tilt) * scale, torch.sin(tilt) * scale
    across = torch.cat([cos, -sin, shift[:, :1]], 1)
    down = torch.cat([sin, cos, shift[:, 1:]], 1)
    theta = torch.stack([across, down], 1)  # [P * cutouts, 2, 3]
    grid = F.affine_grid(theta, [count, 3, 64, 64], align_corners=False)
    views = F.grid_sample(
        image.repeat_interleave(settings.cutouts, 0), grid, padding_mode="border", align_corners=False
    )
    return views + settings.noise * torch.randn(views.shape, generator=generator)


def roughness(cells: Tensor) -> Tensor:
    """Return the mean absolute difference [P] between neighbouring cells of [P, 3, H, W]."""
    down = cells.diff(dim=2).abs().mean((1, 2, 3))
    across = cells.diff(dim=3).abs().mean((1, 2, 3))
    return (down + across) / 2


def recoloured(guide, prompts: list[str]) -> tuple[Tensor, Tensor]:
    """Return each prompt in ten other colours [P, 10, D], and which prompts name no colour [P]."""
    texts, plain = [], []
    for prompt in prompts:
        own = next((colour for colour in COLOURS if f" {colour} " in f" {prompt} "), None)
        plain.append(own is None)
        others = [colour for colour in COLOURS if colour != (own or "red")]
        texts += [prompt.replace(own, colour) if own else prompt for colour in others]
    return encode_texts(guide, texts).unflatten(0, (len(prompts), -1)), torch.tensor(plain)


def unrest(cells: Tensor, background: float) -> Tensor:
    """Return the variance [P] of the colour near the border of cells [P, 3, H, W].

    A plain background lets the subject stand out.

    Args:
        cells: in 0..1.
        background: the grey level to vary around; negative for the border's own mean.
    """
    line = torch.linspace(-1, 1, cells.shape[-1]).abs()
    weight = ((torch.maximum(line[:, None], line[None]) - 0.6) / 0.4).clamp_min(0)
    weight = weight / weight.sum()
    centre = (cells * weight).sum((2, 3), keepdim=True) if background < 0 else torch.tensor(background)
    return ((cells - centre).square() * weight).sum((1, 2, 3))


class Targets:
    """What pictures are compared with: their prompts, all names, and the prompts in other colours.

    Args:
        guide: encodes the texts.
        prompts: P texts.
        names: all names of the guide.
        settings: of the painter.
    """

    def __init__(self, guide, prompts: list[str], names: list[str], settings: Settings):
        self._settings = settings
        self._prompts = encode_texts(guide, [prompt + settings.ending for prompt in prompts])
        self._names = encode_texts(guide, [f"a {name}" for name in names])
        self._recoloured, self._plain = recoloured(guide, prompts)
        self._same = self._prompts @ self._names.T > 0.9

    def compare(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Compare views with the targets.

        Args:
            seen: unit embeddings [P, cutouts, D].

        Returns:
            The loss [P], and logits [P, cutouts, 1 + others] with the prompt first.
        """
        settings = self._settings
        fit = (seen * self._prompts[:, None]).sum(2)
        others = (seen @ self._names.T).masked_fill(self._same[:, None], -1)
        if settings.recolour:
            false = (seen @ self._recoloured.mT).masked_fill(self._plain[:, None, None], -1)
            others = torch.cat([others, false], 2)

        logits = settings.sharpness * torch.cat([fit[..., None], others], 2)
        surprise = -F.log_softmax(logits, 2)[..., 0].mean(1)
        return settings.softmax * surprise + settings.cosine * (1 - fit.mean(1)), logits


def resized(cells: Tensor, side: int) -> Tensor:
    """Return cells [P, 3, H, W] as [P, 3, side, side], bilinear."""
    return F.interpolate(cells, size=(side, side), mode="bilinear", align_corners=False)


def paint(
    guide, prompts: list[str], names: list[str], settings: Settings, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return pictures [P, 3, 64, 64] and the probability [P] of each prompt among itself and all names."""
    generator = common.generator("paint", seed)
    targets = Targets(guide, prompts, names, settings)
    noise = torch.randn(len(prompts), 3, 8, 8, generator=generator)
    cells = settings.blank + settings.start_noise * noise

    for stage, grid in enumerate(settings.grids):
        cells = resized(cells.detach(), grid).requires_grad_()
        rate = settings.learning_rate * 0.7**stage
        optimiser = torch.optim.Adam([cells], lr=rate, betas=(0.9, 0.95))

        for _ in range(settings.steps // len(settings.grids)):
            views = cutouts(resized(cells.clamp(0, 1), 64), settings, generator)
            seen = encode_images(guide, views).view(len(prompts), settings.cutouts, -1)
            loss, logits = targets.compare(seen)
            loss = loss + settings.smooth * roughness(cells)
            loss = loss + settings.border * unrest(cells, settings.background)
            loss.sum().backward()

            optimiser.step()
            optimiser.zero_grad()
            cells.data.clamp_(0, 1)

    return resized(cells.detach(), 64), logits.softmax(2)[..., 0].mean(1).detach()


def sheet(pictures: Tensor, labels: list[str], path: Path, size: int = 128, columns: int = 10) -> None:
    """Write pictures [N, 3, H, W] in 0..1 as a grid, with their labels below them."""
    height = -(-len(pictures) // columns)
    canvas = Image.new("RGB", (columns * size, height * (size + 14)), "white")
    pen = ImageDraw.Draw(canvas)
    for i, picture in enumerate(pictures):
        pixels = (picture.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        x, y = i % columns * size, i // columns * (size + 14)
        shown = Image.fromarray(np.ascontiguousarray(pixels))
        canvas.paste(shown.resize((size - 2, size - 2), Image.Resampling.BICUBIC), (x, y))
        pen.text((x + 2, y + size - 1), labels[i][:24], fill="black")
    canvas.save(path)


def main() -> None:
    """Paint the prompts and write the sheet."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--guide", type=Path, required=True, help="directory of an exported guide")
    arguments.add_argument("--out", type=Path, help="the sheet (default: a new file in paint/)")
    arguments.add_argument("--seed", type=int, default=0, help="default 0")
    arguments.add_argument("--prompts", nargs="*", default=list(PROMPTS), help="what to paint")
    for field in fields(Settings):
        if field.name != "grids":
            flag = f"--{field.name.replace('_', '-')}"
            arguments.add_argument(flag, type=type(field.default), default=field.default)
    arguments.add_argument("--grids", type=int, nargs="*", default=[8, 16, 32])
    options = arguments.parse_args()

    torch.set_num_threads(options.threads)
    values = {field.name: getattr(options, field.name) for field in fields(Settings)}
    values["grids"] = tuple(values["grids"])
    if options.smoke:
        values["steps"], options.prompts = 6, ["a blue circle", "a square"]

    guide = load(options.guide)
    names = json.loads((options.guide / "names.json").read_text())
    start = time.monotonic()
    pictures, sure = paint(guide, options.prompts, names, Settings(**values), options.seed)
    out = options.out or common.Work(options.work).folder("paint") / f"{time.strftime('%H%M%S')}.png"
    labels = [f"{text} {chance:.2f}" for text, chance in zip(options.prompts, sure, strict=True)]
    sheet(pictures, labels, out)
    common.log(f"{out}: mean probability {sure.mean():.3f}, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
