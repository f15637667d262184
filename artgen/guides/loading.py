"""Finding a guide by its name."""

from __future__ import annotations

from pathlib import Path

import torch

from artgen.config.guide_spec import GuideSpec, parse_guide
from artgen.guides.base import Guide, guides
from artgen.guides.directory import tokenizer_name


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
    if _is_registered(spec):
        return guides.get(spec.name)(spec, device)

    from artgen.guides.openclip_loading import load_openclip

    return load_openclip(spec, device)


def needs_download(spec: GuideSpec) -> bool:
    """Return whether loading a guide asks a hub for its weights, its tokenizer or its text tower.

    They may be in the hub's cache already. A registered guide needs no download.

    Raises:
        InputError: the guide is a directory with an invalid configuration.
    """
    if _is_registered(spec):
        return False
    if spec.file is None:
        return True
    if spec.name == "local-dir":
        return tokenizer_name(Path(spec.file)) is not None

    import open_clip

    model = open_clip.get_model_config(spec.name) or {}
    text = model.get("text_cfg", {})
    return bool(text.get("hf_tokenizer_name") or text.get("hf_model_name"))


def _is_registered(spec: GuideSpec) -> bool:
    """Return whether a guide is loaded by a registered loader, such as the bundled one."""
    return spec.tag is None and spec.file is None and spec.name in guides.names()
