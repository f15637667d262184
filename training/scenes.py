"""Draw planned scenes in batches: warp icons, tint them, and composite them over backgrounds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.captions import Plan

PALETTE = torch.tensor(
    [
        [0.86, 0.12, 0.12], [0.97, 0.55, 0.08], [0.98, 0.86, 0.15], [0.15, 0.65, 0.22], [0.13, 0.35, 0.87],
        [0.52, 0.20, 0.72], [0.98, 0.55, 0.75], [0.48, 0.29, 0.13], [0.08, 0.08, 0.09], [0.95, 0.95, 0.95],
        [0.52, 0.53, 0.55],
    ]
)  # fmt: skip
LUMA = torch.tensor([0.299, 0.587, 0.114])
SLOTS = 4


class Atlas:
    """All icons at three sizes, with the mean and standard deviation of their brightness.

    Args:
        icons: uint8 [N, 4, 96, 96], premultiplied RGBA.
    """

    def __init__(self, icons: Tensor):
        self.levels = [icons]
        for factor in (2, 4):
            parts = [F.avg_pool2d(part.float(), factor).round().to(torch.uint8) for part in icons.split(512)]
            self.levels.append(torch.cat(parts))
        small = self.levels[2].float() / 255
        alpha = small[:, 3].clamp_min(1e-3)
        luma = (small[:, :3] * LUMA[:, None, None]).sum(1) / alpha
        weight = small[:, 3] / small[:, 3].sum((1, 2), keepdim=True)
        self.mean = (luma * weight).sum((1, 2))
        self.spread = ((luma - self.mean[:, None, None]).square() * weight).sum((1, 2)).sqrt()

    def warped(self, icon: Tensor, place: Tensor, size: int) -> Tensor:
        """Return icons on transparent canvases, float [M, 4, size, size], premultiplied.

        Args:
            icon: rows [M].
            place: [M, 5] of centre x, y and width (canvas widths), angle (turns), flip (0/1).
            size: the canvas, in pixels.
        """
        x, y, width, angle, flip = place.unbind(1)
        cos, sin = torch.cos(angle * 2 * torch.pi) / width, torch.sin(angle * 2 * torch.pi) / width
        mirror = 1 - 2 * flip  # -1 or 1
        cx, cy = x * 2 - 1, y * 2 - 1
        top = torch.stack([cos * mirror, sin * mirror, -(cos * cx + sin * cy) * mirror], 1)
        bottom = torch.stack([-sin, cos, sin * cx - cos * cy], 1)
        theta = torch.stack([top, bottom], 1)

        shown = width * size  # in pixels
        level = (shown < 56).long() + (shown < 28).long()
        out = torch.zeros(len(icon), 4, size, size)
        for i, pictures in enumerate(self.levels):
            rows = (level == i).nonzero().squeeze(1)
            if len(rows):
                grid = F.affine_grid(theta[rows], [len(rows), 4, size, size], align_corners=False)
                source = pictures[icon[rows]].float() / 255
                out[rows] = F.grid_sample(source, grid, mode="bilinear", align_corners=False)
        return out


def tinted(layer: Tensor, colour: Tensor, strength: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Return layers recoloured towards a colour, with their light and shade.

    An icon's mean brightness gets the colour itself. Darker parts get down to 35% of it, lighter ones go
    halfway to white.

    Args:
        layer: premultiplied [M, 4, S, S].
        colour: [M, 3] in 0..1.
        strength: [M], 0 for no change to 1.
        mean: [M] of the icon's brightness.
        spread: [M], its standard deviation.
    """
    alpha = layer[:, 3:]
    luma = (layer[:, :3] * LUMA[:, None, None]).sum(1, keepdim=True) / alpha.clamp_min(1e-3)
    gain = (0.2 / spread.clamp_min(1e-3)).clamp(max=1.2)
    tone = (0.6 + (luma - mean[:, None, None, None]) * gain[:, None, None, None]).clamp(0, 1)
    middle = colour[:, :, None, None]
    down = middle * (0.35 + 0.65 * (tone / 0.6).clamp(max=1))
    up = ((tone - 0.6) / 0.4).clamp_min(0) * 0.55
    painted = (down + (1 - down) * up) * alpha
    strength = strength[:, None, None, None]
    return torch.cat([painted * strength + layer[:, :3] * (1 - strength), alpha], 1)


