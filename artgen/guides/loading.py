"""Finding a guide by its name."""

from __future__ import annotations

import torch

from artgen.config.guide_spec import GuideSpec, parse_guide
from artgen.guides.base import Guide, guides


def load_guide(name: str | GuideSpec, device: str | torch.device = "cpu") -> Guide:
    """Load a guide: the bundled `doodle`, or any open_clip model.

    Args:
        name: `NAME`, `NAME:TAG` or `NAME=FILE.safetensors`, or the result of `parse_guide`. Do not pass the
            label of a parsed guide: its path may contain `@`, and would be parsed differently.
        device: where its weights go.

    Raises:
        UsageError: no such guide or tag, or pickled weights.
        InputError: the weights cannot be downloaded or read.

    Example:
        >>> guide = load_guide("doodle")                        # doctest: +SKIP
        >>> guide.encode_text(["a blue rabbit"]).shape          # doctest: +SKIP
    """
    spec = parse_guide(name) if isinstance(name, str) else name
    device = torch.device(device)
    if spec.tag is None and spec.file is None and spec.name in guides.names():
        return guides.get(spec.name)(spec, device)

    from artgen.guides.openclip_loading import load_openclip

    return load_openclip(spec, device)
