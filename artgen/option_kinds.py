"""Kinds of options, which a field of an `Options` class declares as a part of its type. No torch.

The kind of a number, a switch, a choice or a plain text follows from the type. A text with a meaning of its
own, such as a palette or a file, states its kind:

    palette: Annotated[str, Kind("palette")] | None = Field(None, description="...")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

FieldKind: TypeAlias = Literal[
    "bool",
    "int",
    "float",
    "choice",
    "text",
    "texts",
    "numbers",
    "region",
    "counts",
    "weights",
    "aspect",
    "size",
    "colour",
    "palette",
    "background",
    "file",
    "patch sets",
    "patch set grid",
    "prompts",
    "prompt grid",
    "renderer",
    "guides",
    "mapping",
    "section",
    "sections",
]
"""All kinds; a user interface handles each of them.

- `text`: any text. `texts`: a list of texts. `numbers`: a list of whole numbers.
- `region`: a rectangle x0, y0, x1, y1 in fractions of the picture.
- `counts`: a number, or a growing series such as `4,8,16`. `weights`: numbers by name.
- `aspect`: width / height, as a number or as `3:2`. `size`: `640x480`.
- `colour`: a colour's name or #rrggbb, or one of the field's `choices`.
- `palette`: a shipped palette, colours separated by commas, or a file. `background`: a colour or a picture file.
- `file`: a local file or folder. `patch sets`: names or paths, separated by commas.
- `prompts`: in the prompt grammar. `prompt grid`, `patch set grid`: one text for each cell of a grid.
- `renderer`: the name of a renderer. `guides`: guides with their weights.
- `mapping`: any values by name. `section`: nested options. `sections`: a list of nested options.
"""

ADVANCED: dict[str, Any] = {"advanced": True}
"""`json_schema_extra` of a field, or of a whole `Options` class, that is listed under "more options"."""
BASIC: dict[str, Any] = {"advanced": False}
"""`json_schema_extra` of a field that is shown first, although its class is advanced."""


@dataclass(frozen=True)
class Kind:
    """States the kind of a field as a part of its type: `Annotated[str, Kind("file")]`.

    Args:
        name: the kind.
        words: values with a special meaning, besides those of the kind.
    """

    name: FieldKind
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = get_args(FieldKind)
        if self.name not in known:
            raise TypeError(f"{self.name!r} is not a kind of option; use one of: {', '.join(known)}")
