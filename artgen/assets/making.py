"""Making patches: cutting the subject of a picture out of its background.

Four ways, from the surest to the boldest: what the picture's own alpha says; what differs
from the colour of its border; the same, each connected thing by itself; and colour models
of fore- and background that are improved in turns, as in GrabCut (C. Rother, V. Kolmogorov,
A. Blake, 2004), here with smoothed likelihoods in place of the graph cut.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image
from skimage import color, filters, measure, morphology

from artgen.assets.files import MIN_SIDE, Pixels, crop_to_alpha
from artgen.errors import InputError, UsageError

Method = Literal["auto", "alpha", "chroma", "components", "grabcut"]
METHODS: tuple[str, ...] = get_args(Method)
Mask = Bool[np.ndarray, "height width"]

WORKING_SIDE = 1024
"""Longest side of a picture while it is cut, in pixels."""
BINS = 12
"""Bins per axis of the colour models."""
ROUNDS = 6


def cut(
    pixels: np.ndarray, method: Method | str, name: str, tolerance: float = 18.0, smallest: float = 0.002
) -> list[Pixels]:
    """Cut patches out of a picture.

    Args:
        pixels: [h, w, 3 or 4] RGB or straight RGBA of 8 bits.
        method: how to cut; auto uses the alpha channel if there is one, else components.
        name: name of the picture in messages.
        tolerance: least colour difference from the border (CIE76 in Lab; 2.3 is just
            noticeable) for chroma and components.
        smallest: least fraction of the picture that a patch covers.

    Returns:
        The patches, largest first, without transparent margins.

    Raises:
        UsageError: no such method.
        InputError: nothing could be cut out.
    """
    if method not in METHODS:
        raise UsageError(f"no method {method!r}; known: {', '.join(METHODS)}")
    pixels = _shrunk(pixels)
    has_alpha = pixels.shape[2] == 4 and pixels[..., 3].min() < 255
    if method == "auto":
        method = "alpha" if has_alpha else "components"
    if method == "alpha" and not has_alpha:
        raise InputError(f"{name}: has no transparent part to cut along; try --method components or grabcut")
    rgb = pixels[..., :3]
    if method == "alpha":
        alpha = pixels[..., 3].astype(np.float32) / 255
    elif method == "grabcut":
        alpha = _soft(_grabcut(rgb))
    else:
        alpha = _soft(_differs_from_border(rgb, tolerance))
    whole = method in ("chroma", "grabcut")
    patches = list(_pieces(rgb, alpha, whole, smallest, name))
    if not patches:
        raise InputError(f"{name}: nothing could be cut out by {method}; try another --method or --tolerance")
    return patches


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    scale = WORKING_SIDE / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _soft(mask: Mask) -> Float[np.ndarray, "height width"]:
    """Clean a mask and soften its edge by about a pixel, inwards."""
    area = max(4, mask.size // 20_000)
    cleaned = _without_specks(morphology.opening(mask, morphology.disk(1)), area)
    cleaned = ~_without_specks(~cleaned, area)
    return (filters.gaussian(cleaned.astype(np.float32), 1.0) * 2 - 1).clip(0, 1)


def _without_specks(mask: Mask, area: int) -> Mask:
    """Return a mask without connected parts of less than `area` pixels."""
    labels = measure.label(mask)
    keep = np.bincount(labels.ravel()) >= area
    keep[0] = False
    return keep[labels]


def _border(rgb: np.ndarray) -> np.ndarray:
    """Return [n, 3] the outermost pixels, 1% of the picture's side wide."""
    wide = max(1, min(rgb.shape[:2]) // 100)
    parts = rgb[:wide], rgb[-wide:], rgb[:, :wide], rgb[:, -wide:]
    return np.concatenate([part.reshape(-1, 3) for part in parts])


def _differs_from_border(rgb: np.ndarray, tolerance: float) -> Mask:
    """Return what differs in colour from the border's median and is not connected to it by likeness."""
    lab = color.rgb2lab(rgb)
    ground = np.median(color.rgb2lab(_border(rgb)[None])[0], axis=0)
    like = np.linalg.norm(lab - ground, axis=2) < tolerance
    labels = measure.label(like, connectivity=1)
    outside = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return ~np.isin(labels, outside[outside > 0])


def _grabcut(rgb: np.ndarray) -> Mask:
    """Return the foreground by colour models of both sides, improved in turns.

    The border is background for sure; the middle four fifths are taken for foreground first.
    """
    lab = color.rgb2lab(rgb)
    scaled = (lab - [0, -90, -90]) / [100, 180, 180]
    index = (scaled * BINS).astype(int).clip(0, BINS - 1)
    flat = (index[..., 0] * BINS + index[..., 1]) * BINS + index[..., 2]
    height, width = flat.shape
    margin = max(1, min(height, width) // 50)
    mask = np.zeros((height, width), bool)
    mask[height // 10 : -height // 10, width // 10 : -width // 10] = True
    smoothing = max(height, width) / 150
    for _ in range(ROUNDS):
        ratio = np.log(_model(flat[mask])[flat]) - np.log(_model(flat[~mask])[flat])
        mask = filters.gaussian(ratio, smoothing) > 0
        mask[:margin] = mask[-margin:] = mask[:, :margin] = mask[:, -margin:] = False
        if not mask.any() or mask.all():
            break
    return mask


def _model(colours: np.ndarray) -> np.ndarray:
    """Return [BINS ** 3] a smoothed histogram that sums to 1 and is nowhere 0."""
    counts = np.bincount(colours, minlength=BINS**3).reshape(BINS, BINS, BINS).astype(float)
    smooth = filters.gaussian(counts, 0.7, mode="constant") + 1e-3 * max(counts.sum(), 1) / BINS**3
    return (smooth / smooth.sum()).ravel()


def _pieces(rgb: np.ndarray, alpha: np.ndarray, whole: bool, smallest: float, name: str) -> Iterator[Pixels]:
    """Yield the connected parts as patches, largest first; all as one patch if `whole`."""
    labels = measure.label(alpha > 0.02)
    if whole:
        labels = (labels > 0).astype(int)
    regions = sorted(measure.regionprops(labels), key=lambda region: -region.area)
    for region in regions:
        top, left, bottom, right = region.bbox
        if region.area < smallest * alpha.size or min(bottom - top, right - left) < MIN_SIDE:
            continue
        part = (labels[top:bottom, left:right] == region.label) * alpha[top:bottom, left:right]
        channel = (part * 255).round().astype(np.uint8)[..., None]
        yield crop_to_alpha(np.concatenate([rgb[top:bottom, left:right], channel], 2), name)


def resized(pixels: Pixels, side: int) -> Pixels:
    """Return a patch shrunk so that its longer side is at most `side` pixels."""
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(MIN_SIDE, round(pixels.shape[1] * scale)), max(MIN_SIDE, round(pixels.shape[0] * scale)))
    image = Image.fromarray(pixels).convert("RGBa").resize(size, Image.Resampling.LANCZOS)
    return np.array(image.convert("RGBA"))


def rasterise(svg: bytes, name: str, side: int) -> Pixels:
    """Return an SVG file as a patch; needs resvg-py, which is an extra.

    Raises:
        InputError: not an SVG, one that refers to other files, or one that takes too much to draw.
        UsageError: resvg-py is not installed.
    """
    from artgen.svg.rasterise import rasterise_svg

    png = rasterise_svg(svg, name, 2 * side)
    return crop_to_alpha(np.array(Image.open(io.BytesIO(png)).convert("RGBA")), name)
