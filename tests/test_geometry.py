"""Splitting windows."""

from __future__ import annotations

import numpy as np
import pytest

from artgen.geometry import Size, Window, split_window


@pytest.mark.parametrize("part", [Size(1, 1), Size(3, 5), Size(7, 2), Size(100, 100), Size(11, 13)], ids=str)
def test_parts_cover_a_window_once(part: Size):
    window = Window(2, 3, 13, 16)
    counts = np.zeros(window.size, dtype=int)
    for piece in split_window(window, part):
        assert piece.size.height <= part.height and piece.size.width <= part.width
        rows, columns = piece.slices_in(window)
        assert counts[rows, columns].shape == piece.size
        counts[rows, columns] += 1
    assert counts.min() == counts.max() == 1


def test_parts_start_at_the_upper_left_corner_and_go_row_by_row():
    parts = list(split_window(Window(1, 1, 4, 6), Size(2, 3)))
    assert parts == [Window(1, 1, 3, 4), Window(1, 4, 3, 6), Window(3, 1, 4, 4), Window(3, 4, 4, 6)]
