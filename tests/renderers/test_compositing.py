import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgen.renderers.binning import TileGrid, assemble, spread, stack, tiles_in_boxes
from artgen.renderers.compositing import _OverByDepth, _OverInParallel, over
from artgen.types import Window
from tests.reference.tiles import cut_into_bins, pixel_centres


def painted_one_by_one(layers, bins):
    """Oracle: every pair in turn on its own bin's canvas, differentiable by autograd."""
    canvas = {}
    for layer, where in zip(layers, bins.tolist(), strict=True):
        below = canvas.get(where, torch.zeros_like(layer))
        canvas[where] = layer + (1 - layer[3:]) * below
    return canvas


def random_layers(pairs, pixels, generator, opaque=0.2):
    alpha = torch.rand(pairs, 1, pixels, generator=generator, dtype=torch.float64)
    alpha[torch.rand(alpha.shape, generator=generator) < opaque] = 1.0
    alpha[torch.rand(alpha.shape, generator=generator) < opaque] = 0.0
    rgb = torch.rand(pairs, 3, pixels, generator=generator, dtype=torch.float64) * alpha
    return torch.cat([rgb, alpha], 1).requires_grad_()


@pytest.mark.parametrize("function", [_OverByDepth, _OverInParallel])
@pytest.mark.parametrize(("pairs", "bins"), [(1, 1), (40, 7), (150, 2), (60, 60)])
def test_over_equals_painting_one_by_one_in_value_and_gradient(function, pairs, bins):
    generator = torch.Generator().manual_seed(pairs)
    which = torch.randint(bins, (pairs,), generator=generator)
    layers = random_layers(pairs, 3, generator)
    stacks = stack(which)
    result = function.apply(layers[stacks.order], tuple(stacks.lengths))
    expected = painted_one_by_one(layers, which)
    expected = torch.stack([expected[b] for b in stacks.bins.tolist()])
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-14)
    weights = torch.randn(result.shape, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((result * weights).sum(), layers)
    (oracle,) = torch.autograd.grad((expected * weights).sum(), layers)
    torch.testing.assert_close(gradient, oracle, rtol=0, atol=1e-13)


def test_over_passes_gradcheck():
    layers = random_layers(6, 2, torch.Generator().manual_seed(0), opaque=0)
    assert torch.autograd.gradcheck(lambda x: over(x, [3, 2, 1]), layers)
    assert torch.autograd.gradcheck(lambda x: _OverInParallel.apply(x, (3, 2, 1)), layers)


def test_over_refuses_lengths_that_do_not_fit():
    with pytest.raises(ValueError, match="depths of 3 layers"):
        over(torch.zeros(3, 4, 1), [1, 1])
    with pytest.raises(ValueError, match="depths"):
        over(torch.zeros(3, 4, 1), [1, 2])


def test_over_of_nothing_is_nothing():
    assert over(torch.zeros(0, 4, 9), []).shape == (0, 4, 9)


def test_backward_keeps_no_canvas_per_depth():
    """64 layers over one bin: what is saved and allocated stays near the layers' own size."""
    layers = torch.rand(64, 4, 4096, requires_grad=True)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        over(layers, [1] * 64)
    assert sum(saved) <= layers.numel()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=60))
def test_stack_is_depth_major_and_keeps_the_order_of_painting(bins):
    bins = torch.tensor(bins, dtype=torch.long)
    stacks = stack(bins)
    assert sorted(stacks.order.tolist()) == list(range(len(bins)))
    assert stacks.lengths == sorted(stacks.lengths, reverse=True)
    start, last = 0, {}
    for length in stacks.lengths:
        part = stacks.order[start : start + length]
        assert bins[part].tolist() == stacks.bins[:length].tolist()
        for where, pair in zip(bins[part].tolist(), part.tolist(), strict=True):
            assert last.get(where, -1) < pair
            last[where] = pair
        start += length


def test_spread_writes_out_ragged_rows():
    row, item = spread(torch.tensor([2, 0, 3]))
    assert row.tolist() == [0, 0, 2, 2, 2]
    assert item.tolist() == [0, 1, 0, 1, 2]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_boxes_meet_exactly_the_tiles_they_overlap(seed):
    generator = torch.Generator().manual_seed(seed)
    window = Window(5, 3, 5 + 21, 3 + 34)
    grid = TileGrid(2, window, 8)
    corner = torch.rand(12, 2, generator=generator) * 60 - 10
    boxes = torch.cat([corner, corner + torch.rand(12, 2, generator=generator) * 30], 1)
    boxes[0] = torch.tensor([float("nan"), 0, 9, 9])
    boxes[1] = torch.tensor([9.0, 9, 8, 10])
    candidate = torch.arange(12) // 6
    found = set(zip(*(t.tolist() for t in tiles_in_boxes(grid, boxes, candidate)), strict=True))
    expected = set()
    for e, (left, top, right, bottom) in enumerate(boxes.tolist()):
        for b in range(grid.bins):
            x, y = (int(v) for v in grid.origin(torch.tensor([b])))
            same = b // (grid.rows * grid.columns) == candidate[e]
            if same and e > 1 and left < x + 8 and x < right and top < y + 8 and y < bottom:
                expected.add((e, b))
    assert found == expected


def test_assemble_undoes_tiling():
    window = Window(2, 3, 2 + 13, 3 + 22)
    grid = TileGrid(3, window, 8)
    picture = torch.rand(3, 4, 13, 22)
    bins = torch.randperm(grid.bins)
    assert torch.equal(assemble(cut_into_bins(picture, grid)[bins], bins, grid), picture)


def test_pixel_centres_lie_where_assemble_puts_them():
    window = Window(2, 3, 2 + 13, 3 + 22)
    grid = TileGrid(1, window, 8)
    bins = torch.arange(grid.bins)
    centres = pixel_centres(grid, bins).movedim(2, 1)
    blocks = torch.cat([centres, torch.zeros_like(centres)], 1)
    picture = assemble(blocks, bins, grid)[0]
    assert torch.equal(picture[0], (torch.arange(22) + 3.5).expand(13, 22))
    assert torch.equal(picture[1], (torch.arange(13) + 2.5)[:, None].expand(13, 22))
