"""Blocks of cells, which look like single cells at the coarse levels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from artgen.geometry import Size


@dataclass(frozen=True)
class Blocks:
    """The cells as a picture shows them: squares of `side` by `side` stored cells.

    They are numbered row by row from the upper left. The last row and the last column may be smaller.

    Args:
        stored: number of stored cells down and across.
        side: of a block in stored cells.
    """

    stored: Size
    side: int = 1

    @property
    def grid(self) -> Size:
        """Number of blocks down and across."""
        return Size(-(-self.stored.height // self.side), -(-self.stored.width // self.side))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return self.grid.height * self.grid.width

    def index_of_cells(self) -> Int[Tensor, " cells"]:
        """Return the block of every stored cell, row by row.

        Example:
            >>> Blocks(Size(2, 3), side=2).index_of_cells()
            tensor([0, 0, 1, 0, 0, 1])
        """
        down = torch.arange(self.stored.height) // self.side  # [rows]
        across = torch.arange(self.stored.width) // self.side  # [columns]
        return (down[:, None] * self.grid.width + across).flatten()

    def mask_of(self, blocks: list[int]) -> Bool[Tensor, "rows columns"]:
        """Return which stored cells are in one of some blocks."""
        chosen = torch.zeros(self.count, dtype=torch.bool)
        chosen[blocks] = True
        return chosen[self.index_of_cells()].view(self.stored)

    def cells_of(self, block: int) -> list[tuple[int, int]]:
        """Return the row and column of each stored cell in a block.

        Example:
            >>> Blocks(Size(2, 3), side=2).cells_of(1)
            [(0, 2), (1, 2)]
        """
        return [(int(row), int(column)) for row, column in self.mask_of([block]).nonzero()]
