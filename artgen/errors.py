"""The exceptions artgen raises on purpose; every message names the cure."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class ArtgenError(Exception):
    """Base of all errors a user can do something about; its message is one line."""

    exit_code = 1


class UsageError(ArtgenError):
    """An option, a configuration or a prompt that cannot be used as given."""

    exit_code = 2


class PromptError(UsageError):
    """A prompt that breaks the grammar.

    Args:
        reason: what is wrong and how to mend it.
        text: the prompt as given.
        position: index of the offending character in `text`.
    """

    def __init__(self, reason: str, text: str, position: int) -> None:
        excerpt = text[max(0, position - 30) : position + 30].replace("\n", " ")
        super().__init__(f"{reason} (character {position + 1}, near {excerpt!r})")
        self.text = text
        self.position = position


class InputError(ArtgenError):
    """A file (image, SVG, weights, patch set, checkpoint) that cannot be used."""

    exit_code = 2


class RunError(ArtgenError):
    """A run that could not continue; its files so far are kept."""


@contextlib.contextmanager
def broken_input(what: str, cure: str) -> Iterator[None]:
    """Turn what libraries raise on broken or hostile input, which is nearly anything, into an `InputError`.

    Args:
        what: is broken ("the checkpoint is damaged").
        cure: what to do about it.

    Raises:
        InputError: something other than an `ArtgenError`, which passes as it is, was raised.
    """
    try:
        yield
    except ArtgenError:
        raise
    except Exception as error:
        raise InputError(f"{what} ({type(error).__name__}); {cure}") from None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the nearest known name, or an empty string.

    Example:
        >>> did_you_mean("animls", ["animals", "fruit"])
        "; did you mean 'animals'?"
    """
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
