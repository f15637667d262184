"""The notation of guides: `NAME`, `NAME:TAG` or `NAME=FILE`, each with an optional `@weight`. No torch.

This is the only code that parses a guide's text. Both the check of the files a configuration opens and the
loader use it, so that they cannot disagree about the path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from artgen.errors import UsageError


@dataclass(frozen=True)
class GuideSpec:
    """A guide as the user names it.

    Args:
        name: model name.
        tag: name of pretrained weights, or None.
        file: weights file or directory, or None.
        weight: weight of its score.
    """

    name: str
    tag: str | None = None
    file: str | None = None
    weight: float = 1.0

    @property
    def label(self) -> str:
        """The spec as written, without the weight. For people: do not parse it again."""
        if self.file is not None:
            return f"{self.name}={self.file}"
        return f"{self.name}:{self.tag}" if self.tag else self.name


def parse_guide(text: str) -> GuideSpec:
    """Read `NAME`, `NAME:TAG` or `NAME=FILE`, each with an optional `@weight`.

    Raises:
        UsageError: the text has no name, or an invalid weight.

    Example:
        >>> parse_guide("ViT-B-32:laion2b_s34b_b79k@0.5").weight
        0.5
    """
    weight = 1.0
    weighted = re.fullmatch(r"(.*)@([-+.0-9e]+)", text)
    if weighted:
        text = weighted[1]
        try:
            weight = float(weighted[2])
        except ValueError:
            raise UsageError(f"guide weight {weighted[2]!r} is not a number; write NAME@0.5") from None
        if not 0 < weight < 1e6:
            raise UsageError(f"guide weight {weight} must be positive; leave the guide out instead")

    tag = None
    name, equals, file = text.partition("=")
    if not equals:
        name, _, tag = text.partition(":")
    if not name.strip() or (equals and not file):
        raise UsageError(
            f"guide {text!r} has no {'file' if name.strip() else 'name'}; write NAME, NAME:TAG or NAME=FILE"
        )
    return GuideSpec(name.strip(), tag or None, file or None, weight)
