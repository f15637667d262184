"""Streams of random numbers: one generator per purpose, all derived from one seed.

What one part draws never shifts what another draws, and a candidate's stream does not
depend on how many candidates there are. Draws are made on the CPU and moved, so that
every device sees the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


class Streams:
    """Named generators of one seed, made when first asked for.

    Args:
        seed: the run's seed.

    Example:
        >>> Streams(1)["init"].initial_seed() == Streams(1)["init"].initial_seed()
        True
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[str, torch.Generator] = {}

    def __getitem__(self, name: str) -> torch.Generator:
        if name not in self._generators:
            digest = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
            self._generators[name] = torch.Generator().manual_seed(
                int.from_bytes(digest[:8], "big", signed=True)
            )
        return self._generators[name]

    def views(self, population: int) -> list[torch.Generator]:
        """Return the generators of the candidates' views and noise."""
        return [self[f"views-{index}"] for index in range(population)]

    def state(self) -> dict[str, Tensor]:
        """Return each generator's state, uint8."""
        return {name: generator.get_state() for name, generator in sorted(self._generators.items())}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state from `state`."""
        for name, tensor in state.items():
            self[name].set_state(tensor)
