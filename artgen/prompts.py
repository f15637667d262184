r"""The prompt grammar. No torch.

    prompt  = term { "|" term }
    term    = [ "[" x0 "," y0 "," x1 "," y1 "]" ] ( text | "@" path ) [ ":" weight ]

A weight is a number after the term's last colon; a negative weight pushes away. A region
is given in fractions of the canvas (origin top left, x right, y down). `\:`, `\|`,
`\@`, `\[` and `\\` stand for the characters themselves; any other backslash is literal.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from artgen.errors import PromptError
from artgen.geometry import WHOLE, Region
from artgen.terms.base import kind_of_mark, marks, term_kinds

MAXIMUM_LENGTH = 2000
"""Longest prompt in characters; CLIP reads at most 77 tokens of it."""

MOST_TERMS = 1000
"""Most terms of all prompts of a configuration; each is encoded, and compared with every cutout."""

_REGION = re.compile(r"\s*\[([^\]]*)\]")


@dataclass(frozen=True)
class Term:
    """One weighted part of a prompt.

    Args:
        content: the words, or the path of a picture.
        weight: factor of this term in the objective; a negative weight pushes away.
        kind: of the content, a name from `artgen.terms`.
        region: where in the picture the term applies.
    """

    content: str
    weight: float = 1.0
    kind: str = "words"
    region: Region = WHOLE


def parse(prompt: str) -> list[Term]:
    r"""Return the terms of one prompt.

    Raises:
        PromptError: the prompt breaks the grammar; the message names the position.

    Example:
        >>> [term.weight for term in parse("a blue rabbit:2 | photo:-0.5")]
        [2.0, -0.5]
        >>> parse(r"ratio 3\:2")[0].content
        'ratio 3:2'
    """
    _check_characters(prompt)
    return [_parse_term(prompt, start, end) for start, end in _split(prompt, "|")]


def parse_all(prompts: Iterable[str]) -> list[Term]:
    """Return the terms of several prompts, equal to those of one prompt joined by `|`.

    Raises:
        PromptError: a prompt breaks the grammar, or they have more than `MOST_TERMS` terms in all.
    """
    terms: list[Term] = []
    for prompt in prompts:
        terms += parse(prompt)
        check_term_count(len(terms), prompt)
    return terms


def check_term_count(count: int, prompt: str = "") -> None:
    """Check that there are not too many terms.

    Args:
        count: number of terms.
        prompt: the prompt with the last of them, for the message.

    Raises:
        PromptError: there are more than `MOST_TERMS`.
    """
    if count > MOST_TERMS:
        raise PromptError(
            f"the prompts have more than {MOST_TERMS:,} terms in all; leave some out", prompt, 0
        )


def format_terms(terms: Iterable[Term]) -> str:
    """Return a prompt that `parse` reads as these terms."""
    return " | ".join(_format_term(term) for term in terms)


def _check_characters(prompt: str) -> None:
    """Raise PromptError if the prompt is too long or contains control characters."""
    if len(prompt) > MAXIMUM_LENGTH:
        raise PromptError(
            f"the prompt has {len(prompt)} characters; shorten it to at most {MAXIMUM_LENGTH}",
            prompt,
            MAXIMUM_LENGTH,
        )
    for position, character in enumerate(prompt):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise PromptError(
                f"the prompt contains the control character U+{ord(character):04X}; remove it",
                prompt,
                position,
            )


def _split(text: str, separator: str) -> list[tuple[int, int]]:
    """Return the (start, end) spans between unescaped separators."""
    spans, start = [], 0
    for index in _unescaped(text, 0, len(text)):
        if text[index] == separator:
            spans.append((start, index))
            start = index + 1
    return [*spans, (start, len(text))]


def _unescaped(text: str, start: int, end: int) -> Iterable[int]:
    """Yield the indices of characters that are not escaped by a backslash."""
    index = start
    while index < end:
        if text[index] == "\\" and index + 1 < end and text[index + 1] in _escapable():
            index += 2
            continue
        yield index
        index += 1


def _parse_term(prompt: str, start: int, end: int) -> Term:
    """Return the term between two positions of a prompt."""
    if not prompt[start:end].strip():
        raise PromptError("a term is empty; write words between the bars", prompt, start)

    region, body = _parse_region(prompt, start, end)
    weight, stop = _parse_weight(prompt, body, end)
    while body < stop and prompt[body].isspace():
        body += 1

    marked = kind_of_mark(prompt[body]) if body < stop else None
    kind = marked or "words"
    content = _unescape(prompt[body + (marked is not None) : stop]).strip()
    if not content:
        raise PromptError(f"a term has no content; write {term_kinds.get(kind).missing}", prompt, body)
    return Term(content, weight, kind, region)


def _parse_region(prompt: str, start: int, end: int) -> tuple[Region, int]:
    """Return the region at the start of a term, and the position after it; the whole picture without one."""
    match = _REGION.match(prompt, start, end)
    if match is None:
        opened = prompt[start:end].lstrip()
        if opened.startswith("["):
            raise PromptError("a region is not closed; write [x0,y0,x1,y1] or \\[", prompt, start)
        return WHOLE, start

    try:
        left, top, right, bottom = (float(part) for part in match[1].split(","))
    except ValueError:
        raise PromptError("a region needs four numbers: [x0,y0,x1,y1]", prompt, match.start(1)) from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise PromptError("a region needs 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1", prompt, match.start(1))
    return Region(left, top, right, bottom), match.end()


def _parse_weight(prompt: str, start: int, end: int) -> tuple[float, int]:
    """Return the weight at the end of a term, and the position of its colon; 1 and the end without one."""
    colons = [i for i in _unescaped(prompt, start, end) if prompt[i] == ":"]
    if not colons:
        return 1.0, end

    last = colons[-1]
    text = prompt[last + 1 : end].strip()
    try:
        weight = float(text)
    except ValueError:
        reason = f"the weight {text[:40]!r} is not a number; write \\: for a plain colon"
        raise PromptError(reason, prompt, last + 1) from None

    if not math.isfinite(weight):
        raise PromptError("a weight must be a finite number", prompt, last + 1)
    if len(colons) > 1:
        raise PromptError("a term has two weights; write \\: for a plain colon", prompt, colons[0])
    return weight, last


def _escapable() -> str:
    """Return the characters that lose their meaning after a backslash."""
    return ":|[\\" + marks()


def _unescape(text: str) -> str:
    """Return the text without the backslashes that escape a character."""
    return re.sub(rf"\\([{re.escape(_escapable())}])", r"\1", text)


def _format_term(term: Term) -> str:
    """Return the term as `parse` reads it."""
    content = re.sub(r"([:|\\])", r"\\\1", term.content)
    kind = term_kinds.get(term.kind)
    if not kind.mark:
        content = re.sub(rf"^([{re.escape('[' + marks())}])", r"\\\1", content)
    region = "" if term.region == WHOLE else f"[{','.join(map(repr, term.region))}] "
    return f"{region}{kind.mark}{content}:{term.weight!r}"
