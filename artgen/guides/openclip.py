"""A guide around a loaded open_clip model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from artgen.devices import resized
from artgen.errors import InputError, UsageError
from artgen.guides.base import Guide, Pictures, Variation
from artgen.guides.directory_schema import Painting
from artgen.guides.flat_products import flatten_products_
from artgen.types import Embeddings, Size

TEXTS_PER_BATCH = 256
"""Texts that are encoded at once, which bounds the memory for long lists of names."""


@runtime_checkable
class SkipsOutputs(Protocol):
    """An image tower that can save the work of outputs nobody uses."""

    def skip_outputs(self, unused: Tensor) -> nn.Module:
        """Return a tower with the same weights that may leave outputs 0.

        Args:
            unused: bool [D], true for the outputs that may be 0.
        """
        ...


class OpenClipGuide(Guide):
    """Any open_clip model, with its own picture size, mean and standard deviation.

    The weights take no gradient. The image tower exists once per number format in use.

    Args:
        name: shown to the user.
        model: an open_clip model.
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

        # [1, D] factors of the embedding: those in use, and those for painting. None means equal factors.
        self._emphasis: Tensor | None = None
        self._painting_emphasis: Tensor | None = None

    def for_painting(self) -> OpenClipGuide:
        """Return the guide with its embedding weighted by the `emphasis` of its painting settings."""
        if self._painting_emphasis is None:
            return self
        painter = copy.copy(self)
        painter._emphasis, painter._painting_emphasis = self._painting_emphasis, None
        painter._visual = _drop_unused_outputs(self._visual, painter._emphasis)
        return painter

    def load_painting_settings(self, painting: Painting, source: Path) -> None:
        """Read `painting.json`: how much cutouts vary and how blocks of the embedding are weighted.

        Args:
            painting: the numbers of a `Variation`, and `emphasis`, a [length, factor] for each block of the
                embedding in order. What is None keeps its default.
            source: the file it comes from, for messages.

        Raises:
            InputError: the lengths of the blocks do not add up to the embedding's.
        """
        variation = painting.model_dump(exclude={"emphasis"}, exclude_none=True)
        self.variation = Variation(**variation)
        if painting.emphasis is None:
            return

        width = self.encode_text(["a"]).shape[1]
        lengths = [length for length, _ in painting.emphasis]
        all_whole = all(length >= 1 and length == int(length) for length in lengths)
        if not all_whole or sum(lengths) != width:
            raise InputError(
                f"{source}: emphasis must be a list of [length, factor]; the lengths are whole numbers that "
                f"add up to {width}, not {sum(lengths):g}"
            )

        factors = [torch.full((int(length),), factor) for length, factor in painting.emphasis]
        self._painting_emphasis = torch.cat(factors).view(1, width).to(self.device)

    def use_precision(self, precision: torch.dtype) -> None:
        """Run the image tower in this number format from now on."""
        if precision == self.precision:
            return
        tower = self._model.visual
        if precision != torch.float32:
            tower = copy.deepcopy(tower)  # the float32 weights stay for other users of the model
        self._visual = _drop_unused_outputs(tower.to(precision), self._emphasis)
        self.precision = precision

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """Return [T, D] unit-length embeddings; texts longer than the model's context are cut off."""
        rows = []
        for start in range(0, len(texts), TEXTS_PER_BATCH):
            batch = list(texts[start : start + TEXTS_PER_BATCH])
            tokens = self._tokenizer(batch).to(self.device)  # [T, context]
            rows.append(self._model.encode_text(tokens).float())  # [T, D]
        return self._unit_length(torch.cat(rows))

    def encode_image(self, images: Pictures) -> Embeddings:
        """Return [N, D] unit-length embeddings, differentiable in the pictures."""
        embedded = self._visual(self._prepare(images))  # [N, D]
        return self._unit_length(embedded.float())

    def features(self, images: Pictures, layers: Sequence[int]) -> list[Tensor]:
        """Return feature maps [N, C, h, w]; see `Guide.features`.

        Raises:
            UsageError: the image tower has no such layer.
        """
        count = self.layer_count
        if any(not -count <= layer < count for layer in layers):
            raise UsageError(f"guide {self.name!r} has layers 0 to {count - 1}, not {list(layers)}")

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
        """Return the feature maps of prepared pictures at these layers, at all if None."""
        result = self._visual.forward_intermediates(prepared, indices=layers, intermediates_only=True)
        return list(result["image_intermediates"])

    def _prepare(self, images: Tensor) -> Tensor:
        """Return pictures [N, 3, H, W] in [0, 1] resized and normalised for the image tower."""
        if images.shape[-2:] != self.image_size:
            images = resized(images, self.image_size, mode="bicubic")
        normalised = (images - self.mean) / self.std
        return normalised.to(self.precision, memory_format=torch.channels_last)

    def _unit_length(self, embedded: Tensor) -> Tensor:
        """Return embeddings [N, D], weighted by the emphasis, at unit length."""
        weighted = embedded if self._emphasis is None else embedded * self._emphasis
        return functional.normalize(weighted, dim=-1)


def _drop_unused_outputs(visual: Any, emphasis: Tensor | None) -> Any:
    """Return the image tower without the outputs whose factor is 0, as far as its trunk can skip them.

    Args:
        visual: open_clip's image tower; its `trunk`, if any, is timm's.
        emphasis: [1, D] factors of the embedding.
    """
    trunk = getattr(visual, "trunk", None)
    if emphasis is None or not isinstance(trunk, SkipsOutputs):
        return visual

    # The copy shares all weights. Assigning `trunk` would change the original's table of modules.
    lighter = copy.copy(visual)
    lighter._modules = visual._modules | {"trunk": trunk.skip_outputs(unused=emphasis[0] == 0)}
    return lighter
