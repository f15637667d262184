"""The gradient of the guide as a field that leads to pictures, and the loss that teaches it.

Painting follows the gradient of `cosine(image, text)` with respect to the image. So the gradient itself
is taught: at a canvas somewhere between noise and a drawing, it has to point to the drawing. That is
denoising score matching (Vincent 2011) for the energy `-cosine`, on the straight paths of flow matching
(Lipman et al. 2023), and on canvases that the field itself has painted so far.

The gradient is computed by explicit layers, masks held fixed as ReLU's second derivative is zero, so that
learning from it needs first derivatives only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import model


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution followed by its norm with the running statistics."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class Layer:
    """A convolution of one pass: applied forwards, then transposed for the gradient."""

    def __init__(self, weight: Tensor, bias: Tensor | None, stride: int, padding: int):
        self.weight, self.bias, self.stride, self.padding = weight, bias, stride, padding

    def __call__(self, image: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, K, H / stride, W / stride]."""
        return F.conv2d(image, self.weight, self.bias, self.stride, self.padding)

    def back(self, slope: Tensor) -> Tensor:
        """Map the gradient of the output to that of the input, whose sides are even."""
        return F.conv_transpose2d(slope, self.weight, None, self.stride, self.padding, self.stride - 1)


class Pass:
    """One look of a `DoodleResNet` at images, in evaluation mode, that can be run backwards.

    Args:
        trunk: the tower without its pooling.
        images: [N, 3, 64, 64] in 0..1.
    """

    def __init__(self, trunk: Any, images: Tensor):
        self._steps: list[tuple] = []
        hidden = model.normalised(images)
        stem = trunk.stem
        for at in (0, 3):
            hidden = self._plain(Layer(*folded(stem[at], stem[at + 1]), 2, 1), hidden)
        for stage in trunk.stages:
            for block in stage:
                hidden = self._block(block, hidden)
        self.maps = hidden

    def _plain(self, layer: Layer, hidden: Tensor) -> Tensor:
        out = layer(hidden)
        self._steps.append((layer, out.detach() > 0))
        return torch.relu(out)

    def _block(self, block: Any, hidden: Tensor) -> Tensor:
        first = Layer(*folded(block.conv1, block.norm1), block.conv1.stride[0], 1)
        second = Layer(*folded(block.conv2, block.norm2), 1, 1)
        short = None
        if isinstance(block.shortcut, nn.Conv2d):
            short = Layer(block.shortcut.weight, block.shortcut.bias, block.shortcut.stride[0], 0)
        middle = first(hidden)
        out = second(torch.relu(middle)) + (hidden if short is None else short(hidden))
        self._steps.append((first, middle.detach() > 0, second, short, out.detach() > 0))
        return torch.relu(out)

    def slope(self, slope: Tensor) -> Tensor:
        """Map the gradient to the last maps to the gradient to the (normalised) images."""
        for step in reversed(self._steps):
            slope = slope * step[-1]
            if len(step) == 2:
                slope = step[0].back(slope)
                continue
            first, mask, second, short, _ = step
            beside = slope if short is None else short.back(slope)
            slope = first.back(second.back(slope) * mask) + beside
        return slope


def field(tower: Any, images: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit embeddings [N, D] and the gradients [N, 3, 64, 64] of their cosines to `text` [N, D].

    Both can be learned from. The head's attention must not be fused (`unfuse`), and is computed in float32 also
    under autocast, which speeds up the convolutions.
    """
    look = Pass(tower.trunk, images)
    maps = look.maps.float()
    maps = maps if maps.requires_grad else maps.requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        embedding = F.normalize(tower.head(maps), dim=1)
        (slope,) = torch.autograd.grad((embedding * text).sum(), maps, create_graph=True)
    return embedding, look.slope(slope).float()


def unfuse(tower: Any) -> None:
    """Let the pooling compute its attention step by step: the fused form has no second derivative."""
    tower.head.pool.fused_attn = False


SCALES = (2, 8)


def misalignment(gradient: Tensor, wanted: Tensor) -> Tensor:
    """Return 1 - cosine, [N], of two fields [N, 3, H, W], averaged over cells of 2 and of 8 pixels."""
    figures = [
        1
        - F.cosine_similarity(
            F.avg_pool2d(gradient, scale).flatten(1), F.avg_pool2d(wanted, scale).flatten(1), dim=1, eps=1e-6
        )
        for scale in SCALES
    ]
    return torch.stack(figures).mean(0)
