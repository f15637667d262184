"""Palettes: lists of colours, written out, read from a file, or shipped with artgen."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from artgen.errors import InputError, UsageError, did_you_mean
from artgen.files import read_file, shipped_folder
from artgen.images import parse_colour
from artgen.named_files import PALETTE_SUFFIXES as SUFFIXES
from artgen.named_files import palette_file, user_path

MOST_COLOURS = 256
"""Most colours a palette may have."""
LARGEST_PALETTE_FILE = 1 << 16
"""Largest palette file in bytes."""

_MOST_DISTANCES = 1 << 22
"""Most distances computed at once, which limits the memory."""

Colours = Float[Tensor, "colours 3"]


@dataclass(frozen=True)
class Palette:
    """A list of colours and where it comes from.

    Args:
        name: name of the palette.
        colours: [N, 3] sRGB in [0, 1], N from 1 to 256.
        licence: its licence, "not stated" if unknown.
        author: who made it.
        source: where it comes from.
    """

    name: str
    colours: Colours
    licence: str = "not stated"
    author: str = ""
    source: str = ""

    def credit(self) -> dict[str, str]:
        """Return name, licence, author and source, for a picture's record."""
        return {"name": self.name, "licence": self.licence, "author": self.author, "source": self.source}


def shipped_names() -> list[str]:
    """Return the names of the palettes that come with artgen."""
    return sorted(path.stem for path in shipped_folder("palettes").glob("*.gpl"))


