"""One candidate of a collage as layers and as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from jaxtyping import Float, Int
from torch import Tensor

from artgen.images import data_uri
from artgen.printable import xml_text
from artgen.renderers.base import Layer
from artgen.renderers.binning import TileGrid, assemble
from artgen.renderers.collage.atlas import Atlas, Patches, Texture
from artgen.renderers.collage.geometry import boxes
from artgen.renderers.collage.recolour import ColourSpace, inverted, recolour
from artgen.renderers.collage.sampling import Scene, sample
from artgen.types import Size, Window

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

LAYER_TILE = 8
"""Side of the tiles that a layer is sampled in, in pixels; any side gives the same picture."""


class Candidate(NamedTuple):
    """One candidate of a collage, and the size it is drawn at.

    Args:
        size: size of the picture in pixels.
        ids: id of each element.
        parameters: [N, ...] values of the elements by name; `colour` only if elements are tinted.
        patch: [N] the patch that each element shows.
        painting: [N] the elements, lowest first.
        affine: [N, 2, 3] maps from patch coordinates to pixels.
        patches: all patches.
        credits: name, set, source, licence and author of each patch.
        colour_space: the space in which colours are multiplied.
        invert: whether the colours are inverted at the end.
    """

    size: Size
    ids: Sequence[int]
    parameters: Mapping[str, Tensor]
    patch: Int[Tensor, " elements"]
    painting: Int[Tensor, " elements"]
    affine: Float[Tensor, "elements 2 3"]
    patches: Patches
    credits: Sequence[Mapping[str, str]]
    colour_space: ColourSpace
    invert: bool

    @property
    def colour(self) -> Float[Tensor, "elements 3"] | None:
        """Factors of each element's colour, None if patches keep their colours."""
        return self.parameters.get("colour")

    @property
    def painting_order(self) -> list[int]:
        """The elements, lowest first."""
        return self.painting.tolist()

    def credit(self, element: int) -> Mapping[str, str]:
        """Return the credit of the patch that an element shows."""
        return self.credits[int(self.patch[element])]


def layers(candidate: Candidate, atlas: Atlas) -> list[Layer]:
    """Return the patches of a candidate as layers, the lowest first.

    Args:
        candidate: the patches and where they are.
        atlas: the patches' textures for a picture of this size.
    """
    found = []
    for element in candidate.painting_order:
        layer = _layer(candidate, atlas, element)
        if layer is not None:
            found.append(layer)
    return found


def _layer(candidate: Candidate, atlas: Atlas, element: int) -> Layer | None:
    """Return one patch as a layer, None if it lies outside the picture."""
    affine = candidate.affine[[element]][None]  # [1, 1, 2, 3]
    patch = candidate.patch[[element]][None]  # [1, 1]
    half = candidate.patches.half.to(affine)[patch]  # [1, 1, 2]

    left, top, right, bottom = boxes(affine, half)[0, 0].round().long().tolist()
    height, width = candidate.size
    window = Window(max(0, top), max(0, left), min(height, bottom + 1), min(width, right + 1))
    if min(window.size) <= 0:
        return None

    grid = TileGrid(1, window, LAYER_TILE)
    samples = sample(Scene(affine, patch, candidate.patches, atlas), grid, ordered=False)
    factors = None
    if candidate.colour is not None:
        factors = candidate.colour[[element]].expand(len(samples.layers), -1)  # [M, 3]
    coloured = recolour(candidate.colour_space, samples.layers, factors)  # [M, 4, Q]

    image = assemble(coloured, samples.stacks.bins, grid)[0].clamp(0, 1)  # [4, h, w]
    if candidate.invert:
        image = inverted(image)
    name = f"patch {candidate.ids[element]}: {candidate.credit(element)['name']}"
    return Layer(name, image, window.top, window.left, _metadata(candidate, element))


def _metadata(candidate: Candidate, element: int) -> dict[str, object]:
    """Return source, licence and transform of one patch."""
    names = ["translation", "rotation", "scale", "squeeze", "shear", "order"]
    if candidate.colour is not None:
        names.append("colour")
    numbers = {name: candidate.parameters[name][element].tolist() for name in names}

    return {
        "element": candidate.ids[element],
        **candidate.credit(element),
        **numbers,
        "colour_space": candidate.colour_space,
        "patch_to_pixels": _pixel_matrix(candidate, element),
    }