def backgrounds(plans: list[Plan], numbers: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return opaque backgrounds [N, 3, size, size]: white, plain, with a gradient, or textured.

    Args:
        plans: whose `background` is a colour of the palette or -1 for any.
        numbers: uniform [N, 16], those of the plans.
        size: in pixels.
        generator: draws the texture.
    """
    chosen = torch.tensor([plan.background for plan in plans])
    free, kind = chosen < 0, numbers[:, 0]
    first, second = numbers[:, 1:4].float(), numbers[:, 4:7].float()

    jitter = (first - 0.5) * 0.14
    base = torch.where(free[:, None], first, (PALETTE[chosen.clamp_min(0)] + jitter).clamp(0, 1))
    white = free & (kind < 0.3)
    base = torch.where(white[:, None], 1 - 0.06 * first, base)
    image = base[:, :, None, None].expand(len(plans), 3, size, size).clone()

    slope = _slope(numbers[:, 7].float() * 2 * torch.pi, size)
    mixed = image + (second[:, :, None, None] - image) * (slope[:, None] + 0.5).clamp(0, 1)
    graded = free & (kind >= 0.5) & (kind < 0.72)
    image = torch.where(graded[:, None, None, None], mixed, image)

    amount = torch.where(free, 0.6 * (kind >= 0.72), 0.12 * (kind > 0.5)).float() * numbers[:, 8].float()
    noise = _texture(numbers[:, 9] < 0.5, size, generator)
    return (image + noise * amount[:, None, None, None]).clamp(0, 1)


def _slope(angle: Tensor, size: int) -> Tensor:
    """Return ramps [N, size, size] that rise along the angles [N] in radians."""
    ramp = torch.linspace(-0.5, 0.5, size)
    across = torch.cos(angle)[:, None, None] * ramp[None, None, :]
    down = torch.sin(angle)[:, None, None] * ramp[None, :, None]
    return across + down


def _texture(grey: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return smooth noise [N, 3, size, size], without colour where `grey` [N]."""
    coarse = [4, 7, 12, 24][int(torch.randint(4, (1,), generator=generator))]
    noise = torch.randn(len(grey), 3, coarse, coarse, generator=generator) * (1 if coarse > 4 else 0.8)
    noise = F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False) * 0.5
    colourless = noise.mean(1, keepdim=True).expand_as(noise) * 1.7
    return torch.where(grey[:, None, None, None], colourless, noise)


def render(plans: list[Plan], atlas: Atlas, size: int, generator: torch.Generator) -> Tensor:
    """Return the scenes as float [N, 3, size, size] in 0..1."""
    numbers = torch.tensor([plan.numbers for plan in plans])
    image = backgrounds(plans, numbers, size, generator)

    for slot in range(SLOTS):
        rows = [i for i, plan in enumerate(plans) if len(plan.things) > slot]
        if not rows:
            continue
        things = [plans[i].things[slot] for i in rows]
        icon = torch.tensor([thing.icon for thing in things])
        place = torch.tensor([[t.x, t.y, t.size, t.angle, float(t.flip)] for t in things])
        layer = atlas.warped(icon, place, size)

        colour = torch.tensor([thing.colour for thing in things])
        tint = (PALETTE[colour.clamp_min(0)] + (numbers[rows, 10:13].float() - 0.5) * 0.12).clamp(0, 1)
        strength = torch.where(colour >= 0, 0.8 + 0.2 * numbers[rows, 13].float(), torch.zeros(len(rows)))
        layer = tinted(layer, tint, strength, atlas.mean[icon], atlas.spread[icon])
        index = torch.tensor(rows)
        image[index] = layer[:, :3] + image[index] * (1 - layer[:, 3:])
    return image.clamp(0, 1)


def draw(plans: list[Plan], atlas: Atlas, size: int, generator: torch.Generator, chunk: int = 128) -> Tensor:
    """Return the scenes as uint8 [N, 3, size, size], drawn `chunk` at a time to limit memory."""
    parts = [render(plans[i : i + chunk], atlas, size, generator) for i in range(0, len(plans), chunk)]
    return torch.cat([(part * 255).round().to(torch.uint8) for part in parts])
