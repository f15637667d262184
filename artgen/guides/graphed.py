"""A guide's image tower as a CUDA graph: its kernels are started by one call instead of hundreds.

On a GPU a small network spends more time on starting kernels than on computing. A CUDA graph records them once,
forward and backward, and replays them on the same memory. So pictures are copied into a fixed tensor before each
replay, and results out of another. On a CPU the same class runs the function again instead of replaying it, which
tests the copies.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from artgen.guides.base import Guide

Function = Callable[[Tensor], Tensor]
WARMUP = 3
"""Runs before the recording, in which libraries choose their algorithms and reserve memory."""
MOST_SHAPES = 4
"""Shapes whose recordings are kept; each keeps its own memory."""


def graphed(guide: Guide) -> Guide:
    """Return the guide with an `encode_image` that replays a recording for each shape of its input.

    Set the number format of the guide before.
    """
    faster = copy.copy(guide)
    faster.encode_image = GraphedFunction(guide.encode_image)  # type: ignore[method-assign, assignment]
    return faster


class GraphedFunction:
    """A differentiable function of one tensor, recorded once for each shape.

    Args:
        function: makes a tensor from a tensor; the sizes and kernels are the same in every call.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._recordings: dict[tuple[torch.Size, torch.dtype], _Recording] = {}

    def __call__(self, given: Tensor) -> Tensor:
        """Return the function's value; without a gradient it is called as it is.

        The gradient must be taken before the next call with the same shape.
        """
        if not (torch.is_grad_enabled() and given.requires_grad):
            return self._function(given)

        key = (given.shape, given.dtype)
        if key not in self._recordings:
            if len(self._recordings) >= MOST_SHAPES:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[key] = _Recording(self._function, given)
        return cast(Tensor, _Replay.apply(given, self._recordings[key]))


class _Recording:
    """Forward and backward of a function on fixed memory.

    Args:
        function: what is recorded.
        sample: an input; only its shape, number format and device matter.
    """

    def __init__(self, function: Function, sample: Tensor) -> None:
        self.calls = 0
        self.input = sample.detach().clone().requires_grad_()
        self.input_gradient = torch.zeros_like(sample)
        self._function = function

        warm = self._warm_up() if sample.is_cuda else function(self.input)
        self._live = warm  # the output with its graph
        self.output = torch.zeros_like(warm.detach())
        self.output_gradient = torch.zeros_like(self.output)

        self.forward, self.backward = self._forward, self._backward
        if sample.is_cuda:
            self.forward, self.backward = self._captured()

    def _forward(self) -> None:
        with torch.enable_grad():
            self._live = self._function(self.input)
        self.output.copy_(self._live.detach())

    def _backward(self) -> None:
        (gradient,) = torch.autograd.grad(self._live, self.input, self.output_gradient)
        self.input_gradient.copy_(gradient)

    def _warm_up(self) -> Tensor:
        """Run a few times on a stream of its own, as recordings require."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARMUP):
                with torch.enable_grad():
                    output = self._function(self.input)
                torch.autograd.grad(output, self.input, torch.zeros_like(output))
        torch.cuda.current_stream().wait_stream(stream)
        return output

    def _captured(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """Record both passes; they share memory, because the backward pass reads what the forward pass made."""
        forward, backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(forward):
            self._forward()
        with torch.cuda.graph(backward, pool=forward.pool()):
            self._backward()
        return forward.replay, backward.replay


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, recording: _Recording) -> Tensor:
        """Copy the input in, replay, and copy the output out."""
        recording.input.copy_(given)
        recording.forward()
        recording.calls += 1
        ctx.recording, ctx.call = recording, recording.calls
        return recording.output.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Copy the gradient in, replay, and copy the input's gradient out."""
        recording = ctx.recording
        if ctx.call != recording.calls:
            raise RuntimeError("a graphed function was called again before its gradient was taken")
        recording.output_gradient.copy_(gradient)
        with torch.enable_grad():
            recording.backward()
        return recording.input_gradient.clone(), None