def _pixel_matrix(candidate: Candidate, element: int) -> list[float]:
    """Return a, b, c, d, e, f of SVG's `matrix` from the patch's own pixels to the picture's."""
    affine = candidate.affine[element].double()  # [2, 3]
    patch = int(candidate.patch[element])
    height, width = candidate.patches.pixels[patch].shape[:2]

    linear = affine[:, :2] / max(height, width)  # [2, 2]
    offset = affine[:, 2] - linear @ linear.new_tensor([width / 2, height / 2])  # [2]
    return [*linear.T.flatten().tolist(), *offset.tolist()]


def to_svg(candidate: Candidate) -> str:
    """Return a candidate as an SVG document with embedded patches.

    Each patch is embedded once and used as often as it appears. A colour factor in RGB
    becomes a `feColorMatrix`. SVG has no HSV and no inversion of one element, so for
    these each element's own recoloured copy is embedded.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    height, width = candidate.size
    attributes = {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
    root = ElementTree.Element(f"{{{SVG}}}svg", attributes)
    definitions = ElementTree.SubElement(root, f"{{{SVG}}}defs")

    own_copy = candidate.colour_space == "hsv" or candidate.invert
    embedded: set[str] = set()
    for element in candidate.painting_order:
        patch = int(candidate.patch[element])
        name = f"element{element}" if own_copy else f"patch{patch}"
        if name not in embedded:
            embedded.add(name)
            texture = candidate.patches.texture(patch, 0)
            _embed(definitions, name, _recoloured(candidate, texture, element) if own_copy else texture)
        _use(root, definitions, candidate, element, name)
    return ElementTree.tostring(root, encoding="unicode")


def _recoloured(candidate: Candidate, texture: Texture, element: int) -> Texture:
    """Return a [4, h, w] texture with the colours of an element."""
    factors = None if candidate.colour is None else candidate.colour[[element]]  # [1, 3]
    flat = texture.flatten(1)[None].to(candidate.affine)  # [1, 4, h * w]
    recoloured = recolour(candidate.colour_space, flat, factors)[0]  # [4, h * w]
    coloured = recoloured.view_as(texture).float()
    return inverted(coloured) if candidate.invert else coloured


def _embed(definitions: ElementTree.Element, name: str, texture: Texture) -> None:
    """Add a texture to an SVG's definitions."""
    height, width = texture.shape[1:]
    uri = data_uri(texture, optimise=True)
    attributes = {"id": name, "width": str(width), "height": str(height)}
    # `href` is SVG 2; older readers know only the name with the prefix
    ElementTree.SubElement(
        definitions, f"{{{SVG}}}image", {**attributes, "href": uri, f"{{{XLINK}}}href": uri}
    )


def _use(
    root: ElementTree.Element,
    definitions: ElementTree.Element,
    candidate: Candidate,
    element: int,
    name: str,
) -> None:
    """Draw an embedded patch at its place."""
    matrix = " ".join(f"{number:.6g}" for number in _pixel_matrix(candidate, element))
    attributes = {"transform": f"matrix({matrix})", f"{{{XLINK}}}href": f"#{name}", "href": f"#{name}"}

    if candidate.colour is not None and candidate.colour_space == "rgb" and not candidate.invert:
        attributes["filter"] = f"url(#colour{element})"
        _add_colour_filter(definitions, f"colour{element}", candidate.colour[element])

    use = ElementTree.SubElement(
        root, f"{{{SVG}}}use", {"id": f"layer-{candidate.ids[element]}", **attributes}
    )
    title = ElementTree.SubElement(use, f"{{{SVG}}}title")
    title.text = xml_text(candidate.credit(element)["name"])


def _add_colour_filter(definitions: ElementTree.Element, name: str, factors: Float[Tensor, " 3"]) -> None:
    """Define a filter that multiplies red, green and blue."""
    attributes = {"id": name, "color-interpolation-filters": "sRGB"}
    # without these, a filter reaches beyond the patch, and renderers round its size
    box = {"x": "0", "y": "0", "width": "1", "height": "1"}
    colour_filter = ElementTree.SubElement(definitions, f"{{{SVG}}}filter", {**attributes, **box})

    red, green, blue = (f"{factor:.4f}" for factor in factors.tolist())
    matrix = f"{red} 0 0 0 0 0 {green} 0 0 0 0 0 {blue} 0 0 0 0 0 1 0"
    ElementTree.SubElement(colour_filter, f"{{{SVG}}}feColorMatrix", {"type": "matrix", "values": matrix})
