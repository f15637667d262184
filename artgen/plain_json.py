"""The only reader of JSON that did not come from this process: files, archives, metadata of pictures."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 100
"""Deepest nesting of lists and objects; artgen itself writes less than 10."""
MOST_VALUES = 2_000_000
"""Most values in one text; a batch of 10,000 runs has about 600,000."""

_BRACKET = re.compile(r"[\[{\]}]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""Possessive and without a required end, so that each character is looked at once."""


def read_json(text: str | bytes) -> Any:
    r"""Return the value of a JSON text, whose nesting and number of values are limited.

    The limits are checked before a value is made. The size of the text is limited by whoever reads it
    (`artgen.files.read_file`).

    Raises:
        ValueError: not valid JSON, or beyond a limit; the message is a short phrase.

    Example:
        >>> read_json('{"steps": [1, 2]}')
        {'steps': [1, 2]}
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")

    # An upper bound that is quick to count: each value follows a comma or an opening bracket.
    values = text.count(",") + text.count("[") + text.count("{")
    if values > MOST_VALUES:
        raise ValueError(f"not JSON that is read: more than {MOST_VALUES:,} values")
    if _depth(text) > DEEPEST:
        raise ValueError(f"not JSON that is read: nested more than {DEEPEST} deep")

    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} at line {error.lineno}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits
        raise ValueError("not valid JSON: a number is too long") from None


def _depth(text: str) -> int:
    """Return how deep lists and objects are nested; brackets within strings do not count."""
    if max(text.count("["), text.count("{")) <= DEEPEST // 2:
        return 0

    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
