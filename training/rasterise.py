"""Draw all icons at 96 px into one tensor, with a catalogue.

    python -m training.rasterise --work DIR

This writes `data/icons.safetensors` (`icons`, uint8 [N, 4, 96, 96], premultiplied RGBA, cropped to the
drawing and centred) and `data/catalogue.json` (the name, style, group and use of each icon).
"""

from __future__ import annotations

import io
import json

import numpy as np
import resvg_py
import torch
from PIL import Image

from training import common, names
from training.fetch import SOURCES

SIZE = 96
MARGIN = 3


def svg_text(body: str, width: int, height: int, left: int = 0, top: int = 0) -> str:
    """Return a complete SVG document around the body of an Iconify icon."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return (
        f'<svg {spaces} width="{SIZE}" height="{SIZE}" viewBox="{left} {top} {width} {height}">{body}</svg>'
    )


def trimmed(image: Image.Image) -> Image.Image | None:
    """Return a drawing cropped to what is visible and centred on SIZE x SIZE pixels; None if it is empty."""
    box = image.getchannel("A").point(lambda a: 255 if a > 16 else 0).getbbox()
    if box is None:
        return None
    crop = image.crop(box)
    scale = (SIZE - 2 * MARGIN) / max(crop.size)
    crop = crop.resize([max(1, round(side * scale)) for side in crop.size], Image.Resampling.BICUBIC)
    square = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    square.paste(crop, ((SIZE - crop.width) // 2, (SIZE - crop.height) // 2))
    return square


def premultiplied(image: Image.Image) -> torch.Tensor:
    """Return an RGBA image as uint8 [4, SIZE, SIZE], premultiplied."""
    pixels = torch.from_numpy(np.array(image, dtype=np.float32))
    pixels[..., :3] *= pixels[..., 3:] / 255
    return pixels.round().clamp(0, 255).to(torch.uint8).permute(2, 0, 1)


def icons_of(style: str, sources, standard: dict, squashed: dict):
    """Yield the row and the drawing, uint8 [4, SIZE, SIZE], of each usable icon of one set."""
    data = json.loads((sources / style / "icons.json").read_text())
    for icon, entry in data["icons"].items():
        name = names.resolve(icon, style, standard, squashed)
        if name is None:
            continue

        width = entry.get("width", data.get("width", 16))
        height = entry.get("height", data.get("height", 16))
        text = svg_text(entry["body"], width, height, entry.get("left", 0), entry.get("top", 0))
        png = bytes(resvg_py.svg_to_bytes(svg_string=text))
        image = trimmed(Image.open(io.BytesIO(png)).convert("RGBA"))
        if image is not None:
            use, group = SOURCES[style]["use"], standard[name]["group"]
            yield {"name": name, "style": style, "use": use, "group": group}, premultiplied(image)


def main() -> None:
    """Rasterise all sets of `sources.json`."""
    options = common.parser(__doc__).parse_args()
    work = common.Work(options.work)
    sources = work.folder("sources")
    standard = names.standard_names(sources / "emojibase" / "data.json")
    squashed = {name.replace(" ", ""): name for name in standard}

    rows: list[dict] = []
    drawings: list[torch.Tensor] = []
    for style, source in SOURCES.items():
        if not source["package"].startswith("@iconify-json/"):
            continue
        before = len(rows)
        for row, drawing in icons_of(style, sources, standard, squashed):
            rows.append(row)
            drawings.append(drawing)
        common.log(f"{style}: {len(rows) - before} drawings")

    common.save_tensors({"icons": torch.stack(drawings)}, work.icons)
    common.save_json(rows, work.catalogue)


if __name__ == "__main__":
    main()
