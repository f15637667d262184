"""The only reader of YAML: plain values, without aliases, tags and the surprises of YAML 1.1."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

LONGEST_NUMBER = 64
"""Most characters of a number; anything longer is text (Python refuses to print such numbers)."""
MOST_VALUES = 100_000
"""Most keys and values of a document; a patch set of 5,000 patches with credits has 55,000."""
_TAG = "tag:yaml.org,2002:"


def read_yaml(text: str | bytes) -> Any:
    r"""Return the content of a YAML document: mappings, lists, text, numbers and booleans only.

    Aliases (which make small files huge), tags (which create objects) and repeated keys are
    refused. `3:2` and `2024-01-01` are text. In YAML 1.1 they would be a number of minutes
    and a date.

    Raises:
        ValueError: anything else; the message is one line that names the place.

    Example:
        >>> read_yaml("aspect: 3:2\nsteps: 5")
        {'aspect': '3:2', 'steps': 5}
    """
    try:
        return _PlainLoader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        where = f" at line {place.line + 1}" if place else ""
        raise ValueError(f"not plain YAML{where}: {_short(error.problem or error.context)}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not plain YAML: {_short(getattr(error, 'reason', None) or error)}") from None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"not plain YAML: {_short(error)}") from None
    except RecursionError:
        raise ValueError("not plain YAML: nested too deeply") from None


def _short(reason: object) -> str:
    """Return a reason as one line of limited length."""
    return " ".join(str(reason).split())[:160]


class _PlainLoader(yaml.SafeLoader):
    """The safe loader without aliases, tags, repeated keys, dates and numbers of base 60."""

    _values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases and tags before they are resolved, and too many values before they are read."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} keys and values; divide it")

        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases (*name) are refused; write the value out", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal("tags and objects (!name) are refused; write plain values", event)
        return super().compose_node(parent, index)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Read dates, numbers of base 60 and very long numbers as text."""
        tag = super().resolve(kind, value, implicit)

        is_number = tag in (f"{_TAG}int", f"{_TAG}float")
        is_odd_number = is_number and (":" in value or len(value) > LONGEST_NUMBER)
        if tag == f"{_TAG}timestamp" or is_odd_number:
            return f"{_TAG}str"
        return tag

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse repeated keys, of which all but one would be lost."""
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise _refusal("a key is repeated; remove one of them", node)
        return mapping


def _refusal(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)
