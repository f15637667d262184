"""What the JSON files of a guide's directory may contain: known keys, bounded sizes, no code.

The keys of the model are those of open_clip 3.3 (`CLIPVisionCfg`, `CLIPTextCfg`, `PreprocessCfg`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

CLIP_VOCABULARY = 49408
"""Number of tokens of CLIP's own tokenizer."""


def _refuse_text_tower(value: Any) -> Any:
    if value is not None:
        raise ValueError(
            "text towers of the transformers library are not loaded from a directory; "
            "use a model that open_clip knows, by NAME:TAG (artgen guides lists them)"
        )
    return value


def _refuse_remote_code(value: Any) -> Any:
    if value is not None:
        raise ValueError("is refused, because it runs code of the directory; remove the key")
    return value


NoTextTower = Annotated[None, BeforeValidator(_refuse_text_tower)]
NoRemoteCode = Annotated[None, BeforeValidator(_refuse_remote_code)]
Side = Annotated[int, Field(ge=8, le=1024)]
Width = Annotated[int, Field(ge=1, le=8192)]
Depth = Annotated[int, Field(ge=1, le=128)]
Heads = Annotated[int, Field(ge=1, le=256)]
Ratio = Annotated[float, Field(gt=0, le=32)]
Share = Annotated[float, Field(ge=0, le=1)]
ImageSize = Side | Annotated[list[Side], Field(min_length=2, max_length=2)]


class _Strict(BaseModel):
    """Unknown keys, text for numbers, and infinite numbers are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ActivationOptions(_Strict):
    """Arguments of the activation."""

    approximate: Literal["none", "tanh"] = "none"


class NormOptions(_Strict):
    """Arguments of the layer norm."""

    eps: float = Field(1e-5, gt=0, le=0.1)


class TokenizerOptions(_Strict):
    """Arguments of a tokenizer, those of open_clip's own models."""

    clean: Literal["canonicalize", "lower", "whitespace"] | None = None
    strip_sep_token: bool = False
    trust_remote_code: NoRemoteCode = None


class TowerConfig(_Strict):
    """Keys common to open_clip's image and text transformers."""

    mlp_ratio: Ratio = 4.0
    ls_init_value: float | None = Field(None, ge=0, le=10)
    final_ln_after_pool: bool = False
    output_tokens: Literal[False] = False
    act_kwargs: ActivationOptions | None = None
    norm_kwargs: NormOptions | None = None
    block_type: Literal["default", "custom"] | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False


class VisionConfig(TowerConfig):
    """`vision_cfg`: a transformer, a ResNet, or a tower of timm by its name."""

    layers: Depth | Annotated[list[Depth], Field(min_length=4, max_length=4)] = 12
    width: Width = 768
    head_width: Annotated[int, Field(ge=1, le=1024)] = 64
    patch_size: Annotated[int, Field(ge=1, le=256)] | None = 16
    image_size: ImageSize = 224
    patch_dropout: float = Field(0.0, ge=0, lt=1)
    attentional_pool: bool = False
    attn_pooler_queries: int = Field(256, ge=1, le=4096)
    attn_pooler_heads: Heads = 8
    no_ln_pre: bool = False
    pos_embed_type: Literal["learnable", "sin_cos_2d"] = "learnable"
    pool_type: Literal["tok", "avg", "none"] = "tok"

    # timm would download `hf-hub:…` and open `local-dir:…`, so a name has no colon and no slash.
    timm_model_name: str | None = Field(None, pattern=r"^[A-Za-z0-9_.]{1,100}$")
    timm_model_pretrained: bool = False
    timm_pool: str = Field("avg", pattern=r"^[a-z_]{0,20}$")
    timm_proj: Literal["linear", "mlp", "none", ""] | None = "linear"
    timm_proj_bias: bool = False
    timm_drop: Share = 0.0
    timm_drop_path: Share | None = None


class TextConfig(TowerConfig):
    """`text_cfg`: a transformer of open_clip; models of the transformers library are refused."""

    context_length: int = Field(77, ge=2, le=1024)
    vocab_size: int = Field(CLIP_VOCABULARY, ge=1, le=2_000_000)
    width: Width = 512
    heads: Heads = 8
    layers: Depth = 12
    embed_cls: bool = False
    pad_id: int = Field(0, ge=0, lt=2_000_000)
    eos_id: int = Field(2, ge=0, lt=2_000_000)
    no_causal_mask: bool = False
    pool_type: Literal["first", "last", "argmax", "eos", "none"] = "argmax"
    proj_bias: bool = False
    proj_type: Literal["linear", "none"] = "linear"
    hf_tokenizer_name: str | None = Field(None, max_length=200)
    tokenizer_kwargs: TokenizerOptions | None = None
    hf_model_name: NoTextTower = None
    hf_model_pretrained: NoTextTower = None
    hf_proj_type: NoTextTower = None
    hf_pooler_type: NoTextTower = None


class ModelConfig(_Strict):
    """`model_cfg`: what open_clip's CLIP is built from."""

    embed_dim: Width
    vision_cfg: VisionConfig
    text_cfg: TextConfig
    quick_gelu: bool = False
    custom_text: bool = False
    init_logit_scale: float = Field(2.66, ge=-100, le=100)
    init_logit_bias: float | None = Field(None, ge=-100, le=100)
    nonscalar_logit_scale: bool = False


class PreprocessConfig(_Strict):
    """`preprocess_cfg`: how pictures are prepared."""

    size: ImageSize | None = None
    mode: Literal["RGB"] | None = None
    mean: list[Annotated[float, Field(ge=-10, le=10)]] | None = Field(None, min_length=3, max_length=3)
    std: list[Annotated[float, Field(gt=0, le=10)]] | None = Field(None, min_length=3, max_length=3)
    interpolation: Literal["bicubic", "bilinear", "nearest", "random"] | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    fill_color: int | None = Field(None, ge=0, le=255)


class GuideConfig(_Strict):
    """All of `open_clip_config.json`."""

    model_cfg: ModelConfig
    preprocess_cfg: PreprocessConfig = PreprocessConfig()


class Names(_Strict):
    """`names.json`: the texts that the guide ranks against."""

    names: list[Annotated[str, Field(max_length=500)]] = Field([], max_length=100_000)


class Painting(_Strict):
    """`painting.json`: how much cutouts vary and how blocks of the embedding are weighted."""

    smallest: Share | None = None
    perspective: Share | None = None
    flip: Share | None = None
    noise: Share | None = None
    emphasis: list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None = Field(
        None, max_length=10_000
    )
