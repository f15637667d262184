"""Films from pictures: MP4 with PyAV, GIF with Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from artgen.errors import InputError, RunError, broken_input
from artgen.files import open_file, write_atomically

Frame = UInt8[np.ndarray, "height width 3"]

ENCODER_OPTIONS = {"crf": "21", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
"""Options of x264.

A constant rate factor of 21 without macroblock trees is visually lossless for most pictures, as 18 is with
them. The trees are left out because x264 then decides by memory that it has not written: of 60 films
with the same frames, sides not divisible by 16, up to 13 were different.
"""
GIF_TICK = 0.01
"""Unit of a GIF's frame durations in seconds. Browsers slow down frames shorter than two units."""


def write_mp4(path: Path, frames: Sequence[Path], rate: int, hold: float) -> None:
    """Write a film that every browser plays (H.264, yuv420p).

    Args:
        path: the film.
        frames: pictures of one size; odd sizes are padded to even ones by repeating the edge.
        rate: frames per second.
        hold: seconds for which the last frame is shown.

    Raises:
        RunError: there are no frames, or the encoder or the disk fails.
    """
    import av

    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(rate))
            stream.pix_fmt = "yuv420p"
            stream.options = dict(ENCODER_OPTIONS)
            for index, pixels in enumerate(_held(frames, round(hold * rate))):
                pixels = pad_to_even(pixels)
                if not index:
                    stream.height, stream.width = pixels.shape[:2]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        raise RunError(
            f"{path}: the film cannot be encoded ({error}); use --timelapse gif, or none"
        ) from None
    write_atomically(path, buffer.getvalue())


def write_gif(path: Path, frames: Sequence[Path], rate: int, hold: float) -> None:
    """Write an animation that repeats forever; arguments as for `write_mp4`.

    Raises:
        RunError: there are no frames, or the disk fails.
    """
    tick = max(round(1 / rate / GIF_TICK), 2) * GIF_TICK
    pictures = [Pillow.fromarray(pixels) for pixels in _held(frames, 0)]
    durations = [round(1000 * tick)] * len(pictures)
    durations[-1] += round(1000 * hold)

    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    write_atomically(path, buffer.getvalue())


def pad_to_even(pixels: Frame) -> UInt8[np.ndarray, "even_height even_width 3"]:
    """Return the picture with its last row and column repeated where its sides are odd.

    Example:
        >>> pad_to_even(np.zeros((3, 4, 3), np.uint8)).shape
        (4, 4, 3)
    """
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _held(frames: Sequence[Path], repeats: int) -> Iterator[Frame]:
    """Yield the pictures, and the last one `repeats` more times."""
    if not frames:
        raise RunError("there are no frames for the film; let the run make at least one step")
    for path in [*frames, *[frames[-1]] * repeats]:
        yield _frame(path)


def _frame(path: Path) -> Frame:
    """Return the picture in a file.

    Raises:
        RunError: it cannot be read.
    """
    try:
        with (
            broken_input(f"{path}: not a frame of a film", "remove it"),
            open_file(path) as file,
            Pillow.open(file, formats=["PNG"]) as picture,
        ):
            return np.asarray(picture.convert("RGB"))
    except InputError as error:
        raise RunError(str(error)) from None
