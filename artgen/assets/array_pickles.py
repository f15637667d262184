"""A stack machine that interprets the pickles of numpy arrays and nothing else.

Opcodes are as documented in CPython's `pickletools`. The machine builds tuples, bytes and numpy arrays, calls
nothing, and refuses all else.

A pickle may refer to what it made before, so that a few bytes could become gigabytes. numpy never
does that with the content of arrays: all arrays together are no larger than the file. This is the
limit here. Stack, tuples and lists are as small as numpy makes them.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_ARRAYS = 20_000
"""Most arrays in one file."""
_MAX_OPCODES = 1_000_000
"""Most instructions; numpy writes about 40 for each array."""
_MAX_STACK = 10_000
"""Most values waiting on the stack; Python's pickler puts at most 1,000 items of a list there."""
_MAX_TUPLE = 16
"""Longest tuple; the longest that numpy writes has 8 items."""
_MAX_DIMENSIONS = 8
_KNOWN = {
    "numpy.core.multiarray _reconstruct": "_reconstruct",
    "numpy._core.multiarray _reconstruct": "_reconstruct",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    "numpy.core.numeric _frombuffer": "_frombuffer",
    "numpy._core.numeric _frombuffer": "_frombuffer",
}
"""The names that numpy's own pickles contain, with the module they come from; numpy 2 renamed some."""


class _Name(str):
    """One of the few names in `_KNOWN`; a stand-in that is never called."""


class Array:
    """An array, whose content may come later in the file."""

    value: np.ndarray | None = None
    objects: list[Any] | None = None


class NumberType:
    """A number format such as `<u1`."""

    def __init__(self, code: str) -> None:
        if not isinstance(code, str):
            raise ValueError("a type without a name")
        if code != "O8" and code not in ("u1", "i1", "u2", "i2", "i4", "u4", "i8", "f2", "f4", "f8", "b1"):
            raise ValueError(f"contains values of type {code[:20]!r}")
        self.code = code
        self.order: Any = "="

    def numpy(self) -> np.dtype:
        """Return the type in numpy's own terms, with its byte order."""
        return np.dtype(self.code).newbyteorder(self.order)


def filled(data: bytes, shape: Any, number: NumberType, order: Any) -> np.ndarray:
    """Return an array made of the first bytes of some data.

    Args:
        data: at least as many bytes as the array takes.
        shape: sides from 1; anything that a file states.
        number: its number format.
        order: "C" or "F".

    Raises:
        ValueError: the shape is invalid, or the data does not suffice.
    """
    if not isinstance(shape, tuple) or not 1 <= len(shape) <= _MAX_DIMENSIONS:
        raise ValueError("an array without a shape")
    if not all(type(side) is int and 0 < side < 2**31 for side in shape):
        raise ValueError("an array with an invalid or empty shape")

    expected = math.prod(shape) * number.numpy().itemsize
    if len(data) < expected:
        raise ValueError(f"{len(data):,} bytes cannot fill the shape {shape}")
    return np.frombuffer(data[:expected], number.numpy()).reshape(shape, order=order).copy()


