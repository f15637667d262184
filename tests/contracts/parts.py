"""What the contract tests need to know about a renderer; one without an entry uses its defaults."""

from __future__ import annotations

from typing import Any

import torch

from artgen.config import options_from
from artgen.renderers import Renderer, renderers
from artgen.renderers.base import ON_WHITE, Surroundings
from artgen.types import Size

SMALL: dict[str, dict[str, Any]] = {
    "pixel": {"cells": 10},
    "strokes": {"strokes": "6", "segments": 2},
    "collage": {"patches": "shapes", "count": 5},
}
"""Options for quick tests."""

FITTING: dict[str, dict[str, Any]] = {
    "pixel": {"cells": 24},
    "strokes": {"strokes": "60"},
    "collage": {"patches": "shapes", "count": 60},
}
"""Options with which a small photograph can be fitted."""

CANVAS = Size(32, 40)


def make(
    name: str,
    population: int = 2,
    seed: int = 1,
    canvas: Size = CANVAS,
    options: dict[str, dict[str, Any]] = SMALL,
    surroundings: Surroundings = ON_WHITE,
) -> Renderer:
    kind = renderers.get(name)
    renderer = kind(options_from(kind.Options, options.get(name, {}), name), canvas, surroundings)
    renderer.init(population, torch.Generator().manual_seed(seed))
    renderer.advance(0.999, torch.Generator().manual_seed(seed))
    return renderer
