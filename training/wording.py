"""English phrases for the things in a scene."""

from __future__ import annotations

from training import names
from training.names import COLOURS

NUMBERS = ("zero", "one", "two", "three", "four")
OPENINGS = ("a drawing of ", "a picture of ", "a painting of ", "an icon of ", "an image of ")


def article(words: str) -> str:
    """Return words after "a" or "an".

    >>> article("orange cat")
    'an orange cat'
    """
    return ("an " if words[0] in "aeiou" and not words.startswith(("uni", "eu")) else "a ") + words


def plural(words: str) -> str:
    """Return the plural of the last word."""
    if words.endswith(("s", "x", "ch", "sh")):
        return words + "es"
    if words.endswith("y") and words[-2:-1] not in "aeiou":
        return words[:-1] + "ies"
    return words + "s"


def phrase(word: str, colour: int) -> str:
    """Return "a blue rabbit", or "a rabbit" if the colour is -1. It replaces a colour in the name."""
    if colour < 0:
        return article(word)
    return article(f"{COLOURS[colour]} {names.without_colour(word)}")


def on_background(colour: int) -> str:
    """Return " on a blue background"."""
    return f" on {article(COLOURS[colour])} background"


def counted(words: str, number: int) -> str:
    """Return words after a number.

    >>> counted("red cat", 2)
    'two red cats'
    """
    return f"one {words}" if number == 1 else f"{NUMBERS[number]} {plural(words)}"
