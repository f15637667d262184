"""The contract of an export format.

Importing this module needs no torch, so that the command line can list the formats quickly.
"""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from artgen.errors import UsageError, did_you_mean
from artgen.geometry import Size
from artgen.registry import Registry

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from artgen.renderers.base import Layer


class Export(abc.ABC):
    """What a format writes: one candidate of a run, or all of them as a sheet.

    Nothing is rendered until a format asks for it.

    Attributes:
        size: of the whole picture in pixels.
        transparent: whether the background is left out.
        configuration: the run's configuration as JSON, for the file's metadata.
    """

    size: Size
    transparent: bool
    configuration: str

    @abc.abstractmethod
    def picture(self) -> Float[Tensor, "channels height width"]:
        """Return the picture in [0, 1]: [3, H, W], or [4, H, W] premultiplied if transparent."""

    @abc.abstractmethod
    def layers(self) -> list[Layer]:
        """Return the layers, lowest first; the background is one of them unless transparent.

        Raises:
            UsageError: the renderer has no layers.
        """

    @abc.abstractmethod
    def svg(self) -> str:
        """Return the picture as an SVG document.

        Raises:
            UsageError: the renderer cannot draw vectors.
        """


class ExportFormat(abc.ABC):
    """A way to write pictures. Subclasses declare what they can do and implement `write`.

    Attributes:
        suffix: ending of its files, with the dot (".png").
        writes_folder: it writes a folder instead of a file.
        supports_sheet: it can write a sheet of all candidates, for which an `Export` has only a picture.
        renders_pixels: it calls `picture` or `layers`, so the free memory is checked before.
        longest_side: longest side it can store in pixels; None for no limit.
    """

    suffix: ClassVar[str]
    writes_folder: ClassVar[bool] = False
    supports_sheet: ClassVar[bool] = False
    renders_pixels: ClassVar[bool] = True
    longest_side: ClassVar[int | None] = None

    @abc.abstractmethod
    def write(self, export: Export, path: Path) -> None:
        """Write the picture.

        Args:
            export: the picture.
            path: a file, or a folder that may not exist yet if `writes_folder`.

        Raises:
            UsageError: the renderer cannot provide what the format needs.
            RunError: the disk is full, or the path cannot be written.
        """


formats: Registry[type[ExportFormat]] = Registry("format", "artgen.export.formats")
"""All export formats; a class decorated with `@formats.register("name")` joins them."""


def format_of(path: Path) -> str:
    """Return the name of the format that a path's suffix stands for.

    Raises:
        UsageError: no format has this suffix; the message names the nearest.

    Example:
        >>> format_of(Path("castle.WEBP"))
        'webp'
    """
    suffix = path.suffix.lower()
    names = {formats.get(name).suffix: name for name in formats.names()}
    if suffix not in names:
        hint = did_you_mean(suffix, names)
        known = ", ".join(names)
        raise UsageError(f"{path}: no format has the suffix {suffix!r}{hint} (known: {known}); give --format")
    return names[suffix]
