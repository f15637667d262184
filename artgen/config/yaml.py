"""The one reader of YAML: plain values only, nothing that can grow, run or surprise."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

LONGEST_NUMBER = 64
"""Most characters of a whole number; what is longer is text (Python refuses to print such numbers)."""
_TAG = "tag:yaml.org,2002:"


def read_yaml(text: str | bytes) -> Any:
    r"""Return what a YAML document holds: mappings, lists, text, numbers, switches and nothing else.

    Aliases (which make small files huge), tags (which name objects) and keys that stand
    twice are refused. `3:2` and `2024-01-01` are text, not a number of minutes and a
    date as in YAML 1.1.

    Raises:
        ValueError: anything else, with one line that names the place.

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
    return " ".join(str(reason).split())[:160]


class _PlainLoader(yaml.SafeLoader):
    """The safe loader without aliases, tags, repeated keys, dates and numbers of base 60."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases and tags before anything is made of them."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases (*name) are refused; write the value out", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal("tags and objects (!name) are refused; write plain values", event)
        return super().compose_node(parent, index)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Take for text what is a date or a number of base 60 in YAML 1.1 only, and endless numbers."""
        tag = super().resolve(kind, value, implicit)
        number = tag in (f"{_TAG}int", f"{_TAG}float")
        if tag == f"{_TAG}timestamp" or (number and (":" in value or len(value) > LONGEST_NUMBER)):
            return f"{_TAG}str"
        return tag

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse keys that stand twice, of which one would be lost."""
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise _refusal("a key stands twice; remove one of them", node)
        return mapping


def _refusal(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)
