"""The model and the tokenizer that a guide's directory describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from artgen.errors import InputError
from artgen.guides.directory import CONFIG, GuideDirectory
from artgen.guides.directory_schema import CLIP_VOCABULARY, ModelConfig, TextConfig


def build_model(read: GuideDirectory) -> Any:
    """Return the model of a directory with its weights, as open_clip would make it.

    It is built here and not by open_clip, which would choose the weights file itself.

    Raises:
        InputError: the file is far too small for the model.
        Exception: whatever open_clip, timm, torch and safetensors raise on a mismatch.
    """
    from open_clip.factory import load_checkpoint
    from open_clip.model import set_model_preprocess_cfg
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    _require_enough_weights(read)
    model = _without_weights(read.config.model_cfg)
    load_checkpoint(model, str(read.weights), strict=True)

    configured = read.config.preprocess_cfg.model_dump(exclude_none=True)
    preprocess = merge_preprocess_dict(PreprocessCfg(), configured)
    preprocess["size"] = model.visual.image_size
    set_model_preprocess_cfg(model, preprocess)
    return model


def _without_weights(config: ModelConfig) -> Any:
    """Return open_clip's model of a configuration, with random weights."""
    from open_clip.model import CLIP, CustomTextCLIP

    from artgen.guides import towers  # noqa: F401 - registers the bundled tower with timm

    values = config.model_dump(exclude_unset=True, exclude={"custom_text"})
    values["vision_cfg"].pop("timm_model_pretrained", None)  # false by default: nothing is downloaded
    for key in ("hf_model_name", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"):
        values["text_cfg"].pop(key, None)
    return CustomTextCLIP(**values) if config.custom_text else CLIP(**values)


def _require_enough_weights(read: GuideDirectory) -> None:
    """Refuse a configuration with far more parameters than the file can contain, before allocating them.

    Raises:
        InputError: there are more than two parameters for each byte.
    """
    with torch.device("meta"):  # shapes only
        empty = _without_weights(read.config.model_cfg)
    count = sum(parameter.numel() for parameter in empty.parameters())
    size = read.weights.stat().st_size
    if count > 2 * size:
        raise InputError(
            f"{read.weights}: has {size:,} bytes, too few for the {count:,} parameters that {CONFIG} "
            "describes; check that both belong together"
        )


def make_tokenizer(config: TextConfig, source: Path) -> Any:
    """Return CLIP's own tokenizer, or that of an open_clip model; never one from the directory.

    Args:
        config: of the text tower.
        source: the file it comes from, for messages.

    Raises:
        InputError: the configuration asks for another one.
    """
    import open_clip

    arguments = config.tokenizer_kwargs
    options = arguments.model_dump(exclude_unset=True, exclude_none=True) if arguments is not None else {}
    if not config.hf_tokenizer_name:
        if config.vocab_size < CLIP_VOCABULARY:
            raise InputError(
                f"{source}: vocab_size {config.vocab_size} is too small for CLIP's tokenizer, which has "
                f"{CLIP_VOCABULARY} tokens; add the hf_tokenizer_name of an open_clip model"
            )
        return open_clip.SimpleTokenizer(context_length=config.context_length, **options)

    for name in open_clip.list_models():
        known = open_clip.get_model_config(name)["text_cfg"]
        same_tokenizer = known.get("hf_tokenizer_name") == config.hf_tokenizer_name
        if same_tokenizer and options in ({}, known.get("tokenizer_kwargs", {})):
            require_hub_names(name)
            return open_clip.get_tokenizer(name, context_length=config.context_length)
    raise InputError(
        f"{source}: hf_tokenizer_name {config.hf_tokenizer_name!r} is not the tokenizer of an open_clip model, "
        "and tokenizers of a directory are not loaded, because they can run code; use a guide by NAME:TAG"
    )


def require_hub_names(model: str) -> None:
    """Refuse an open_clip model whose tokenizer or text tower has the name of a folder in the working folder.

    The transformers library opens such a folder instead of the files on the hub.

    Raises:
        InputError: there is such a folder.
    """
    import open_clip

    text = open_clip.get_model_config(model)["text_cfg"]
    for key in ("hf_tokenizer_name", "hf_model_name"):
        name = text.get(key)
        if name and Path(name).exists():
            raise InputError(
                f"{name}: is in the working folder and would be opened as part of the guide {model!r}; "
                "rename it, or run artgen from another folder"
            )
