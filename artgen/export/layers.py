"""Layered pictures: a folder of PNG files with a JSON description, and OpenRaster (.ora).

OpenRaster is a zip archive that GIMP, Krita and MyPaint open:
https://www.freedesktop.org/wiki/Specifications/OpenRaster/
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import torch
from jaxtyping import Float
from torch import Tensor

from artgen.errors import RunError, UsageError
from artgen.files import file_name, write_atomically
from artgen.images import to_pillow
from artgen.printable import xml_text
from artgen.renderers.base import Layer, Renderer
from artgen.renderers.compositing import put_over
from artgen.types import Size

Rgba = Float[Tensor, "4 height width"]

THUMBNAIL = 256
"""Longest side of the thumbnail in pixels, as the specification asks."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of all entries, so that equal layers give equal bytes."""


def layers_of(renderer: Renderer, size: Size) -> list[Layer]:
    """Return the layers of the first candidate, lowest first.

    Raises:
        UsageError: the renderer has no layers.
    """
    with torch.no_grad():
        layers = renderer.layers(size)
    if layers is None:
        raise UsageError("this renderer has no layers; export its picture as png or svg")
    return layers


def flattened(layers: Sequence[Layer], size: Size) -> Rgba:
    """Return the layers composited in order, premultiplied."""
    canvas = torch.zeros(4, *size)
    for layer in layers:
        height, width = layer.image.shape[1:]
        part = canvas[:, layer.top : layer.top + height, layer.left : layer.left + width]
        part.copy_(put_over(layer.image, part))
    return canvas


def write_layer_folder(layers: Sequence[Layer], size: Size, folder: Path) -> list[Path]:
    """Write one PNG for each layer, and `layers.json`.

    Args:
        layers: lowest first.
        size: of the whole picture.
        folder: created if it does not exist.

    Returns:
        The files in order; the JSON file is the last.

    Raises:
        RunError: the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be created ({error.strerror}); choose another --out") from None

    written, described = [], []
    for number, layer in enumerate(layers):
        path = folder / f"{number:04d}-{file_name(layer.name)}.png"
        write_atomically(path, png(layer.image))
        written.append(path)
        described.append(_described(layer, path.name))

    text = json.dumps({"width": size.width, "height": size.height, "layers": described}, indent=1)
    write_atomically(folder / "layers.json", text.encode())
    return [*written, folder / "layers.json"]


def _described(layer: Layer, file: str) -> dict[str, object]:
    """Return the entry of a layer in `layers.json`."""
    height, width = layer.image.shape[1:]
    place = {"left": layer.left, "top": layer.top, "width": width, "height": height}
    return {"file": file, "name": layer.name, **place, **layer.metadata}


def openraster(layers: Sequence[Layer], size: Size, merged: Rgba | None = None) -> bytes:
    """Return an OpenRaster file.

    Args:
        layers: lowest first.
        size: of the whole picture.
        merged: [4, H, W] premultiplied, the whole picture; None to composite the layers.
    """
    merged = flattened(layers, size) if merged is None else merged

    stack = ElementTree.Element("stack")
    files: dict[str, bytes] = {}
    for number, layer in enumerate(layers):
        source = f"data/layer{number:04d}.png"
        files[source] = png(layer.image)
        place = {
            "x": str(layer.left),
            "y": str(layer.top),
            "src": source,
            "opacity": "1.0",
            "visibility": "visible",
        }
        entry = ElementTree.Element("layer", {"name": xml_text(layer.name), **place})
        entry.set("composite-op", "svg:src-over")
        stack.insert(0, entry)  # OpenRaster lists the uppermost first

    image = ElementTree.Element("image", {"version": "0.0.3", "w": str(size.width), "h": str(size.height)})
    image.append(stack)

    files["stack.xml"] = ElementTree.tostring(image, "utf-8", xml_declaration=True)
    files["mergedimage.png"] = png(merged)
    files["Thumbnails/thumbnail.png"] = png(merged, THUMBNAIL)
    return _archive({"mimetype": b"image/openraster", **files})


def _archive(files: dict[str, bytes]) -> bytes:
    """Return a zip archive of the files in order. Only XML is compressed: `mimetype` must not be, PNG is already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".xml") else zipfile.ZIP_STORED
            archive.writestr(entry, content)
    return buffer.getvalue()


def png(image: Rgba, longest: int | None = None) -> bytes:
    """Return a PNG file of a premultiplied RGBA picture.

    Args:
        image: [4, h, w] in [0, 1].
        longest: shrink it so that its longer side has at most this many pixels.
    """
    picture = to_pillow(image)
    if longest is not None:
        picture.thumbnail((longest, longest))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
