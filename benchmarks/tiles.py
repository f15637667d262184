"""A collage of 4 x 3 tiles, painted and exported 4,096 pixels wide: memory, and whether seams show.

    python -m benchmarks.tiles [--steps 60] [--keep FOLDER]

Painting and exporting are whole processes of `artgen`. A seam is a line inside the picture where a tile
starts or ends. Its figure is the gradient of the exported picture across seams, relative to the lines
beside them (`artgen.runs.tiles.seam_contrast`); it is 1 in a picture without seams. The same figure for
other lines, a fraction of a tile away, shows what to expect by chance.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from artgen.grid import Tiling
from artgen.images import read_opaque
from artgen.runs.checkpoint import load_checkpoint
from artgen.runs.state import CheckpointHeader
from artgen.runs.tile_files import tile_checkpoint
from artgen.runs.tiles import seam_contrast
from artgen.types import Image, Size
from benchmarks.common import Results, parser
from benchmarks.processes import run_artgen

WISHES = """
sun ; clouds ; clouds ; a bird
a tree ; a house ; a tree ; a castle
grass ; a flower ; a rabbit ; grass
"""
PATCHES = "animals,plants,sky"
SHIFTS = (-1 / 9, 1 / 9, 1 / 6)
"""Distances in tiles of other lines from the seams, which are a third of a tile apart."""


def exported_size(tile: Size, tiling: Tiling, width: int) -> Size:
    """Return the size of the whole picture at this width."""
    canvas = tiling.canvas(tile)
    return Size(round(width * canvas.height / canvas.width), width)


def contrast_elsewhere(picture: Image, tiling: Tiling, tile: Size) -> list[float]:
    """Return `seam_contrast` of other lines, for each of `SHIFTS`."""
    canvas = tiling.canvas(tile)
    found = []
    for shift in SHIFTS:
        down = round(shift * tile.height * picture.shape[2] / canvas.height)
        right = round(shift * tile.width * picture.shape[3] / canvas.width)
        found.append(seam_contrast(picture.roll([down, right], (2, 3)), tiling, tile))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Paint, export and measure."""
    options_ = parser("tiles", __doc__)
    options_.add_argument("--steps", type=int, default=60, help="of each tile (default 60)")
    options_.add_argument("--width", type=int, default=4096, help="of the export, in pixels (default 4096)")
    options_.add_argument("--keep", type=Path, help="new folder for the run and its pictures")
    options = options_.parse_args(arguments)
    width, steps = (256, 1) if options.trial else (options.width, options.steps)
    results, tiling = Results("tiles", options), Tiling.parse("4x3")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep.absolute() if options.keep else Path(temporary) / "run"
        common = ["--seed", "1", "--set", f"threads={options.threads}", "--quiet", "--out", str(folder)]
        wishes = ["--tiles", "4x3", "--tile-prompts", " / ".join(WISHES.strip().splitlines())]
        painting = ["a landscape", "--renderer", "collage", "--patches", PATCHES, "--steps", str(steps)]
        painted = run_artgen([*painting, *wishes, *common], Path(temporary), Path(temporary))
        tile = CheckpointHeader.of(load_checkpoint(tile_checkpoint(folder, 0))).canvas
        size = exported_size(tile, tiling, width)
        wanted = ["--size", f"{size.width}x{size.height}", "--out", str(folder / "large.png")]
        exported = run_artgen(["export", str(folder), *wanted], Path(temporary), Path(temporary))
        picture = read_opaque(folder / "large.png")
    title = f"collage of 4 x 3 tiles, {steps} steps each"
    results.note(f"{title}: seconds to paint", painted.seconds, "s")
    results.note(f"{title}: peak of memory, painting", painted.megabytes / 1024, "GB", "< 4")
    results.note(f"export, {width:,} pixels wide: seconds", exported.seconds, "s")
    results.note(f"export, {width:,} pixels wide: peak of memory", exported.megabytes / 1024, "GB", "< 4")
    note_seams(results, picture, tiling, tile)
    results.finish(tile=tile, exported=size)


def note_seams(results: Results, picture: Image, tiling: Tiling, tile: Size) -> None:
    """Note the gradient across seams relative to the lines beside them, and the same for other lines.

    Args:
        results: collects the figures.
        picture: [1, 3, H, W], the whole.
        tiling: layout of the tiles.
        tile: size of a tile while it was optimised.
    """
    ratio = seam_contrast(picture, tiling, tile)
    results.note("mean gradient across seams / beside them: difference from 1", abs(ratio - 1), "", "< 0.1")
    results.note("  the ratio itself", ratio)
    for shift, elsewhere in zip(SHIFTS, contrast_elsewhere(picture, tiling, tile), strict=True):
        results.note(f"  the ratio for other lines, {shift:+.2f} tiles away", elsewhere)


if __name__ == "__main__":
    main()
