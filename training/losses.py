"""The two losses of the recipe: captions against images, and the teacher's embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive(image: Tensor, text: Tensor, logit_scale: Tensor, tokens: Tensor) -> tuple[Tensor, float]:
    """Symmetric contrastive loss with one false caption an image (NegCLIP, Yuksekgonul et al. 2023).

    Args:
        image: unit [N, D].
        text: unit [2N, D], true captions then false ones.
        logit_scale: log of the factor before the softmax.
        tokens: [N, L] of the true captions; equal captions share the credit.

    Returns:
        The loss, and the share of images that prefer their caption to the false one.
    """
    count = len(image)
    logits = logit_scale.exp() * image @ text.T
    same = (tokens[:, None] == tokens[None]).all(2).float()
    wanted = same / same.sum(1, keepdim=True)
    by_image = -(torch.cat([wanted, torch.zeros_like(wanted)], 1) * F.log_softmax(logits, 1)).sum(1).mean()
    by_text = -(wanted * F.log_softmax(logits[:, :count].T, 1)).sum(1).mean()
    rows = torch.arange(count)
    true, false = logits[rows, rows], logits[rows, rows + count]
    pairwise = F.softplus(false - true).mean()
    return 0.5 * (by_image + by_text) + 0.5 * pairwise, (true > false).float().mean().item()


def distillation(image: Tensor, target: Tensor) -> Tensor:
    """Return 1 - cosine, [N], of unit embeddings [N, D] to the teacher's."""
    return 1 - (image * target).sum(1)
