"""Values and gradients of the fast path against the dense float64 oracle."""

import pytest
import torch

from artgen.renderers.strokes.chords import chord_counts
from artgen.renderers.strokes.rasterise import Paths, paint
from artgen.types import Window
from tests.reference import strokes_dense as dense

KINDS = {
    "open": {},
    "tapered": {"taper": 0.4},
    "nonzero": {"closed": True},
    "evenodd": {"closed": True, "rule": "evenodd"},
}


def scene(elements, segments, height, width, seed, closed=False, population=1, reach=0.25):
    """Random paths; those of closed ones share the first and last point."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(population, elements, 1, 2, generator=generator, dtype=torch.float64)
    step = torch.rand(population, elements, 3 * segments, 2, generator=generator, dtype=torch.float64) - 0.5
    points = torch.cat([first, first + (step * 2 * reach).cumsum(2)], 2)
    if closed:
        points = points[:, :, :-1]
    points = points * torch.tensor([width, height])
    rest = [torch.rand(population, elements, n, generator=generator, dtype=torch.float64) for n in (1, 3, 1)]
    widths, colours, opacity = rest[0][..., 0] * 7 + 0.3, rest[1], rest[2][..., 0] * 0.8 + 0.2
    return points, widths, colours, opacity


def curves_of(points):
    """[..., 3 S + 1, 2] open or [..., 3 S, 2] closed -> [..., S, 4, 2]."""
    index = torch.arange(points.shape[-2] // 3)[:, None] * 3 + torch.arange(4)
    return points[..., index % points.shape[-2], :]


def fast(points, widths, colours, opacity, window, kind, dtype=torch.float32):
    strength = opacity[..., None]
    mixed = torch.cat([colours * strength, strength], -1).to(dtype)
    return paint(Paths(curves_of(points).to(dtype), (widths / 2).to(dtype), mixed, **KINDS[kind]), window)


def slow(points, widths, colours, opacity, height, width, kind):
    result = []
    for curve, w, c, o in zip(curves_of(points), widths, colours, opacity, strict=True):
        counts = chord_counts(curve.flatten(0, 1)).view(curve.shape[:2]).tolist()
        if kind in ("open", "tapered"):
            taper = KINDS[kind].get("taper", 0.0)
            result.append(dense.render_open(curve, counts, w, c, o, height, width, taper))
        else:
            result.append(dense.render_closed(curve, counts, c, o, height, width, kind))
    return torch.stack(result)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_picture_equals_the_dense_oracle(kind, seed):
    height, width = 29, 43
    closed = KINDS[kind].get("closed", False)
    elements = 2 if kind == "tapered" else 8
    parts = scene(elements, 1 + seed, height, width, seed, closed, population=2)
    window = Window(0, 0, height, width)
    exact = slow(*parts, height, width, kind)
    # worst seen: 1e-14 in float64; 1e-5 in float32, 2e-4 tapered (the oracle samples places)
    tolerance = 1e-3 if kind == "tapered" else 1e-9
    torch.testing.assert_close(fast(*parts, window, kind, torch.float64), exact, rtol=0, atol=tolerance)
    single = fast(*parts, window, kind).double()
    torch.testing.assert_close(single, exact, rtol=0, atol=max(tolerance, 1e-4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_gradients_equal_the_dense_oracles(kind, seed):
    height, width = 29, 43
    closed = KINDS[kind].get("closed", False)
    elements = 2 if kind == "tapered" else 8
    parts = scene(elements, 1 + seed, height, width, seed + 10, closed)
    leaves = [p.requires_grad_() for p in parts]
    weights = torch.randn(
        1, 4, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    exact = slow(*leaves, height, width, kind)
    oracle = torch.autograd.grad((exact * weights).sum(), leaves, allow_unused=True)
    picture = fast(*leaves, Window(0, 0, height, width), kind)
    gradient = torch.autograd.grad((picture.double() * weights).sum(), leaves, allow_unused=True)
    tolerance = 2e-2 if kind == "tapered" else 1e-4
    for name, mine, theirs in zip(("points", "width", "colour", "opacity"), gradient, oracle, strict=True):
        if theirs is None:
            assert mine is None or not mine.any()
            continue
        error = (mine - theirs).norm() / theirs.norm()
        assert error < tolerance, f"{name}: relative error {error:.2e}"
