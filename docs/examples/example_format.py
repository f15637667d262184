"""An export format in one file: the picture as coloured text, for a terminal that shows 24-bit colours."""

from __future__ import annotations

from pathlib import Path

from artgen.export.formats import Export, ExportFormat, formats
from artgen.files import write_atomically
from artgen.images import to_pillow

LOWER_HALF = "\N{LOWER HALF BLOCK}"
RESET = "\x1b[0m"


@formats.register("ansi")
class Ansi(ExportFormat):
    """Two pixels per character: the upper one is the text's background, the lower one its colour."""

    suffix = ".ansi"
    supports_sheet = True
    longest_side = 400  # wider lines than any terminal would wrap

    def write(self, export: Export, path: Path) -> None:
        """Write the picture as UTF-8; transparent parts become black."""
        picture = to_pillow(export.picture()[:3])

        lines = []
        for top in range(0, picture.height, 2):
            bottom = min(top + 1, picture.height - 1)  # the last row counts twice if the height is odd
            line = ""
            for column in range(picture.width):
                upper = escape_code(48, picture.getpixel((column, top)))
                lower = escape_code(38, picture.getpixel((column, bottom)))
                line += upper + lower + LOWER_HALF
            lines.append(line + RESET + "\n")

        write_atomically(path, "".join(lines).encode())


def escape_code(kind: int, colour: tuple[int, int, int]) -> str:
    """Return the control sequence (ISO 8613-6) of a colour: kind 38 for text, 48 for its background."""
    red, green, blue = colour
    return f"\x1b[{kind};2;{red};{green};{blue}m"
