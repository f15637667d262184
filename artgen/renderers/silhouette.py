"""Outlines of single elements, for highlighting them on a picture."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from artgen.errors import UsageError
from artgen.geometry import Size
from artgen.renderers.base import Layer, Renderer
from artgen.renderers.point import HasOutlines, ids_of

TOLERANCE = 0.2
"""Pixels by which an outline may be simplified."""


def outline(renderer: Renderer, element: int, size: Size, candidate: int = 0) -> str:
    """Return the outline of one element as SVG path data in pixels, empty if it is outside the picture.

    It is the silhouette of the element alone, also where others hide it. Fill it with the rule `evenodd`.

    Args:
        renderer: strokes, collage, pixel, or any other with layers.
        element: its id.
        size: of the picture as it is shown.
        candidate: the picture that has the element.

    Raises:
        UsageError: there is no such element or candidate, or this renderer's elements have no outlines.
    """
    ids = ids_of(renderer, candidate)
    if element not in ids:
        raise UsageError(f"there is no element {element} in this picture; point at it to see its number")

    alone = renderer if renderer.population == 1 else renderer.candidate(candidate)
    if isinstance(alone, HasOutlines):
        return alone.element_outline(ids.index(element), size)

    layer = _layer_of(alone, element, ids, size)
    return "" if layer is None else path_around(layer.image[3], layer.top, layer.left)


def _layer_of(renderer: Renderer, element: int, ids: list[int], size: Size) -> Layer | None:
    """Return the layer of one element of a single candidate, None if it is outside the picture."""
    others = [other for other in ids if other != element]
    alone = renderer.candidate(0)
    if others:
        alone.remove(others)

    layers = alone.layers(size)
    if layers is None:
        raise UsageError("this renderer's elements have no outlines; use pixel, strokes or collage")
    for layer in layers:
        if "element" in layer.metadata:
            return layer
    return None


def path_around(alpha: Float[Tensor, "height width"], top: int = 0, left: int = 0) -> str:
    """Return the outline of what is at least half as opaque as the most opaque pixel, as SVG path data.

    Args:
        alpha: opacity of each pixel, in [0, 1].
        top: row of the upper edge in the whole picture.
        left: column of the left edge in the whole picture.

    Example:
        >>> path_around(Tensor([[1, 1]]), top=4, left=6)
        'M7.5 5L6.5 5L6 4.5L6.5 4L7.5 4L8 4.5Z'
    """
    from skimage.measure import approximate_polygon, find_contours  # takes long to import

    greatest = float(alpha.max()) if alpha.numel() else 0.0
    if not greatest:
        return ""

    # with a clear border all outlines are closed
    padded = functional.pad(alpha.detach().cpu(), (1, 1, 1, 1)).numpy()
    paths = []
    for contour in find_contours(padded, greatest / 2):
        corners = approximate_polygon(contour, TOLERANCE)[:-1]  # the last one is the first again
        points = [f"{column - 0.5 + left:.5g} {row - 0.5 + top:.5g}" for row, column in corners]
        if len(points) > 2:
            paths.append("M" + "L".join(points) + "Z")
    return "".join(paths)
