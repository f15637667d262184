"""Paint prompts with an exported guide and plain torch, to see whether its gradients draw.

    python -m training.paint_check --work DIR --guide DIR/doodle-look

Writes one contact sheet, `paint/<stamp>.png`: a row of pictures a prompt, in the order of PROMPTS.
"""

from __future__ import annotations

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
    """The painter's choices; lengths in canvas widths, `noise` in grey levels of 0..1."""

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
    """Return the guide in evaluation mode, frozen, for images in 0..1 of 64 px."""
    guide = open_clip.create_model(f"local-dir:{directory}", require_pretrained=True, precision="fp32").eval()
    guide.visual.to(memory_format=torch.channels_last)
    return guide.requires_grad_(False)


def encode_texts(guide, texts: list[str]) -> Tensor:
    """Return unit embeddings [T, D]."""
    parts = [guide.encode_text(model.tokens(texts[i : i + 512])) for i in range(0, len(texts), 512)]
    return F.normalize(torch.cat(parts).float(), dim=1)


def cutouts(image: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Return random views [P * V, 3, 64, 64] of images [P, 3, H, W]: cropped, shifted, tilted and noisy."""
    count = len(image) * settings.cutouts
    draw = lambda *shape: torch.rand(*shape, generator=generator) * 2 - 1  # noqa: E731
    scale = 1 - settings.crop * draw(count, 1).abs() + 0.5 * settings.crop * draw(count, 1).clamp_min(0)
    shift = draw(count, 2) * settings.crop * 0.6
    tilt = draw(count, 1) * settings.tilt * math.pi / 4
    cos, sin = torch.cos(tilt) * scale, torch.sin(tilt) * scale
    theta = torch.stack([torch.cat([cos, -sin, shift[:, :1]], 1), torch.cat([sin, cos, shift[:, 1:]], 1)], 1)
    grid = F.affine_grid(theta, [count, 3, 64, 64], align_corners=False)
    views = F.grid_sample(
        image.repeat_interleave(settings.cutouts, 0), grid, padding_mode="border", align_corners=False
    )
    return views + settings.noise * torch.randn(views.shape, generator=generator)


def roughness(cells: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring cells, [P]."""
    return (cells.diff(dim=2).abs().mean((1, 2, 3)) + cells.diff(dim=3).abs().mean((1, 2, 3))) / 2


def recoloured(guide, prompts: list[str]) -> tuple[Tensor, Tensor]:
    """Return the prompts in ten false colours, [P, 10, D], and which prompts name no colour, [P]."""
    texts, plain = [], []
    for prompt in prompts:
        told = next((colour for colour in COLOURS if f" {colour} " in f" {prompt} "), None)
        plain.append(told is None)
        texts += [prompt.replace(told or "\0", colour) for colour in COLOURS if colour != (told or "red")]
    return encode_texts(guide, texts).unflatten(0, (len(prompts), -1)), torch.tensor(plain)


def unrest(cells: Tensor, background: float) -> Tensor:
    """Return the variance of the colour near the border, [P], around `background` (negative: its own mean).

    A calm background lets the subject stand out.
    """
    line = torch.linspace(-1, 1, cells.shape[-1]).abs()
    weight = ((torch.maximum(line[:, None], line[None]) - 0.6) / 0.4).clamp_min(0)
    weight = weight / weight.sum()
    centre = (cells * weight).sum((2, 3), keepdim=True) if background < 0 else torch.tensor(background)
    return ((cells - centre).square() * weight).sum((1, 2, 3))


def paint(
    guide, prompts: list[str], names: list[str], settings: Settings, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return pictures [P, 3, 64, 64] and the probability [P] of each prompt among itself and all names."""
    generator = common.generator("paint", seed)
    targets = encode_texts(guide, [prompt + settings.ending for prompt in prompts])
    others = encode_texts(guide, [f"a {name}" for name in names])
    false, plain = recoloured(guide, prompts)
    same = targets @ others.T > 0.9
    cells = settings.blank + settings.start_noise * torch.randn(len(prompts), 3, 8, 8, generator=generator)
    for stage, grid in enumerate(settings.grids):
        cells = F.interpolate(
            cells.detach(), size=(grid, grid), mode="bilinear", align_corners=False
        ).requires_grad_()
        rate = settings.learning_rate * 0.7**stage
        optimiser = torch.optim.Adam([cells], lr=rate, betas=(0.9, 0.95))
        for _ in range(settings.steps // len(settings.grids)):
            image = F.interpolate(cells.clamp(0, 1), size=(64, 64), mode="bilinear", align_corners=False)
            views = cutouts(image, settings, generator).contiguous(memory_format=torch.channels_last)
            with common.autocast():
                seen = guide.encode_image(model.normalised(views))
            seen = F.normalize(seen.float(), dim=1).view(len(prompts), settings.cutouts, -1)
            fit = (seen * targets[:, None]).sum(2)
            against = (seen @ others.T).masked_fill(same[:, None], -1)
            if settings.recolour:
                against = torch.cat([against, (seen @ false.mT).masked_fill(plain[:, None, None], -1)], 2)
            logits = settings.sharpness * torch.cat([fit[..., None], against], 2)
            loss = settings.softmax * -F.log_softmax(logits, 2)[..., 0].mean(1) + settings.cosine * (
                1 - fit.mean(1)
            )
            (
                loss
                + settings.smooth * roughness(cells)
                + settings.border * unrest(cells, settings.background)
            ).sum().backward()
            optimiser.step()
            optimiser.zero_grad()
            cells.data.clamp_(0, 1)
    image = F.interpolate(cells.detach(), size=(64, 64), mode="bilinear", align_corners=False)
    return image, logits.softmax(2)[..., 0].mean(1).detach()


def sheet(rows: list[Tensor], labels: list[str], path: Path, size: int = 128, columns: int = 10) -> None:
    """Write pictures as a grid with their labels."""
    pictures = torch.cat(rows)
    height = -(-len(pictures) // columns)
    canvas = Image.new("RGB", (columns * size, height * (size + 14)), "white")
    pen = ImageDraw.Draw(canvas)
    for i, picture in enumerate(pictures):
        pixels = (picture.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        x, y = i % columns * size, i // columns * (size + 14)
        canvas.paste(
            Image.fromarray(np.ascontiguousarray(pixels)).resize(
                (size - 2, size - 2), Image.Resampling.BICUBIC
            ),
            (x, y),
        )
        pen.text((x + 2, y + size - 1), labels[i][:24], fill="black")
    canvas.save(path)


def main() -> None:
    """Paint the prompts and write the sheet."""
    import json

    arguments = common.parser(__doc__)
    arguments.add_argument("--guide", type=Path, required=True)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--prompts", nargs="*", default=list(PROMPTS))
    for field in fields(Settings):
        if field.name != "grids":
            arguments.add_argument(
                f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
            )
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
    sheet([pictures], [f"{p} {s:.2f}" for p, s in zip(options.prompts, sure, strict=True)], out)
    common.log(f"{out} mean probability {sure.mean():.3f}, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
