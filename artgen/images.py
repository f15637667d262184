"""Reading pictures that may be hostile, and turning tensors into pictures."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image as Pillow
from torch import Tensor

from artgen.errors import InputError
from artgen.files import MissingFileError, read_file
from artgen.jpeg import require_few_scans

LARGEST_PIXELS = 64_000_000
"""Most pixels a picture may have; checked before it is decoded."""
LARGEST_PICTURE_FILE = 1 << 28
"""Largest picture file in bytes: that many pixels with four uncompressed channels of 8 bits."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that are read; Pillow's other decoders are never tried."""


def read_picture(path: Path | str) -> Float[Tensor, "1 channels height width"]:
    """Read a picture as [1, 4, H, W] straight (not premultiplied) sRGB + alpha in [0, 1].

    CMYK, palette, grey and 16-bit pictures are converted, EXIF turns are applied, and of
    an animation the first frame is taken.

    Raises:
        InputError: no such file, not a picture, too large, or broken.
    """
    path = Path(path)
    try:
        content = read_file(path, LARGEST_PICTURE_FILE, "give a smaller picture")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(content), formats=FORMATS) as picture:
                _check_size(path, picture.size)
                if picture.format == "JPEG":
                    require_few_scans(content, picture.size, str(path))
                pixels = _as_rgba(picture)
    except MissingFileError:
        raise InputError(f"{path}: no such picture; check the path") from None
    except Pillow.DecompressionBombError:
        raise InputError(f"{path}: more than {LARGEST_PIXELS} pixels; make it smaller first") from None
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on broken files
        known = ", ".join(FORMATS)
        raise InputError(
            f"{path}: not a readable picture ({type(error).__name__}); formats read: {known}"
        ) from None
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


def read_opaque(path: Path | str) -> Float[Tensor, "1 3 height width"]:
    """Read a picture as [1, 3, H, W] in [0, 1], on white where it is transparent."""
    rgba = read_picture(path)
    alpha = rgba[:, 3:]
    return rgba[:, :3] * alpha + (1 - alpha)


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > LARGEST_PIXELS:
        raise InputError(
            f"{path}: {size[0]}x{size[1]} is more than {LARGEST_PIXELS} pixels; make it smaller first"
        )


def _as_rgba(picture: Pillow.Image) -> np.ndarray:
    """Return [H, W, 4] float32 in [0, 1]."""
    from PIL import ImageOps

    picture.seek(0)
    if picture.mode in ("I;16", "I;16B", "I;16L", "I"):
        grey = np.asarray(picture, dtype=np.float32) / 65535
        return np.stack([grey, grey, grey, np.ones_like(grey)], axis=-1).clip(0, 1)
    turned = ImageOps.exif_transpose(picture) or picture
    return np.asarray(turned.convert("RGBA"), dtype=np.float32) / 255


def to_bytes(image: Float[Tensor, "channels height width"]) -> UInt8[Tensor, "height width channels"]:
    """Return a picture as straight (not premultiplied) colours of 8 bits each, on the CPU.

    Args:
        image: [3, H, W] RGB, or [4, H, W] premultiplied RGBA, in [0, 1]; other values are clamped.

    Returns:
        [H, W, 3 or 4] in 0 to 255.

    Example:
        >>> half_clear_red = torch.tensor([0.5, 0.0, 0.0, 0.5]).view(4, 1, 1)
        >>> to_bytes(half_clear_red).flatten().tolist()
        [255, 0, 0, 128]
    """
    image = image.detach().float().cpu().clamp(0, 1)

    if len(image) == 4:
        colour, alpha = image.split([3, 1])
        straight = colour / alpha.clamp(min=1e-6)
        image = torch.cat([straight.clamp(0, 1), alpha])

    return (image * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()


def to_pillow(image: Float[Tensor, "channels height width"]) -> Pillow.Image:
    """Return a [3 or 4, H, W] picture in [0, 1] (alpha premultiplied) as a Pillow image."""
    return Pillow.fromarray(to_bytes(image).numpy())


def data_uri(image: Float[Tensor, "channels height width"], optimise: bool = False) -> str:
    """Return a picture as a `data:` address, for embedding in an SVG document.

    Args:
        image: [3, H, W] RGB, or [4, H, W] premultiplied RGBA, in [0, 1].
        optimise: spend more time for a smaller PNG.

    Example:
        >>> data_uri(torch.zeros(3, 2, 2))[:31]
        'data:image/png;base64,iVBORw0KG'
    """
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, "PNG", optimize=optimise)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def parse_colour(text: str) -> Float[Tensor, " 3"]:
    """Read a colour name or `#rrggbb` as sRGB in [0, 1].

    Raises:
        InputError: not a colour.
    """
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise InputError(f"{text!r} is not a colour; write a name such as 'white', or '#rrggbb'") from None
    return torch.tensor([red, green, blue]) / 255
