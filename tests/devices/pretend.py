"""A pretend device: tensors that compute on the CPU, and say that they are on a GPU.

A tensor on the pretend device has real values, so whole runs work on it. Inside `PretendDevice`, every operation of
torch passes through `__torch_dispatch__`, which

- records in `waits` an operation whose result the host needs (`.item()`, `nonzero`, a copy to the host, a blocking
  copy to the device): CUDA finishes all queued work first;
- records in `unordered` an operation whose bits CUDA does not repeat, and that torch refuses in deterministic mode;
- refuses an operation that mixes tensors of the device with tensors of the host, as CUDA does.

So a machine without a GPU finds these mistakes. It does not show the speed or the rounding of a GPU.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

DEVICE = torch.device("meta")
"""The name that the pretend device goes by; torch knows no operations for it that this mode does not catch."""
WAITS = {
    "_linalg_check_errors",
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "histc",
    "is_nonzero",
    "linalg_inv_ex",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
    "unique_dim_consecutive",
}
"""Operations whose result, or its size, the host reads from the device."""
UNORDERED = {
    "_adaptive_avg_pool2d_backward",
    "_upsample_bicubic2d_aa_backward",
    "_upsample_bilinear2d_aa_backward",
    "adaptive_avg_pool2d_backward",
    "adaptive_max_pool2d_backward",
    "grid_sampler_2d_backward",
    "histc",
    "kthvalue",
    "median",
    "put_",
    "reflection_pad2d_backward",
    "replication_pad2d_backward",
    "upsample_bicubic2d_backward",
    "upsample_bilinear2d_backward",
}
"""Operations that torch's documentation says it refuses on CUDA in deterministic mode; see `_is_unordered`."""


class OnDevice(Tensor):
    """A tensor on the pretend device.

    Attributes:
        inner: the same values on the CPU.
    """

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnDevice:
        result = Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=DEVICE
        )
        result.inner = inner
        return result

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        """True, so that the code paths for CUDA are taken."""
        return True

    def __repr__(self) -> str:
        return f"OnDevice({self.inner!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError("a tensor of the pretend device was used outside PretendDevice")


