"""The film of a run. Frames are kept in its folder, so that a resumed run still has all of them.

Which steps are frames depends on the configuration alone (with `--seconds`, on the fraction
of the time that has passed), so a resumed run writes the same frames as an uninterrupted one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from artgen.config import TimelapseOptions
from artgen.export.film import write_gif, write_mp4
from artgen.export.png import write_png
from artgen.files import make_part_folder
from artgen.types import Image

FOLDER = "frames"
"""Name of the folder for frames in a run's folder."""
WRITERS = {"mp4": write_mp4, "gif": write_gif}
"""How each kind of film is written."""
_FRAME = re.compile(r"(\d{7})\.png")


class Timelapse:
    """Writes frames during a run, and the film at its end.

    Args:
        folder: the run's folder.
        options: format, frames and size of the film.
        done: number of steps already done; frames of later steps are removed.
    """

    def __init__(self, folder: Path, options: TimelapseOptions, done: int) -> None:
        self._folder = folder / FOLDER
        self._options = options
        self._last_step = -1
        self._films = []
        for kind, write in WRITERS.items():
            if options.kind in (kind, "both"):
                self._films.append((folder / f"timelapse.{kind}", write))

        # Frames of a longer earlier run, or of another one, must not get into this film.
        self.drop_after(done if done else -1)
        if not done:
            for kind in WRITERS:
                (folder / f"timelapse.{kind}").unlink(missing_ok=True)

    def drop_after(self, step: int) -> None:
        """Remove the frames of later steps."""
        for frame in self.frames():
            if int(frame.stem) > step:
                frame.unlink()
        self._last_step = min(self._last_step, step)

    def frames(self) -> list[Path]:
        """Return the frames written so far, in order."""
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if _FRAME.fullmatch(path.name))

    def note(self, step: int, before: float, after: float, draw: Callable[[int], Image]) -> None:
        """Write a frame if the film shows this step.

        Args:
            step: number of steps done.
            before: progress of the run before this step, in [0, 1].
            after: progress of the run after this step, in [0, 1].
            draw: takes a longer side in pixels, and returns the picture [1, 3, H, W].
        """
        every = self._options.every
        if every is not None:
            wanted = step % every == 0
        else:
            frames_before, frames_after = (int(part * self._options.frames) for part in (before, after))
            wanted = step == 0 or frames_before != frames_after
        if wanted:
            self.add(step, draw)

    def add(self, step: int, draw: Callable[[int], Image]) -> None:
        """Write a frame, unless this step has one or the run makes no film."""
        if not self._films or step == self._last_step:
            return
        make_part_folder(self._folder)
        write_png(self._folder / f"{step:07d}.png", draw(self._options.side)[0])
        self._last_step = step

    def finish(self) -> list[Path]:
        """Write the films and return them."""
        frames = self.frames()
        for path, write in self._films:
            write(path, frames, self._options.rate, self._options.hold)
        return [path for path, _ in self._films]
