"""Loading open_clip guides: by name and tag, from a weights file, or from a directory."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from artgen.errors import ArtgenError, InputError, UsageError, did_you_mean
from artgen.files import file_digest, require_plain_file
from artgen.guides.base import Guide, GuideSpec, guides
from artgen.guides.directory import CONFIG, PAINTING, read_directory
from artgen.guides.directory_model import build_model, make_tokenizer, require_hub_names
from artgen.guides.download import ensure_downloaded
from artgen.guides.openclip import OpenClipGuide
from artgen.guides.openclip_constants import default_tag, needs_quick_gelu, normalisation

LONGEST_REASON = 160
"""Longest part of a library's own message that an error quotes, in characters."""


def load_openclip(spec: GuideSpec, device: torch.device) -> Guide:
    """Load a guide that open_clip knows by name, with weights by tag or from a file.

    Raises:
        UsageError: unknown name or tag, or pickled weights.
        InputError: the weights cannot be downloaded, or do not fit the model.
    """
    if spec.name == "local-dir":
        if not spec.file:
            raise UsageError(f"guide {spec.label!r}: a directory is written local-dir=PATH")
        return load_directory(spec.label, Path(spec.file), device)

    _require_known_name(spec)
    require_hub_names(spec.name)
    if spec.file is not None:
        return _load_file(spec, Path(spec.file), device)

    tag = spec.tag or default_tag(spec.name)
    if tag is None:
        raise UsageError(
            f"open_clip has no weights for {spec.name!r}; give them: {spec.name}=FILE.safetensors"
        )
    weights = ensure_downloaded(spec.name, tag)
    return _create(f"{spec.name}:{tag}", spec.name, tag, weights, device)


def load_directory(name: str, directory: Path, device: torch.device) -> Guide:
    """Load an open_clip directory (open_clip_config.json and its safetensors).

    Two more files are optional: `names.json` lists the guide's distractors, `painting.json` its settings for
    painting.

    Raises:
        InputError: the directory contains no valid model.
    """
    contents = read_directory(directory)
    with _one_line_errors(name, contents.weights):
        tokenizer = make_tokenizer(contents.config.model_cfg.text_cfg, directory / CONFIG)
        model = build_model(contents)

    guide = OpenClipGuide(name, model, tokenizer, contents.digest, device)
    guide.weights_digest = contents.weights_digest
    guide.names = contents.names
    guide.load_painting_settings(contents.painting, directory / PAINTING)
    return guide


def _require_known_name(spec: GuideSpec) -> None:
    """Raise UsageError unless open_clip has a model of this name."""
    import open_clip

    if ":" in spec.name or spec.name == "hf-hub":
        raise UsageError(
            f"guide {spec.label!r}: open_clip's prefixes are not supported; "
            "write NAME, NAME:TAG or local-dir=PATH"
        )

    known = open_clip.list_models()
    if spec.name not in known:
        hint = did_you_mean(spec.name, [*guides.names(), *known])
        raise UsageError(f"no guide {spec.name!r}{hint} (artgen guides lists them; or NAME=FILE.safetensors)")


def _load_file(spec: GuideSpec, file: Path, device: torch.device) -> Guide:
    """Load a model with the weights of a safetensors file."""
    if file.suffix != ".safetensors":
        raise UsageError(
            f"{file}: only .safetensors weights are read, pickles can run code; convert once with "
            "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'FILE.safetensors')"
        )
    require_plain_file(file)
    if not file.is_file():
        raise InputError(f"{file}: no such weights file; check the path after '='")
    return _create(spec.label, spec.name, str(file), file, device)


def _create(name: str, model_name: str, pretrained: str, weights: Path, device: torch.device) -> Guide:
    """Let open_clip build a model.

    Args:
        name: of the guide, for the user.
        model_name: open_clip's name of the model.
        pretrained: a tag, or the path of a file.
        weights: the file that contains the weights, for the digest.
        device: where the model runs.
    """
    import open_clip

    activation = {"force_quick_gelu": True} if needs_quick_gelu(model_name, pretrained) else {}
    with _one_line_errors(name, weights):
        model = open_clip.create_model(
            model_name,
            pretrained=pretrained,
            require_pretrained=True,
            force_preprocess_cfg=normalisation(model_name, pretrained),
            **activation,
        )
        tokenizer = open_clip.get_tokenizer(model_name)

    guide = OpenClipGuide(name, model, tokenizer, file_digest(weights), device)
    guide.weights_digest = guide.digest
    return guide


@contextlib.contextmanager
def _one_line_errors(name: str, weights: Path) -> Iterator[None]:
    """Silence warnings, and turn whatever torch, json or safetensors raise through open_clip into one line.

    Args:
        name: of the guide.
        weights: the file that is read.

    Raises:
        InputError: something other than an `ArtgenError` was raised.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ArtgenError:
        raise
    except Exception as error:
        message = str(error).strip()
        reason = message.splitlines()[0][:LONGEST_REASON] if message else type(error).__name__
        raise InputError(
            f"{weights}: not weights of {name!r} ({reason}); check the file and the model name"
        ) from error
