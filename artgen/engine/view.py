"""The pictures of a run at one step, drawn only when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from artgen.errors import RunError
from artgen.renderers.rendering import render_picture
from artgen.types import Image

if TYPE_CHECKING:
    from artgen.engine.problem import Problem
    from artgen.engine.state import LoopState

Draw = Callable[[int], Image]
"""Takes a longer side in pixels, and returns pictures [N, 3, H, W] in [0, 1]."""


class View:
    """Draws the pictures of one step.

    A run keeps one state, which its next step changes. So a view is valid until the next event is asked for.

    Args:
        picture: draws the best candidate.
        candidates: draws all candidates, in the order of the losses.
        judged: returns the canvas as it was judged, without drawing it again.

    Example:
        >>> # for event in painting(RunConfig(prompts="a blue rabbit")):
        >>> #     if isinstance(event, Stepped):
        >>> #         show(event.view.picture(384))
    """

    def __init__(self, picture: Draw, candidates: Draw, judged: Callable[[], Image]) -> None:
        self._drawing: tuple[Draw, Draw, Callable[[], Image]] | None = (picture, candidates, judged)

    def picture(self, side: int) -> Image:
        """Return the best candidate on its background, [1, 3, H, W] in [0, 1].

        In a run with tiles, it is the whole picture so far.

        Args:
            side: length of the longer side in pixels.

        Raises:
            RunError: the run has continued since.
        """
        return self._open()[0](side)

    def candidates(self, side: int) -> Image:
        """Return all candidates on their background, [P, 3, H, W] in [0, 1], in the order of the losses.

        Args:
            side: length of the longer side in pixels.

        Raises:
            RunError: the run has continued since.
        """
        return self._open()[1](side)

    def judged(self) -> Image:
        """Return the candidates as they were judged in this step, [P, 3, H, W] in [0, 1]; nothing is drawn.

        They are those before the step, at the size of the canvas, and on random backgrounds if the picture is
        transparent.

        Raises:
            RunError: the run has continued since.
        """
        return self._open()[2]()

    def of_whole(self, picture: Draw) -> View:
        """Return a view with the same lifetime that draws another picture: the whole that a tile belongs to."""

        def whole(side: int) -> Image:
            """Draw the whole, if this view is still valid."""
            self._open()
            return picture(side)

        return View(whole, self.candidates, self.judged)

    def close(self) -> None:
        """End the validity; called when the run continues."""
        self._drawing = None

    def _open(self) -> tuple[Draw, Draw, Callable[[], Image]]:
        if self._drawing is None:
            raise RunError("the run has continued since this step; draw before asking for the next event")
        return self._drawing


def view_of(problem: Problem, state: LoopState) -> View:
    """Return the view of a run's present state."""

    def picture(side: int) -> Image:
        """Draw the best candidate."""
        return candidate_picture(problem, state.best_first()[0], side)

    def candidates(side: int) -> Image:
        """Draw all candidates."""
        drawn = [candidate_picture(problem, index, side) for index in range(problem.renderer.population)]
        return torch.cat(drawn)

    def judged() -> Image:
        """Return the canvas of the last step."""
        assert state.feedback is not None
        return state.feedback.image.clamp(0, 1)

    return View(picture, candidates, judged)


def candidate_picture(problem: Problem, index: int, side: int) -> Image:
    """Return one candidate on its background, [1, 3, H, W], with a longer side of so many pixels."""
    single = problem.renderer.candidate(index)
    return problem.background.opaque(render_picture(single, problem.shape.scaled_to(side)))
