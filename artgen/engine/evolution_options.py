"""Options of evolution; no torch, so that a configuration is quick to read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from artgen.options import Options


class EvolutionOptions(Options):
    """When and how candidates replace each other."""

    method: Literal["none", "microbial", "strategy"] = Field(
        "microbial",
        description="none; microbial: of two random candidates the better one's mutant replaces the other; "
        "strategy: mutants of the best replace all others",
    )
    every: int = Field(25, ge=1, le=100_000, description="steps between two rounds of evolution")
    search: int = Field(
        1, ge=1, le=10_000, description="random candidates tried at the start per place in the population"
    )
