"""Text of unknown origin (file names, prompts, files of a stranger) made safe to show or to write as XML.

A terminal obeys control characters: they can move the cursor, rename the window or hide
what was printed. Marks for the direction of writing can make one name look like another.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0 and C1 controls, which include escape, tab and the line breaks
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks for the direction of writing
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # lone surrogates, from file names that are not UTF-8
    "]"
)
_NOT_XML = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    r"""Return text with an escape in place of each character that would steer a terminal.

    Letters of all scripts and ordinary signs stay as they are. Tabs and line breaks are
    replaced too, so the result is one line.

    Example:
        >>> printable("café 猫 \x1b[31m")
        'café 猫 \\x1b[31m'
    """
    return _UNSAFE.sub(_escape, text)


def printable_lines(text: str) -> str:
    r"""Return the same for text of several lines, which keeps its line breaks.

    Example:
        >>> printable_lines("one\ntwo\x07")
        'one\ntwo\\x07'
    """
    return "\n".join(printable(line) for line in text.split("\n"))


def printable_json(text: str) -> str:
    r"""Return JSON that means the same, with such characters written as JSON escapes.

    Args:
        text: JSON on one line; these characters occur only within its strings.

    Example:
        >>> printable_json('"\u202egnp"')
        '"\\u202egnp"'
    """
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def xml_text(text: str) -> str:
    r"""Return text without the characters that XML 1.0 does not allow or discourages.

    Example:
        >>> xml_text("a\x00 fox")
        'a fox'
    """
    return _NOT_XML.sub("", text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
