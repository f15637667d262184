"""Listing guides and describing one."""

from __future__ import annotations

from artgen.errors import UsageError, did_you_mean
from artgen.guides.base import guides, parse_guide


def list_guides() -> dict[str, list[str]]:
    """Return each guide's name with the tags of its weights; the bundled ones first."""
    import open_clip

    listed: dict[str, list[str]] = {name: [] for name in guides.names()}
    for name in open_clip.list_models():
        listed[name] = open_clip.list_pretrained_tags_by_model(name)
    return listed


def describe_guide(name: str) -> str:
    """Return a bundled guide's model card, or the tags and the configuration of an open_clip model.

    Raises:
        UsageError: no such guide.
    """
    import json

    from artgen.files import read_text
    from artgen.guides.bundled import DOODLE

    spec = parse_guide(name)
    if spec.name == "doodle":
        return read_text(DOODLE / "MODEL_CARD.md", 1 << 20)
    listed = list_guides()
    if spec.name not in listed:
        raise UsageError(
            f"no guide {spec.name!r}{did_you_mean(spec.name, listed)} (artgen guides lists them)"
        )
    import open_clip

    facts = {"tags": listed[spec.name], "configuration": open_clip.get_model_config(spec.name)}
    return json.dumps(facts, indent=2)
