"""The guide that comes with artgen: an open_clip directory inside the package."""

from __future__ import annotations

from pathlib import Path

import torch

from artgen.errors import InputError
from artgen.guides.base import Guide, GuideSpec, guides

DOODLE = Path(__file__).parent / "doodle"
"""Contains open_clip_config.json, open_clip_model.safetensors, names.json, painting.json and MODEL_CARD.md."""


@guides.register("doodle")
def load_doodle(spec: GuideSpec, device: torch.device) -> Guide:
    """Load the small CLIP trained on drawings, with its names as distractors."""
    from artgen.guides.openclip_loading import load_directory

    if not (DOODLE / "open_clip_model.safetensors").is_file():
        raise InputError("the bundled guide is missing from this installation; install artgen again")
    return load_directory(spec.label, DOODLE, device)
