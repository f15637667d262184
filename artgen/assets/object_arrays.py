"""Reading Arnheim's `.npy` patch files without unpickling anything but numpy arrays.

Such a file is an object array, which numpy writes as a pickle; `np.load(allow_pickle=True)`
would run whatever a stranger put in there. Here the opcodes are interpreted by a small
stack machine of our own (opcodes as documented in CPython's `pickletools`) that knows how
to build tuples, bytes and numpy arrays, calls nothing, and refuses all else.
"""

from __future__ import annotations

import ast
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from artgen.errors import InputError

_MAX_ARRAYS = 20_000
_MAX_OPCODES = 2_000_000
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
_MARK = object()


class _Name(str):
    """One of the few names in `_KNOWN`; a stand-in that is never called."""


class _Array:
    """An array, whose content may come later in the file."""

    value: np.ndarray | None = None


class _Type:
    """A number format such as `<u1`."""

    def __init__(self, code: str) -> None:
        if code != "O8" and code not in ("u1", "i1", "u2", "i2", "i4", "u4", "i8", "f2", "f4", "f8", "b1"):
            raise ValueError(f"contains values of type {code!r}")
        self.code = code
        self.order: Any = "="

    def numpy(self) -> np.dtype:
        """Return the type in numpy's own terms, with its byte order."""
        return np.dtype(self.code).newbyteorder(self.order)


def read_object_arrays(data: bytes, name: str) -> list[np.ndarray]:
    """Return the arrays in a `.npy` file.

    Args:
        data: the file: a plain array [n, h, w, c], or an object array of [h, w, c] arrays.
        name: how messages call it.

    Raises:
        InputError: not an npy file, or its pickle contains anything but numpy arrays.
    """
    try:
        header, body = _split(data)
        if header.get("descr") != "|O":
            return list(_plain(header, body))
        result = _Machine().run(body)
        arrays = [array.value if isinstance(array, _Array) else array for array in result]
    except (ValueError, KeyError, IndexError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{name}: not a file of plain numpy arrays ({reason}); refused") from None
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise InputError(f"{name}: contains objects that are not numpy arrays; refused")
    return [array for array in arrays if isinstance(array, np.ndarray)]


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header of the npy format (a Python literal) and what follows it."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise ValueError("it has no npy header")
    width = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    if length > 10_000:
        raise ValueError("its header is too long")
    header = ast.literal_eval(data[8 + width : 8 + width + length].decode("latin1").strip())
    if not isinstance(header, dict):
        raise ValueError("its header is not a dictionary")
    return header, data[8 + width + length :]


def _plain(header: dict[str, Any], body: bytes) -> np.ndarray:
    descr = str(header["descr"])
    number = _Type(descr.lstrip("<>|="))
    if number.code == "O8":
        raise ValueError("objects in a plain array")
    number.order = descr[0] if descr[0] in "<>" else "="
    order = "F" if header.get("fortran_order") else "C"
    array = _filled(body, tuple(header["shape"]), number, order)
    if array.ndim != 4:
        raise ValueError(f"its shape is {array.shape}, not [n, h, w, c]")
    return array


def _filled(data: bytes, shape: tuple[int, ...], number: _Type, order: Any) -> np.ndarray:
    expected = int(np.prod(shape, dtype=np.float64)) * number.numpy().itemsize
    if any(not isinstance(side, int) or side < 0 for side in shape) or len(data) < expected:
        raise ValueError(f"{len(data):,} bytes cannot fill the shape {shape}")
    return np.frombuffer(data[:expected], number.numpy()).reshape(shape, order=order).copy()


class _Machine:
    """A stack, a memo and the opcodes that building arrays takes."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.arrays = 0

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

    def _to_mark(self) -> list[Any]:
        index = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        items = self.stack[index + 1 :]
        del self.stack[index:]
        return items

    def _tuple(self, length: int) -> None:
        items = tuple(self.stack[len(self.stack) - length :])
        del self.stack[len(self.stack) - length :]
        self.stack.append(items)

    def _name(self, text: str) -> None:
        if text not in _KNOWN:
            raise ValueError(f"it asks for {text.replace(' ', '.')}")
        self.stack.append(_Name(_KNOWN[text]))

    def _named(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(f"{module} {name}")

    def _extend(self, _: Any) -> None:
        items = self._to_mark()
        self.stack[-1].extend(items) if isinstance(self.stack[-1], list) else _refuse("APPENDS")

    def _append(self, _: Any) -> None:
        item = self.stack.pop()
        self.stack[-1].append(item) if isinstance(self.stack[-1], list) else _refuse("APPEND")

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("it calls something that is not a name")
        self.stack.append(getattr(self, f"_make_{function.strip('_')}")(*arguments))

    def _make_reconstruct(self, kind: Any, shape: Any, code: Any) -> _Array:
        self.arrays += 1
        if self.arrays > _MAX_ARRAYS or kind != "ndarray":
            raise ValueError("too many arrays" if kind == "ndarray" else "no plain array")
        return _Array()

    def _make_dtype(self, code: Any, *_: Any) -> _Type:
        return _Type(str(code))

    def _make_encode(self, text: Any, encoding: Any) -> bytes:
        if encoding != "latin1" or not isinstance(text, str):
            raise ValueError(f"text encoded as {encoding}")
        return text.encode("latin1")

    def _make_frombuffer(self, data: Any, number: Any, shape: Any, order: Any) -> _Array:
        array = _Array()
        array.value = _filled(bytes(data), shape, number, "F" if order == "F" else "C")
        return array

    def _build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Type) and isinstance(state, tuple) and state[1] in ("<", ">", "|", "="):
            target.order = "=" if state[1] == "|" else state[1]
        elif isinstance(target, _Array) and isinstance(state, tuple) and len(state) == 5:
            self._fill(target, *state[1:])
        else:
            raise ValueError("it sets the state of something that is not an array")

    @staticmethod
    def _fill(target: _Array, shape: Any, number: Any, fortran: Any, content: Any) -> None:
        if not isinstance(number, _Type):
            raise ValueError("an array without a type")
        if number.code == "O8" and isinstance(content, list):
            target.objects = content  # type: ignore[attr-defined]
        elif isinstance(content, (bytes, bytearray)):
            target.value = _filled(bytes(content), shape, number, "F" if fortran else "C")
        else:
            raise ValueError("an array without bytes")


def _refuse(opcode: str) -> None:
    raise ValueError(f"{opcode} to something that is not a list")


def _same(value: Any) -> Any:
    return value


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "MARK": lambda _: _MARK,
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"), _same),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"), _same),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), _same),
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), lambda text: text.encode("latin1")),
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "GLOBAL": lambda machine, text: machine._name(text),
    "STACK_GLOBAL": _Machine._named,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
    "APPENDS": _Machine._extend,
    "APPEND": _Machine._append,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine._to_mark())),
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
