"""The first candidate of a collage as layers and as SVG."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree

import torch
from PIL import Image as PillowImage
from torch import Tensor

from artgen.printable import xml_text
from artgen.renderers.base import Layer
from artgen.renderers.binning import TileGrid, assemble
from artgen.renderers.collage.geometry import boxes
from artgen.renderers.collage.recolour import recolour
from artgen.renderers.collage.sampling import sample
from artgen.types import Size, Window

if TYPE_CHECKING:
    from artgen.renderers.collage import Collage

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"


def layers(renderer: Collage, size: Size) -> list[Layer]:
    """Return the patches of the first candidate as layers, the lowest first."""
    single = cast("Collage", renderer.candidate(0))
    found = [_layer(single, size, int(element)) for element in renderer.painting_order()[0]]
    return [layer for layer in found if layer is not None]


def _layer(single: Collage, size: Size, element: int) -> Layer | None:
    """Return one patch as a layer, None if it lies outside of the picture."""
    scene = single.scene(size)
    scene = scene._replace(affine=scene.affine[:, [element]], patch=scene.patch[:, [element]])
    half = single.patches.half.to(scene.affine)[scene.patch]
    left, top, right, bottom = boxes(scene.affine, half)[0, 0].round().long().tolist()
    window = Window(max(0, top), max(0, left), min(size.height, bottom + 1), min(size.width, right + 1))
    if min(window.size) <= 0:
        return None
    grid = TileGrid(1, window, 8)
    samples = sample(scene, grid, ordered=False)
    factors = single.colour[0, [element]] if single.options.colour != "none" else None
    factors = None if factors is None else factors.expand(len(samples.layers), -1)
    tiles = recolour(single.options.colour, samples.layers, factors)
    image = assemble(tiles, samples.stacks.bins, grid)[0].clamp(0, 1)
    if single.options.invert:
        image = torch.cat([image[3:] - image[:3], image[3:]])
    credit = single.credits[int(scene.patch)]
    return Layer(
        f"patch {element}: {credit['name']}", image, window.top, window.left, _metadata(single, size, element)
    )


def _metadata(single: Collage, size: Size, element: int) -> dict[str, object]:
    """Return source, licence and transform of one patch."""
    patch = int(single.patch[0, element])
    numbers = {
        name: getattr(single, name)[0, element].tolist()
        for name in ("translation", "rotation", "scale", "squeeze", "shear", "order")
    }
    if single.options.colour != "none":
        numbers["colour"] = single.colour[0, element].tolist()
    return {
        "element": element,
        **single.credits[patch],
        **numbers,
        "colour_space": single.options.colour,
        "patch_to_pixels": _pixel_matrix(single, size, element),
    }


def _pixel_matrix(single: Collage, size: Size, element: int) -> list[float]:
    """Return a, b, c, d, e, f of SVG's `matrix` from the patch's pixels to the picture's."""
    affine = single.affine(size)[0, element].detach().double()
    patch = int(single.patch[0, element])
    height, width = single.patches.pixels[patch].shape[:2]
    linear = affine[:, :2] / max(height, width)
    offset = affine[:, 2] - linear @ linear.new_tensor([width / 2, height / 2])
    return [*linear.T.flatten().tolist(), *offset.tolist()]


def to_svg(renderer: Collage, size: Size) -> str:
    """Return the first candidate as an SVG document with embedded patches.

    Each patch is embedded once and used as often as it appears. A colour factor in RGB is
    a `feColorMatrix`; in HSV, which SVG cannot express, a recoloured copy is embedded.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    single = cast("Collage", renderer.candidate(0))
    shape = {"width": str(size.width), "height": str(size.height)}
    root = ElementTree.Element(f"{{{SVG}}}svg", {**shape, "viewBox": f"0 0 {size.width} {size.height}"})
    definitions = ElementTree.SubElement(root, f"{{{SVG}}}defs")
    embedded: set[str] = set()
    for element in single.painting_order()[0].tolist():
        patch = int(single.patch[0, element])
        baked = single.options.colour == "hsv" or single.options.invert
        name = f"element{element}" if baked else f"patch{patch}"
        if name not in embedded:
            embedded.add(name)
            _embed(definitions, name, _pixels(single, patch, element if baked else None))
        _use(root, definitions, single, size, element, name)
    return ElementTree.tostring(root, encoding="unicode")


def _pixels(single: Collage, patch: int, element: int | None) -> Tensor:
    """Return [4, h, w] premultiplied, recoloured as `element` if given."""
    texture = single.patches.texture(patch, 0)
    if element is None:
        return texture
    factors = single.colour[0, [element]].detach() if single.options.colour != "none" else None
    flat = recolour(single.options.colour, texture.flatten(1)[None].to(single.translation), factors)
    coloured = flat[0].view_as(texture).float()
    if single.options.invert:
        coloured = torch.cat([coloured[3:] - coloured[:3], coloured[3:]])
    return coloured


def _embed(definitions: ElementTree.Element, name: str, texture: Tensor) -> None:
    straight = texture.clone()
    straight[:3] /= straight[3:].clamp(min=1e-6)
    data = (straight.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    PillowImage.fromarray(data, "RGBA").save(file, "PNG", optimize=True)
    encoded = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    size = {"width": str(data.shape[1]), "height": str(data.shape[0])}
    ElementTree.SubElement(
        definitions, f"{{{SVG}}}image", {"id": name, **size, "href": encoded, f"{{{XLINK}}}href": encoded}
    )


def _use(
    root: ElementTree.Element,
    definitions: ElementTree.Element,
    single: Collage,
    size: Size,
    element: int,
    name: str,
) -> None:
    """Draw an embedded patch in its place."""
    matrix = " ".join(f"{number:.6g}" for number in _pixel_matrix(single, size, element))
    attributes = {"transform": f"matrix({matrix})", f"{{{XLINK}}}href": f"#{name}", "href": f"#{name}"}
    if single.options.colour == "rgb" and not single.options.invert:
        attributes["filter"] = f"url(#colour{element})"
        shape = {"id": f"colour{element}", "color-interpolation-filters": "sRGB"}
        box = {"x": "0", "y": "0", "width": "1", "height": "1"}
        filter_ = ElementTree.SubElement(definitions, f"{{{SVG}}}filter", {**shape, **box})
        red, green, blue = (f"{factor:.4f}" for factor in single.colour[0, element].tolist())
        rows = f"{red} 0 0 0 0 0 {green} 0 0 0 0 0 {blue} 0 0 0 0 0 1 0"
        ElementTree.SubElement(filter_, f"{{{SVG}}}feColorMatrix", {"type": "matrix", "values": rows})
    use = ElementTree.SubElement(root, f"{{{SVG}}}use", {"id": f"layer-{element}", **attributes})
    title = ElementTree.SubElement(use, f"{{{SVG}}}title")
    title.text = xml_text(single.credits[int(single.patch[0, element])]["name"])
