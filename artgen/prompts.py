r"""The prompt grammar; knows nothing of tensors or files.

    prompt  = term { "|" term }
    term    = [ "[" x0 "," y0 "," x1 "," y1 "]" ] ( text | "@" path ) [ ":" weight ]

A weight is a number after the term's last colon; a negative one pushes away. A region
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
"""Longest prompt taken, in characters; CLIP reads 77 tokens of it at most."""

MOST_TERMS = 1000
"""Most terms of all prompts of a configuration; each is encoded, and compared with every view."""

_REGION = re.compile(r"\s*\[([^\]]*)\]")


@dataclass(frozen=True)
class Term:
    """One weighted part of a prompt.

    Args:
        content: the words, or the path of a picture.
        weight: factor of this term in the objective; negative pushes away.
        kind: what the content means, a name from `artgen.terms`.
        region: where in the picture the term applies.
    """

    content: str
    weight: float = 1.0
    kind: str = "words"
    region: Region = WHOLE


def parse(prompt: str) -> list[Term]:
    r"""Return the terms of one prompt.

    Raises:
        PromptError: the prompt breaks the grammar; the message points at the place.

    Example:
        >>> [term.weight for term in parse("a blue rabbit:2 | photo:-0.5")]
        [2.0, -0.5]
        >>> parse(r"ratio 3\:2")[0].content
        'ratio 3:2'
    """
    _check_characters(prompt)
    return [_parse_term(prompt, start, end) for start, end in _split(prompt, "|")]


def parse_all(prompts: Iterable[str]) -> list[Term]:
    """Return the terms of several prompts, which mean the same as one joined by `|`.

    Raises:
        PromptError: a prompt breaks the grammar, or there are more than `MOST_TERMS` terms in all.
    """
    terms: list[Term] = []
    for prompt in prompts:
        terms += parse(prompt)
        require_few(len(terms), prompt)
    return terms


def require_few(count: int, prompt: str = "") -> None:
    """Refuse more terms than a run can take.

    Args:
        count: number of terms.
        prompt: the prompt that brought the last of them, for the message.

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
    if len(prompt) > MAXIMUM_LENGTH:
        raise PromptError(
            f"the prompt has {len(prompt)} characters, at most {MAXIMUM_LENGTH} are taken; shorten it",
            prompt,
            MAXIMUM_LENGTH,
        )
    for position, character in enumerate(prompt):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise PromptError(
                f"the prompt holds the control character U+{ord(character):04X}; remove it", prompt, position
            )


def _split(text: str, separator: str) -> list[tuple[int, int]]:
    """Return the (start, end) spans between unescaped separators."""
    cuts = [i for i in _unescaped(text, 0, len(text)) if text[i] == separator]
    return list(zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(text)], strict=True))


def _unescaped(text: str, start: int, end: int) -> Iterable[int]:
    """Yield the indices of the characters that no backslash escapes."""
    index = start
    while index < end:
        if text[index] == "\\" and index + 1 < end and text[index + 1] in _escapable():
            index += 2
            continue
        yield index
        index += 1


def _parse_term(prompt: str, start: int, end: int) -> Term:
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
    colons = [i for i in _unescaped(prompt, start, end) if prompt[i] == ":"]
    if not colons:
        return 1.0, end
    last = colons[-1]
    written = prompt[last + 1 : end].strip()
    try:
        weight = float(written)
    except ValueError:
        reason = f"the weight {written[:40]!r} is not a number; write \\: for a plain colon"
        raise PromptError(reason, prompt, last + 1) from None
    if not math.isfinite(weight):
        raise PromptError("a weight must be a finite number", prompt, last + 1)
    if len(colons) > 1:
        raise PromptError("a term has two weights; write \\: for a plain colon", prompt, colons[0])
    return weight, last


def _escapable() -> str:
    """Return the characters that a backslash turns into themselves."""
    return ":|[\\" + marks()


def _unescape(text: str) -> str:
    return re.sub(rf"\\([{re.escape(_escapable())}])", r"\1", text)


def _format_term(term: Term) -> str:
    content = re.sub(r"([:|\\])", r"\\\1", term.content)
    kind = term_kinds.get(term.kind)
    if not kind.mark:
        content = re.sub(rf"^([{re.escape('[' + marks())}])", r"\\\1", content)
    region = "" if term.region == WHOLE else f"[{','.join(map(repr, term.region))}] "
    return f"{region}{kind.mark}{content}:{term.weight!r}"
