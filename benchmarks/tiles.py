"""A collage of 4 x 3 tiles, painted and exported at 4,096 pixels wide: memory, and whether seams show.

    python -m benchmarks.tiles [--steps 60] [--keep FOLDER]

Both are whole processes of `artgen`. A seam is a line where a tile begins or ends within the
picture. Its figure is how steep the exported picture is across seams, relative to the lines
beside them (`artgen.runs.tiles.seam_contrast`); 1 is a picture without seams. The same figure
of lines that are no seams, a part of a tile away, tells what a picture has by chance.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from artgen.grid import Tiling
from artgen.images import read_opaque
from artgen.runs.checkpoint import load_checkpoint
from artgen.runs.state import CheckpointHeader
from artgen.runs.tiled import tile_checkpoint
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
"""How far lines that are no seams are from seams, in tiles; seams are a third of a tile apart."""


def exported_size(tile: Size, tiling: Tiling, width: int) -> Size:
    """Return the size of the whole at this width."""
    canvas = tiling.canvas(tile)
    return Size(round(width * canvas.height / canvas.width), width)


def contrast_elsewhere(picture: Image, tiling: Tiling, tile: Size) -> list[float]:
    """Return `seam_contrast` of lines that are no seams, once for each of `SHIFTS`."""
    canvas = tiling.canvas(tile)
    found = []
    for shift in SHIFTS:
        moves = [
            round(shift * of_tile * of_picture / of_canvas)
            for of_tile, of_picture, of_canvas in zip(tile, picture.shape[2:], canvas, strict=True)
        ]
        found.append(seam_contrast(picture.roll(moves, (2, 3)), tiling, tile))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Paint, export, measure."""
    options_ = parser("tiles", __doc__)
    options_.add_argument("--steps", type=int, default=60, help="of each tile")
    options_.add_argument("--width", type=int, default=4096, help="of the export in pixels")
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
    """Note how much steeper the picture is across seams than elsewhere, and what chance gives.

    Args:
        results: what to note it in.
        picture: [1, 3, H, W] the whole.
        tiling: how tiles lie.
        tile: size of the tiles while they were optimised.
    """
    ratio = seam_contrast(picture, tiling, tile)
    results.note("mean gradient across seams / beside them: difference from 1", abs(ratio - 1), "", "< 0.1")
    results.note("  the ratio itself", ratio)
    for shift, elsewhere in zip(SHIFTS, contrast_elsewhere(picture, tiling, tile), strict=True):
        results.note(f"  the ratio of lines that are no seams, {shift:+.2f} tiles away", elsewhere)


if __name__ == "__main__":
    main()
