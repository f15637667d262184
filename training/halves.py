"""Computing the two halves of a batch side by side, one thread each.

Why not one pass with two threads: the weight gradients of PyTorch's CPU convolutions end in a barrier, where
on a busy machine both threads mostly wait. Halves only wait for each other a few times per step. The sums
are taken in a fixed order, so that every run gives the same result.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

POOL = ThreadPoolExecutor(2)


def twin(module: nn.Module) -> nn.Module:
    """Return a copy of a module that shares its parameters but has its own batch statistics."""
    other = copy.deepcopy(module)
    for ours, theirs in zip(module.modules(), other.modules(), strict=True):
        theirs._parameters = ours._parameters
    return other


def both(function: Callable, *arguments: Sequence) -> list:
    """Return [function(0, a[0], ...), function(1, a[1], ...)], computed on two threads."""
    first, second = zip(*arguments, strict=True)
    jobs = [POOL.submit(function, 0, *first), POOL.submit(function, 1, *second)]
    return [job.result() for job in jobs]


def slopes(
    outputs: Sequence[Tensor], grads: Sequence[Tensor], shared: Sequence[Tensor], own=None
) -> tuple[list, list]:
    """Return the gradients of both halves.

    Args:
        outputs: of each half.
        grads: the loss's gradient with respect to each output.
        shared: tensors whose gradients are summed over the halves.
        own: one tensor of each half whose gradient is wanted too; None for none.

    Returns:
        The gradients of `shared` (None where there is none), and for each half those of `own`.
    """

    def half(i: int, output: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        wanted = shared if own is None else [*shared, own[i]]
        return torch.autograd.grad(output, wanted, grad, allow_unused=True)

    first, second = both(half, outputs, grads)
    count = len(shared)
    total = [_sum(ours, theirs) for ours, theirs in zip(first[:count], second[:count], strict=True)]
    return total, [first[count:], second[count:]]


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return the sum of two gradients, either of which may be missing."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


def slope_of(leaf: Tensor) -> Tensor:
    """Return the gradient of a leaf.

    Raises:
        ValueError: it has none yet.
    """
    if leaf.grad is None:
        raise ValueError("no gradient has reached this tensor; call backward first")
    return leaf.grad