class PretendDevice(TorchDispatchMode):
    """While this is entered, `DEVICE` is a device with values.

    Attributes:
        waits: a line for each operation that CUDA would wait for: its name, and where artgen calls it.
        unordered: the same for operations whose bits CUDA does not repeat.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.unordered: list[str] = []
        self._literals = _Literals(self)

    def __enter__(self) -> PretendDevice:
        self._literals.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._literals.__exit__(*error)

    def note_wait(self, name: str) -> None:
        """Record an operation that a GPU would wait for."""
        self.waits.append(f"{name} in {_caller()}")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        flat, spec = tree_flatten((args, kwargs or {}))
        tensors = [value for value in flat if isinstance(value, Tensor)]
        on_device = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
        name = func._schema.name.removeprefix("aten::")
        wanted = (kwargs or {}).get("device")

        if wanted is not None and torch.device(wanted).type == DEVICE.type:
            result_on_device = True
            if not on_device and name == "_to_copy" and not (kwargs or {}).get("non_blocking"):
                self.note_wait("a blocking copy to the device")
        elif wanted is not None:
            result_on_device = False
            if on_device:
                self.note_wait("a copy to the host")
        else:
            result_on_device = bool(on_device)

        if on_device:
            self._check(name, func, tensors, args, kwargs or {})
        plain = [value.inner if isinstance(value, OnDevice) else value for value in flat]
        plain = [torch.device("cpu") if _is_device(value) else value for value in plain]
        plain_args, plain_kwargs = tree_unflatten(plain, spec)
        result = func(*plain_args, **plain_kwargs)

        if func._schema.is_mutable and not name.endswith(("_scalar_dense",)):
            return _mutated(func, args, kwargs or {}, result, result_on_device)
        return _wrapped(result) if result_on_device else result

    def _check(self, name: str, func: Any, tensors: list[Tensor], args: tuple, kwargs: dict) -> None:
        """Record a wait; refuse tensors of the host, except single values."""
        if name == "copy_":
            target, source = args[:2]
            if not isinstance(target, OnDevice):
                self.note_wait("a copy to the host")
            elif not isinstance(source, OnDevice) and source.dim() and not (args[2:] and args[2]):
                self.note_wait("a blocking copy to the device")
            return

        if _is_unordered(name, args):
            self.unordered.append(f"{name} in {_caller()}")
        if name in WAITS or (name == "repeat_interleave" and kwargs.get("output_size") is None):
            self.note_wait(name)
        if name in ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"):
            self._check_indices(name, args)
            return
        for tensor in tensors:
            if not isinstance(tensor, OnDevice) and tensor.dim():
                raise RuntimeError(
                    f"{name}: expected all tensors on the device, found one on the CPU ({_caller()})"
                )

    def _check_indices(self, name: str, args: tuple) -> None:
        indices = [index for index in args[1] if index is not None]
        for index in indices:
            if not isinstance(index, OnDevice):
                self.note_wait(f"{name} with an index on the host")

        # one value for all places becomes `masked_fill_`, which does not wait
        fills = name.startswith(("index_put", "_index_put")) and args[2].numel() == 1
        if any(index.dtype in (torch.bool, torch.uint8) for index in indices) and not fills:
            self.note_wait(f"{name} with a mask")


class _Literals(TorchFunctionMode):
    """`torch.tensor` and its like would drop their values on a meta device; make them on the CPU and copy."""

    def __init__(self, mode: PretendDevice) -> None:
        super().__init__()
        self._mode = mode

    def __torch_function__(self, func: Callable, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is Tensor.tolist and isinstance(args[0], OnDevice):
            self._mode.note_wait("tolist")
            return args[0].inner.tolist()
        if func is Tensor.new_tensor and isinstance(args[0], OnDevice):
            dtype = kwargs.get("dtype") or args[0].dtype
            self._mode.note_wait("new_tensor")
            return OnDevice(torch.tensor(args[1], dtype=dtype))
        device = kwargs.get("device")
        makes = func in (torch.tensor, torch.as_tensor) and device is not None
        if makes and torch.device(device).type == DEVICE.type:
            self._mode.note_wait("torch.tensor on the device")
            return OnDevice(func(*args, **{**kwargs, "device": "cpu"}))
        return func(*args, **kwargs)


def _is_unordered(name: str, args: tuple) -> bool:
    """Return whether CUDA does not repeat the bits of an operation, unless `known_to_repeat` allows it."""
    if not torch.are_deterministic_algorithms_enabled() and name == "grid_sampler_2d_backward":
        return args[-1][0]  # of the two gradients, only the texture's is added in no fixed order
    if name == "cumsum":
        return args[0].is_floating_point()
    return name in UNORDERED


def _is_device(value: Any) -> bool:
    return isinstance(value, torch.device) and value.type == DEVICE.type


def _wrapped(result: Any) -> Any:
    def wrap(value: Any) -> Any:
        return OnDevice(value) if isinstance(value, Tensor) else value

    return tree_map(wrap, result)


def _mutated(func: Any, args: tuple, kwargs: dict, result: Any, on_device: bool) -> Any:
    """Return the arguments that an operation wrote to, in place of its results, as autograd expects."""
    written = []
    for index, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[index] if index < len(args) else kwargs.get(argument.name)
            written.append(value)

    if result is None:
        return None
    if not isinstance(result, (tuple, list)):
        returned = func._schema.returns[0].alias_info
        if returned is not None and returned.is_write:
            return written[0]
        return _wrapped(result) if on_device else result

    values = []
    queue = list(written)
    for value, declared in zip(result, func._schema.returns, strict=True):
        is_alias = declared.alias_info is not None and declared.alias_info.is_write
        values.append(queue.pop(0) if is_alias else (_wrapped(value) if on_device else value))
    return type(result)(values) if isinstance(result, list) else tuple(values)


def _caller() -> str:
    """Return the innermost line of artgen on the stack."""
    for frame in reversed(traceback.extract_stack()):
        if "/artgen/" in frame.filename:
            return f"{frame.filename.split('/artgen/')[-1]}:{frame.lineno} {frame.name}"
    return "torch"
