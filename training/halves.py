"""Two halves of a batch side by side, one thread each.

Why not one pass with two threads: the CPU library's weight gradients end in a barrier that spins, and
on a busy machine both threads then mostly wait. Halves meet only a few times a step.
The sums are taken in a fixed order, so the result is the same at every run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

POOL = ThreadPoolExecutor(2)


def twin(module: nn.Module) -> nn.Module:
    """Return a copy that shares the parameters but has its own batch statistics."""
    other = copy.deepcopy(module)
    for ours, theirs in zip(module.modules(), other.modules(), strict=True):
        theirs._parameters = ours._parameters
    return other


def both(function: Callable, *arguments: Sequence) -> list:
    """Return [function(0, a[0], ...), function(1, a[1], ...)], computed side by side."""
    jobs = [POOL.submit(function, i, *(argument[i] for argument in arguments)) for i in range(2)]
    return [job.result() for job in jobs]


def slopes(
    outputs: Sequence[Tensor], grads: Sequence[Tensor], shared: Sequence[Tensor], own=None
) -> tuple[list, list]:
    """Return gradients: summed over the halves for `shared`, and of each half for its `own` tensor."""

    def half(i: int, output: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        wanted = shared if own is None else [*shared, own[i]]
        return torch.autograd.grad(output, wanted, grad, allow_unused=True)

    first, second = both(half, outputs, grads)
    count = len(shared)
    total = [
        a if b is None else b if a is None else a + b
        for a, b in zip(first[:count], second[:count], strict=True)
    ]
    return total, [first[count:], second[count:]]


def slope_of(leaf: Tensor) -> Tensor:
    """Return the gradient that a leaf has received."""
    if leaf.grad is None:
        raise ValueError("no gradient has reached this tensor; call backward first")
    return leaf.grad