class Machine:
    """A stack, a memo and the opcodes that building arrays takes.

    Args:
        size: of the pickle in bytes.
    """

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.arrays = 0
        self.items = 0
        self.bytes_left = {"arrays": size, "text": size}

    def run(self, body: bytes) -> list[Any]:
        """Interpret a pickle; return the list of the contents of its outermost object array."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(body)):
            if count > _MAX_OPCODES:
                raise ValueError("too long")
            if opcode.name == "STOP":
                break
            self._step(opcode.name, argument)
        top = self.stack.pop()
        content = getattr(top, "objects", None)
        if not isinstance(content, list):
            raise ValueError("its outermost object is not an object array")
        return content

    def _step(self, name: str, argument: Any) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name](argument))
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise ValueError(f"it does {name}, which no array needs")
        if len(self.stack) > _MAX_STACK or len(self.marks) > _MAX_STACK:
            raise ValueError("too many values at once")

    def _spend(self, kind: str, count: int) -> None:
        """Count bytes that are about to be made, which may not be more than the file has."""
        self.bytes_left[kind] -= count
        if self.bytes_left[kind] < 0:
            raise ValueError("its arrays are larger than the file")

    def _mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def _to_mark(self) -> list[Any]:
        index = self.marks.pop()
        items = self.stack[index:]
        del self.stack[index:]
        return items

    def _tuple(self, length: int) -> None:
        items = self.stack[len(self.stack) - length :]
        del self.stack[len(self.stack) - length :]
        self._push_tuple(items)

    def _push_tuple(self, items: list[Any]) -> None:
        """Put a tuple on the stack."""
        if len(items) > _MAX_TUPLE:
            raise ValueError("a long tuple")
        for item in items:
            # Tuples in tuples are shapes. Deeper nesting could refer to itself again and again.
            if isinstance(item, tuple) and not all(type(side) is int for side in item):
                raise ValueError("nested tuples")
        self.stack.append(tuple(items))

    def _name(self, text: str) -> None:
        if text not in _KNOWN:
            raise ValueError(f"it asks for {text.replace(' ', '.')}")
        self.stack.append(_Name(_KNOWN[text]))

    def _named(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(f"{module} {name}")

    def _extend(self, _: Any) -> None:
        self._add_to_list(self._to_mark())

    def _append(self, _: Any) -> None:
        self._add_to_list([self.stack.pop()])

    def _add_to_list(self, items: list[Any]) -> None:
        """Extend the list on top of the stack."""
        self.items += len(items)
        if self.items > MAX_ARRAYS:
            raise ValueError("too many arrays")
        if not isinstance(self.stack[-1], list):
            raise ValueError("it appends to something that is not a list")
        self.stack[-1].extend(items)

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("it calls something that is not a name")
        if function not in _FUNCTIONS:
            raise ValueError(f"it calls {function}")
        self.stack.append(_FUNCTIONS[function](self, *arguments))

    def _make_reconstruct(self, kind: Any, shape: Any, code: Any) -> Array:
        self.arrays += 1
        if self.arrays > MAX_ARRAYS or kind != "ndarray":
            raise ValueError("too many arrays" if kind == "ndarray" else "no plain array")
        return Array()

    def _make_dtype(self, code: Any, *_: Any) -> NumberType:
        return NumberType(code)

    def _make_encode(self, text: Any, encoding: Any) -> bytes:
        if encoding != "latin1" or not isinstance(text, str):
            raise ValueError("text in another encoding than latin1")
        self._spend("text", len(text))
        return text.encode("latin1")

    def _make_frombuffer(self, data: Any, number: Any, shape: Any, order: Any) -> Array:
        array = Array()
        self._fill(array, shape, number, order == "F", data)
        return array

    def _build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, NumberType) and isinstance(state, tuple) and state[1] in ("<", ">", "|", "="):
            target.order = "=" if state[1] == "|" else state[1]
        elif isinstance(target, Array) and isinstance(state, tuple) and len(state) == 5:
            self._fill(target, *state[1:])
        else:
            raise ValueError("it sets the state of something that is not an array")

    def _fill(self, target: Array, shape: Any, number: Any, fortran: Any, content: Any) -> None:
        """Give an array its content, once."""
        if not isinstance(number, NumberType):
            raise ValueError("an array without a type")
        if target.value is not None or target.objects is not None:
            raise ValueError("an array that is filled twice")
        if number.code == "O8" and isinstance(content, list):
            target.objects = content
        elif isinstance(content, (bytes, bytearray)):
            self._spend("arrays", len(content))
            target.value = filled(bytes(content), shape, number, "F" if fortran else "C")
        else:
            raise ValueError("an array without bytes")


def _same(value: Any) -> Any:
    return value


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"), _same),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"), _same),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), _same),
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), lambda text: text.encode("latin1")),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_reconstruct": Machine._make_reconstruct,
    "dtype": Machine._make_dtype,
    "encode": Machine._make_encode,
    "_frombuffer": Machine._make_frombuffer,
}
_ACTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "MARK": Machine._mark,
    "GLOBAL": lambda machine, text: machine._name(text),
    "STACK_GLOBAL": Machine._named,
    "REDUCE": Machine._reduce,
    "BUILD": Machine._build,
    "APPENDS": Machine._extend,
    "APPEND": Machine._append,
    "TUPLE": lambda machine, _: machine._push_tuple(machine._to_mark()),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "MEMOIZE": lambda machine, _: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
    **dict.fromkeys(
        ("PUT", "BINPUT", "LONG_BINPUT"),
        lambda machine, index: machine.memo.__setitem__(int(index), machine.stack[-1]),
    ),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"),
        lambda machine, index: machine.stack.append(machine.memo[int(index)]),
    ),
}
