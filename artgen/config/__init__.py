"""The configuration of a run: its sections, readers and presets."""

from artgen.config.reading import load_config_file, load_mapping, options_from
from artgen.config.run import EditOptions, RunConfig
from artgen.config.sections import (
    CutoutOptions,
    EvolutionOptions,
    OptimiserOptions,
    SnapshotOptions,
    TimelapseOptions,
)
from artgen.config.steering import Addition, Turn

__all__ = [
    "Addition",
    "CutoutOptions",
    "EditOptions",
    "EvolutionOptions",
    "OptimiserOptions",
    "RunConfig",
    "SnapshotOptions",
    "TimelapseOptions",
    "Turn",
    "load_config_file",
    "load_mapping",
    "options_from",
]
