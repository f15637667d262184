"""Make the patch sets that come with artgen.

    python assets/recipes/make_sets.py --sources DIR [--sets animals,shards] [--out assets/patches]

`DIR/NAME/icons.json` are the icon packages of `training/sources.json`, fetched and checked
by `python -m training.fetch`. Procedural sets need no source. The same versions give the
same files.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import resvg_py
import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import procedural

SIDE = 192
"""Longer side of a patch in pixels."""
HERE = Path(__file__).parent
LICENCES = {
    "noto": ("Apache-2.0", "Google Inc, Noto Emoji", "https://github.com/googlefonts/noto-emoji"),
    "fluent-emoji": (
        "MIT",
        "Microsoft Corporation, Fluent Emoji",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    "fxemoji": ("Apache-2.0", "Mozilla, FxEmojis", "https://github.com/mozilla/fxemoji"),
}


def rasterised(body: str, width: float, height: float, left: float = 0, top: float = 0) -> np.ndarray:
    """Return an icon's SVG body as [h, w, 4] RGBA, cropped, its longer side `SIDE`."""
    large = 3 * SIDE
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    text = (
        f'{head} width="{large}" height="{large * height / width}" viewBox="{left} {top} {width} {height}">'
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=text + body + "</svg>"))
    return fitted(Image.open(io.BytesIO(png)).convert("RGBA"))


def fitted(image: Image.Image) -> np.ndarray:
    """Crop an RGBA picture to what is visible and shrink it to `SIDE`."""
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > 3 else 0).getbbox()
    image = image.crop(box)
    scale = SIDE / max(image.size)
    size = [max(8, round(side * scale)) for side in image.size]
    premultiplied = image.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=None)
    return np.array(premultiplied.convert("RGBA"))


def icons(chosen: dict[str, list[str]], sources: Path) -> Iterator[tuple[str, dict[str, str], np.ndarray]]:
    """Yield file stem, entry of the manifest and pixels of each chosen icon."""
    for package, names in chosen.items():
        data = json.loads((sources / package / "icons.json").read_text())
        licence, author, source = LICENCES[package]
        for name in names:
            icon = data["icons"].get(name)
            if icon is None:
                print(f"  {package} has no {name!r}; left out")
                continue
            size = [icon.get(key, data.get(key, 16)) for key in ("width", "height")]
            pixels = rasterised(icon["body"], *size, icon.get("left", 0), icon.get("top", 0))
            entry = {"name": name.replace("-", " "), "author": author, "licence": licence, "source": source}
            yield f"{name}-{package}", entry, pixels


def write_set(
    name: str, title: str, patches: Iterator[tuple[str, dict[str, str], np.ndarray]], out: Path
) -> None:
    """Write one set: WebP files, manifest and contact sheet."""
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp"):
        old.unlink()
    entries, pictures = {}, []
    for stem, entry, pixels in patches:
        file = folder / f"{stem}.webp"
        framed = np.pad(
            pixels, ((1, 1), (1, 1), (0, 0))
        )  # a clear frame: WebP drops an alpha that is 255 all over
        Image.fromarray(framed).save(file, "WEBP", quality=92, method=4)
        entries[file.name] = {**entry, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        pictures.append(pixels)
    shared = {
        key: next(iter(values))
        for key in ("licence", "author", "source")
        if len(values := {entry[key] for entry in entries.values()}) == 1
    }
    plain = {file: {k: v for k, v in entry.items() if k not in shared} for file, entry in entries.items()}
    licences = " and ".join(sorted({entry["licence"] for entry in entries.values()}))
    manifest = {"title": title, "licence": licences, **shared, "patches": plain}
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=110)
    (folder / "patchset.yaml").write_text(text)
    total = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: {len(entries)} patches, {total / 1e3:.0f} kB")


def main() -> None:
    """Make the sets asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE.parent / "patches")
    parser.add_argument("--sets", default="")
    options = parser.parse_args()
    wanted = [name for name in options.sets.split(",") if name]
    for name, chosen in yaml.safe_load((HERE / "sets.yaml").read_text()).items():
        if not wanted or name in wanted:
            title = chosen.pop("title")
            write_set(name, title, icons(chosen, options.sources), options.out)
    for name, (title, make) in procedural.SETS.items():
        if not wanted or name in wanted:
            write_set(name, title, make(SIDE), options.out)


if __name__ == "__main__":
    main()
