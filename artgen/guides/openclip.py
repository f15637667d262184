"""Guides from open_clip: by name and tag, by weights file, or from a directory."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from artgen.errors import ArtgenError, InputError, UsageError, did_you_mean
from artgen.guides.base import Guide, GuideSpec, Pictures, Variation
from artgen.guides.directory import CONFIG, PAINTING, file_digest, read_directory
from artgen.guides.directory_model import build_model, make_tokenizer, require_hub_names
from artgen.guides.directory_schema import Painting
from artgen.guides.download import ensure_downloaded
from artgen.guides.flat_products import flatten_products_
from artgen.types import Embeddings, Size

logger = logging.getLogger(__name__)

PREFERRED_TAGS = ("datacomp_xl_s13b_b90k", "laion2b_s34b_b79k", "laion2b_s34b_b88k", "webli", "openai")
"""Weights taken for a bare model name, the first that exists."""


class OpenClipGuide(Guide):
    """Any open_clip model, with its own picture size, mean and standard deviation.

    The weights take no gradient. The image tower exists once per number format in use.

    Args:
        name: shown to the user.
        model: an open_clip model in evaluation mode.
        tokenizer: maps texts to token indices.
        digest: SHA-256 of everything that decides its embeddings.
        device: where the model runs.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        digest: str,
        device: torch.device,
    ) -> None:
        self.name = name
        self.digest = digest
        self.device = device
        self._model = model.eval().requires_grad_(False).to(device)
        self._tokenizer = tokenizer
        config = model.visual.preprocess_cfg
        size = config["size"]
        self.image_size = Size(size, size) if isinstance(size, int) else Size(*size)
        self.mean = torch.tensor(config["mean"], device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(config["std"], device=device).view(1, 3, 1, 1)
        self.logit_scale = float(model.logit_scale.detach().float().exp())
        flatten_products_(model.visual)
        self._visual = model.visual.float().to(memory_format=torch.channels_last)
        self._layer_count: int | None = None
        self._emphasis: Tensor | None = None
        self._painting_emphasis: Tensor | None = None

    def painter(self) -> OpenClipGuide:
        """Return the guide with the parts of its embedding weighted as its directory says they should lead."""
        if self._painting_emphasis is None:
            return self
        painter = copy.copy(self)
        painter._emphasis, painter._painting_emphasis = self._painting_emphasis, None
        painter._visual = _without_unheard(self._visual, painter._emphasis)
        return painter

    def follow(self, painting: Painting, source: Path) -> None:
        """Take over how to paint by this guide: how its views vary, and how the parts of its embedding count.

        Args:
            painting: the numbers of a `Variation`, and `emphasis`, a [length, factor] for each part of the
                embedding in their order. What is None stays as it is.
            source: the file it comes from, for messages.

        Raises:
            InputError: the parts of `emphasis` are not as long as the embedding.
        """
        varied = painting.model_dump(exclude={"emphasis"}, exclude_none=True)
        self.variation = Variation(**varied)
        if painting.emphasis is None:
            return
        width = self.encode_text(["a"]).shape[1]
        lengths = [length for length, _ in painting.emphasis]
        whole = all(length >= 1 and length == int(length) for length in lengths)
        if not whole or sum(lengths) != width:
            raise InputError(
                f"{source}: emphasis must be [length, factor] of parts; their lengths are whole numbers with a "
                f"sum of {width}"
            )
        factors = [torch.full((int(length),), factor) for length, factor in painting.emphasis]
        self._painting_emphasis = torch.cat(factors).view(1, width).to(self.device)

    def _unit(self, embedded: Tensor) -> Tensor:
        """Bring embeddings [N, D] to unit length, their parts weighted."""
        weighted = embedded if self._emphasis is None else embedded * self._emphasis
        return functional.normalize(weighted, dim=-1)

    def use_precision(self, precision: torch.dtype) -> None:
        """Run the image tower in this number format from now on."""
        if precision != self.precision:
            tower = copy.deepcopy(self._model.visual) if precision != torch.float32 else self._model.visual
            self._visual = _without_unheard(tower.to(precision), self._emphasis)
            self.precision = precision

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """Return [T, D] unit-length embeddings; texts beyond the context are cut off."""
        rows = [
            self._model.encode_text(self._tokenizer(list(texts[start : start + 256])).to(self.device)).float()
            for start in range(0, len(texts), 256)
        ]
        return self._unit(torch.cat(rows))

    def encode_image(self, images: Pictures) -> Embeddings:
        """Return [N, D] unit-length embeddings, differentiable in the pictures."""
        embedded = self._visual(self._prepare(images))
        return self._unit(embedded.float())

    def features(self, images: Pictures, layers: Sequence[int]) -> list[Tensor]:
        """Return feature maps [N, C, h, w]; see `Guide.features`."""
        count = self.layer_count
        if any(not -count <= layer < count for layer in layers):
            raise UsageError(f"guide {self.name!r} has layers 0 to {count - 1}, asked for {list(layers)}")
        wanted = sorted({layer % count for layer in layers})
        maps = dict(zip(wanted, self._maps(self._prepare(images), wanted), strict=True))
        return [maps[layer % count].float() for layer in layers]

    @property
    def layer_count(self) -> int:
        """Number of feature maps of the image tower."""
        if self._layer_count is None:
            with torch.no_grad():
                blank = torch.zeros(1, 3, *self.image_size, device=self.device)
                self._layer_count = len(self._maps(self._prepare(blank), None))
        return self._layer_count

    def _maps(self, prepared: Tensor, layers: list[int] | None) -> list[Tensor]:
        result = self._visual.forward_intermediates(prepared, indices=layers, intermediates_only=True)
        return list(result["image_intermediates"])

    def _prepare(self, images: Tensor) -> Tensor:
        if images.shape[-2:] != self.image_size:
            images = functional.interpolate(images, self.image_size, mode="bicubic", antialias=True)
        normalised = (images - self.mean) / self.std
        return normalised.to(self.precision, memory_format=torch.channels_last)


def _without_unheard(visual: Any, emphasis: Tensor | None) -> Any:
    """Return an image tower that does not compute the parts of its embedding whose emphasis is 0, if it can."""
    trunk: Any = getattr(visual, "trunk", None)
    if emphasis is None or not hasattr(trunk, "without"):
        return visual
    lighter = copy.copy(visual)
    lighter._modules = visual._modules | {"trunk": trunk.without(emphasis[0] == 0)}
    return lighter


def load_directory(name: str, directory: Path, device: torch.device) -> Guide:
    """Load an open_clip directory (open_clip_config.json and its safetensors).

    `names.json` in it lists the guide's distractors, `painting.json` tells how to paint by it; both may be missing.

    Raises:
        InputError: the directory contains no valid model.
    """
    read = read_directory(directory)
    with _not_weights_of(name, read.weights):
        tokenizer = make_tokenizer(read.config.model_cfg.text_cfg, directory / CONFIG)
        model = build_model(read)
    guide = OpenClipGuide(name, model, tokenizer, read.digest, device)
    guide.weights_digest = read.weights_digest
    guide.names = read.names
    guide.follow(read.painting, directory / PAINTING)
    return guide


def load_openclip(spec: GuideSpec, device: torch.device) -> Guide:
    """Load a guide that open_clip knows by name, with weights by tag or from a file.

    Raises:
        UsageError: unknown name or tag, or pickled weights.
        InputError: weights that cannot be had or do not fit.
    """
    if spec.name == "local-dir" and spec.file:
        return load_directory(spec.label, Path(spec.file), device)
    if spec.name == "local-dir":
        raise UsageError("a guide's directory is written local-dir=PATH")
    if ":" in spec.name or spec.name == "hf-hub":
        raise UsageError(
            f"guide {spec.label!r}: open_clip's prefixes are not taken; write NAME, NAME:TAG or local-dir=PATH"
        )
    import open_clip

    known = open_clip.list_models()
    if spec.name not in known:
        from artgen.guides.base import guides

        hint = did_you_mean(spec.name, [*guides.names(), *known])
        raise UsageError(f"no guide {spec.name!r}{hint} (artgen guides lists them; or NAME=FILE.safetensors)")
    require_hub_names(spec.name)
    if spec.file is not None:
        return _load_file(spec, Path(spec.file), device)
    tag = spec.tag or _default_tag(spec.name)
    weights = ensure_downloaded(spec.name, tag)
    return _create(f"{spec.name}:{tag}", spec.name, tag, weights, device)


def _load_file(spec: GuideSpec, file: Path, device: torch.device) -> Guide:
    if file.suffix != ".safetensors":
        raise UsageError(
            f"{file}: only .safetensors weights are read, pickles can run code; convert once with "
            "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'FILE.safetensors')"
        )
    if not file.is_file():
        raise InputError(f"{file}: no such weights file; check the path after '='")
    return _create(spec.label, spec.name, str(file), file, device)


def _default_tag(name: str) -> str:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(name)
    if not tags:
        raise UsageError(f"open_clip has no weights for {name!r}; give them: {name}=FILE.safetensors")
    return next((tag for tag in PREFERRED_TAGS if tag in tags), tags[0])


def _create(
    name: str,
    model_name: str,
    pretrained: str | None,
    weights: Path,
    device: torch.device,
) -> OpenClipGuide:
    import open_clip

    options = {"force_quick_gelu": True} if _wants_quick_gelu(model_name, pretrained) else {}
    with _not_weights_of(name, weights):
        model = open_clip.create_model(
            model_name,
            pretrained=pretrained,
            require_pretrained=True,
            force_preprocess_cfg=_constants(model_name, pretrained),
            **options,
        )
        tokenizer = open_clip.get_tokenizer(model_name)
    guide = OpenClipGuide(name, model, tokenizer, file_digest(weights), device)
    guide.weights_digest = guide.digest
    return guide


@contextlib.contextmanager
def _not_weights_of(name: str, weights: Path) -> Iterator[None]:
    """Turn whatever torch, json or safetensors raise through open_clip into one line; without warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ArtgenError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{weights}: not weights of {name!r} ({reason}); check the file and the model name"
        ) from error


def _wants_quick_gelu(model_name: str, pretrained: str | None) -> bool:
    import open_clip

    tag = open_clip.get_pretrained_cfg(model_name, pretrained) if pretrained else {}
    return bool(tag and tag.get("quick_gelu", False))


def _constants(model_name: str, pretrained: str | None) -> dict[str, Any] | None:
    """Return mean and std for weights from a file, which open_clip gives OpenAI's constants.

    They are those of the model's known tags (SigLIP: 0.5), by majority.
    """
    import open_clip

    if pretrained is None or open_clip.get_pretrained_cfg(model_name, pretrained):
        return None
    tags = [
        open_clip.get_pretrained_cfg(model_name, tag)
        for tag in open_clip.list_pretrained_tags_by_model(model_name)
    ]
    pairs = [(tuple(tag["mean"]), tuple(tag["std"])) for tag in tags if tag.get("mean") and tag.get("std")]
    if not pairs:
        return None
    mean, std = max(set(pairs), key=pairs.count)
    if len(set(pairs)) > 1:
        logger.warning("%s has weights with different means; using %s", model_name, mean)
    return {"mean": mean, "std": std}
