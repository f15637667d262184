"""Reading Arnheim's `.npy` patch files without unpickling anything but numpy arrays.

Such a file is an object array, which numpy writes as a pickle; `np.load(allow_pickle=True)`
would run whatever a stranger put in there. Here a small machine of our own interprets it.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from artgen.assets.array_pickles import MAX_ARRAYS, Array, Machine, NumberType, filled
from artgen.errors import InputError


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
        result = Machine(len(body)).run(body)
        arrays = [array.value if isinstance(array, Array) else array for array in result]
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
    number = NumberType(descr.lstrip("<>|="))
    if number.code == "O8":
        raise ValueError("objects in a plain array")
    number.order = descr[0] if descr[0] in "<>" else "="
    order = "F" if header.get("fortran_order") else "C"
    array = filled(body, header["shape"], number, order)
    if array.ndim != 4 or len(array) > MAX_ARRAYS:
        raise ValueError(f"its shape is {array.shape}, not [n, h, w, c] with at most {MAX_ARRAYS:,} arrays")
    return array