def load_palette(text: str) -> Palette:
    """Return the palette that a text describes.

    Args:
        text: colours separated by commas (`"#0b1020, white"`), a `.gpl`, `.hex` or `.pal`
            file, or the name of a shipped palette.

    Raises:
        UsageError: there is no such palette; the message suggests the nearest name.
        InputError: a colour or a file is invalid.

    Example:
        >>> load_palette("#000000, white").colours.tolist()
        [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    text = text.strip()
    if text in shipped_names():
        return read_palette(shipped_folder("palettes") / f"{text}.gpl")
    file = palette_file(text)
    if file is not None:
        return read_palette(user_path(file))
    if "," in text or text.startswith("#"):
        colours = [parse_colour(word.strip()) for word in text.split(",") if word.strip()]
        return Palette("given", _checked(colours, f"palette {text[:40]!r}"))
    known = shipped_names()
    raise UsageError(
        f"no palette {text!r}{did_you_mean(text, known)} (known: {', '.join(known)}; or give colours "
        f"separated by commas, or a file ending in {', '.join(SUFFIXES)})"
    )


def hex_name(colour: Sequence[float]) -> str:
    """Return `#rrggbb` for red, green and blue in [0, 1].

    Example:
        >>> hex_name([1.0, 0.5, 0.0])
        '#ff8000'
    """
    return "#" + bytes(round(255 * channel) for channel in colour).hex()


def read_palette(path: Path) -> Palette:
    """Read a palette file: GIMP `.gpl`, `.hex` (one rrggbb a line), JASC or RIFF `.pal`.

    Raises:
        InputError: the file is missing, damaged, empty, in another format, or has too many colours.
    """
    data = read_file(path, LARGEST_PALETTE_FILE)
    if data.startswith(b"RIFF"):
        return Palette(path.stem, _checked(_riff_colours(data, path), str(path)))
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{path}: is not a palette (neither text nor RIFF); formats read: {known}") from None
    if lines and lines[0] == "GIMP Palette":
        return _gimp_palette(lines[1:], path)
    if lines and lines[0] == "JASC-PAL":
        triples = [_triple(line, path) for line in lines[3:] if line]
        return Palette(path.stem, _checked(triples, str(path)))
    colours = [_hex_colour(line, path) for line in lines if line and not line.startswith(";")]
    return Palette(path.stem, _checked(colours, str(path)))


def nearest_colours(pixels: Float[Tensor, "items 3"], colours: Colours) -> Int[Tensor, " items"]:
    """Return the index of the palette's nearest colour to each pixel, Euclidean in sRGB.

    In sRGB because that is the space the gradient moves in: nearest is then the
    projection of what the optimiser wanted.
    """
    lengths = colours.detach().square().sum(dim=1)
    parts = pixels.detach().split(_MOST_DISTANCES // len(colours))
    return torch.cat([(lengths - 2 * part @ colours.detach().T).argmin(dim=1) for part in parts])


def cluster_colours(pixels: Float[Tensor, "items 3"], count: int, rounds: int = 12) -> Colours:
    """Return `count` colours that stand for the pixels: Lloyd's k-means from spread-out seeds.

    Each seed is the pixel furthest from the seeds before it (Gonzalez 1985), and the first is
    the pixel nearest to the mean, so the result needs no random numbers.

    Args:
        pixels: [M, 3] sRGB, M at least 1; repeated colours are fine.
        count: number of colours wanted.
        rounds: rounds of Lloyd's algorithm.
    """
    first = (pixels - pixels.mean(dim=0)).square().sum(dim=1).argmin(keepdim=True)
    # index_select, because pixels[first] would wait for the GPU
    seeds = [pixels.index_select(0, first)[0]]
    distance = (pixels - seeds[0]).square().sum(dim=1)
    for _ in range(count - 1):
        seeds.append(pixels.index_select(0, distance.argmax(keepdim=True))[0])
        distance = torch.minimum(distance, (pixels - seeds[-1]).square().sum(dim=1))

    colours = torch.stack(seeds)  # [N, 3]
    numbers = torch.arange(count, device=pixels.device)
    for _ in range(rounds):
        member = (nearest_colours(pixels, colours)[:, None] == numbers).to(pixels)  # [M, N]
        members = member.sum(dim=0)[:, None]  # [N, 1]
        colours = torch.where(members > 0, member.T @ pixels / members.clamp(min=1), colours)
    return colours


def _checked(colours: list[Tensor], where: str) -> Colours:
    if not colours:
        raise InputError(f"{where}: contains no colours; give at least one")
    if len(colours) > MOST_COLOURS:
        raise InputError(f"{where}: {len(colours)} colours; a palette has at most {MOST_COLOURS}")
    return torch.stack(colours)


def _gimp_palette(lines: list[str], path: Path) -> Palette:
    fields = {"name": path.stem, "licence": "not stated", "author": "", "source": ""}
    colours = []
    for line in lines:
        found = re.match(r"#?\s*(Name|Licence|License|Author|Source)\s*:\s*(.+)", line, re.IGNORECASE)
        if found:
            fields[found[1].lower().replace("license", "licence")] = found[2].strip()
        elif line and not line.startswith("#") and not re.match(r"Columns\s*:", line):
            colours.append(_triple(line, path))
    return Palette(colours=_checked(colours, str(path)), **fields)


def _triple(line: str, path: Path) -> Tensor:
    """Read `red green blue`, each of 0 to 255; a name after them is ignored."""
    numbers = re.match(r"(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})(\s|$)", line)
    values = [int(number) for number in numbers.groups()[:3]] if numbers else []
    if not values or max(values) > 255:
        raise InputError(f"{path}: {line[:40]!r} is not a colour; expected three numbers from 0 to 255")
    return torch.tensor(values) / 255


def _hex_colour(line: str, path: Path) -> Tensor:
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", line):
        raise InputError(f"{path}: {line[:40]!r} is not a colour; expected rrggbb")
    return parse_colour(f"#{line.removeprefix('#')}")


def _riff_colours(data: bytes, path: Path) -> list[Tensor]:
    """Read Microsoft's RIFF palette: a `data` chunk of version, count and 4 bytes per colour."""
    try:
        if data[8:16] != b"PAL data":
            raise ValueError("no palette chunk")
        _, count = struct.unpack_from("<HH", data, 20)
        entries = [struct.unpack_from("<BBBB", data, 24 + 4 * index)[:3] for index in range(count)]
    except (struct.error, ValueError) as error:
        raise InputError(f"{path}: a damaged RIFF palette ({error}); save it again") from None
    return [torch.tensor(entry) / 255 for entry in entries]
