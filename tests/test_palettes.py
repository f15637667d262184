from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from artgen.errors import ArtgenError, InputError, UsageError
from artgen.palettes import cluster_colours, load_palette, nearest_colours, shipped_names

WANTED = [[11, 16, 32], [255, 255, 255], [200, 30, 60]]


def as_bytes(colours: torch.Tensor) -> list[list[int]]:
    return (colours * 255).round().int().tolist()


def riff(colours: list[list[int]]) -> bytes:
    body = struct.pack("<HH", 0x300, len(colours)) + b"".join(bytes([*colour, 0]) for colour in colours)
    chunk = b"PAL data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk)) + chunk


FILES = {
    "one.gpl": b"GIMP Palette\nName: One\nColumns: 2\n# Licence: CC0-1.0\n11 16 32 night\n255 255 255\n200 30\t60\tred",
    "one.hex": b"0b1020\r\nFFFFFF\r\n\r\nc81e3c\r\n",
    "one.pal": b"JASC-PAL\r\n0100\r\n3\r\n11 16 32\r\n255 255 255\r\n200 30 60\r\n",
    "riff.pal": riff(WANTED),
}


def test_colours_in_words():
    assert as_bytes(load_palette("#0b1020, white,#c81e3c").colours) == WANTED
    assert as_bytes(load_palette("#0b1020").colours) == WANTED[:1]


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(FILES[name])
    palette = load_palette(str(tmp_path / name))
    assert as_bytes(palette.colours) == WANTED
    if name == "one.gpl":
        assert (palette.name, palette.licence) == ("One", "CC0-1.0")
    else:
        assert palette.licence == "not stated"


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_palettes_state_a_free_licence_and_a_source(name: str):
    palette = load_palette(name)
    assert palette.licence.startswith(("CC0-1.0", "Public domain"))
    assert palette.source and palette.author
    assert len(palette.colours) >= 2
    assert len(palette.colours.unique(dim=0)) == len(palette.colours)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.gpl", b"GIMP Palette\n1 2 300\n", "0 to 255"),
        ("a.gpl", b"GIMP Palette\n1 2\n", "three numbers"),
        ("a.gpl", b"GIMP Palette\n# nothing\n", "no colour"),
        ("a.hex", b"12345g\n", "rrggbb"),
        ("a.hex", b"\xff\xfe\x00", "neither text nor RIFF"),
        ("a.hex", b"000000\n" * 300, "at most 256"),
        ("a.pal", riff(WANTED)[:-5], "damaged"),
        ("a.pal", b"RIFF1234WAVEfmt ", "damaged"),
        ("a.hex", b"0" * 70_000, "larger than"),
    ],
)
def test_bad_files_are_told(name: str, content: bytes, reason: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        load_palette(str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("duks", "did you mean 'dusk'"),
        ("missing.gpl", "check the path"),
        ("#12,red", "not a colour"),
        ("", "known"),
    ],
)
def test_bad_words_are_told(text: str, reason: str):
    with pytest.raises(ArtgenError, match=reason) as caught:
        load_palette(text)
    assert isinstance(caught.value, InputError | UsageError) and "\n" not in str(caught.value)


def test_nearest_colours_against_every_distance():
    generator = torch.Generator().manual_seed(0)
    pixels, colours = torch.rand(500, 3, generator=generator), torch.rand(20, 3, generator=generator)
    assert torch.equal(nearest_colours(pixels, colours), torch.cdist(pixels, colours).argmin(dim=1))


def test_clusters_are_found():
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.1, 0.1, 0.1], [0.9, 0.2, 0.1], [0.2, 0.8, 0.9], [1.0, 1.0, 1.0]])
    pixels = centres.repeat_interleave(50, 0) + 0.02 * torch.randn(200, 3, generator=generator)
    found = cluster_colours(pixels, 4)
    assert torch.cdist(centres, found).amin(dim=1).max() < 0.02
    assert cluster_colours(pixels[:2], 5).shape == (5, 3)
