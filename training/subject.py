"""Which of eleven colours the subject of a picture has, by plain measurement.

The subject is what differs from the border: pixels whose CIELAB distance from the border's median colour
exceeds Otsu's threshold (IEEE Transactions on Systems, Man, and Cybernetics 9, 1979). Its colour is the
palette's colour nearest to the subject's mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu
from torch import Tensor

from training.names import COLOURS
from training.scenes import PALETTE

SIZE = 96
FAINT = 8.0
"""CIELAB distance from the border up to which a pixel is background."""


def subject_mask(image: Tensor) -> Tensor:
    """Return the subject, bool [H, W], of an image [3, H, W] in 0..1; it may be empty."""
    lab = torch.from_numpy(rgb2lab(image.permute(1, 2, 0).numpy().astype(np.float64)))
    edge = max(1, image.shape[-1] // 24)
    frame = torch.ones(lab.shape[:2], dtype=torch.bool)
    frame[edge:-edge, edge:-edge] = False
    distance = (lab - lab[frame].median(0).values).norm(dim=2)
    return distance > max(float(threshold_otsu(distance.numpy())), FAINT)


def nearest_colour(colour: Tensor) -> str:
    """Return the name of the palette's colour nearest to [3] in 0..1, by distance in CIELAB.

    >>> nearest_colour(torch.tensor([0.1, 0.2, 0.9]))
    'blue'
    """
    both = rgb2lab(torch.cat([colour[None], PALETTE]).double().numpy()[None])[0]
    return COLOURS[int(np.linalg.norm(both[1:] - both[0], axis=1).argmin())]


def subject_colour(image: Tensor) -> str | None:
    """Return the colour of the subject of an image [3, H, W] in 0..1; None if there is no subject."""
    small = F.interpolate(image[None], size=(SIZE, SIZE), mode="bilinear", antialias=True)[0]
    mask = subject_mask(small)
    return nearest_colour(small[:, mask].mean(1)) if mask.any() else None


def agreement(images: Tensor, asked: Sequence[str | None], seen: Sequence[str]) -> dict[str, float]:
    """Return how often images have the colour that was asked for, in percent.

    Args:
        images: [N, 3, H, W] in 0..1.
        asked: the colours; images with None are not counted.
        seen: the judge's answers.

    Returns:
        `pictures`: how many were counted; `mask`: percentage by `subject_colour`; `judge`: by the judge.
    """
    rows = [i for i, colour in enumerate(asked) if colour is not None]
    if not rows:
        return {"pictures": 0, "mask": 0.0, "judge": 0.0}
    mask = sum(subject_colour(images[i]) == asked[i] for i in rows)
    judge = sum(seen[i] == asked[i] for i in rows)
    return {"pictures": len(rows), "mask": 100 * mask / len(rows), "judge": 100 * judge / len(rows)}
