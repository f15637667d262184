"""The guide's architecture, as a configuration of open_clip, and its tokens."""

from __future__ import annotations

import copy
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.guides.towers import MEANING  # importing it registers the image towers with timm
from training import common

CONTEXT = 16
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 2 * MEANING,
        "vision_cfg": {
            "timm_model_name": "doodle_tower",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "",
            "image_size": 64,
        },
        "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 288, "heads": 9, "layers": 3},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"},
}
BINDING = 2.0
"""Factor of the bound part in an exported image tower, so that colours and places count more than in the look."""
_TOKENIZER = None


def image_tower(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of an exported guide that `student.Tower` trains, with their values in training."""
    start = "visual.trunk."
    weights = {}
    for key, value in state.items():
        name = key.removeprefix(start)
        if key.startswith(start) and name.startswith(("body.", "pool.", "bind.")):
            weights[name] = value.float() / BINDING if "bind.names" in name else value.float()
    return weights


def grown(old: Tensor, new: Tensor) -> Tensor:
    """Return `new` with its first corner replaced by `old`, which is at most as large.

    The old rows are 0 beyond the old columns, so that new inputs do not affect old outputs yet.
    """
    out = new.clone()
    if old.ndim > 1:
        out[: old.shape[0], old.shape[1] :] = 0
    out[tuple(slice(length) for length in old.shape)] = old
    return out


class WordTable(nn.Module):
    """The vectors of words. Those of words in captions are trained, all others stay as they are.

    Args:
        table: [words, width], from the sentence encoder.
        moved: numbers of the words to train.
    """

    table: Tensor
    slots: Tensor

    def __init__(self, table: Tensor, moved: Tensor):
        super().__init__()
        self.register_buffer("table", table)
        slots = torch.zeros(len(table), dtype=torch.long)
        slots[moved] = torch.arange(1, len(moved) + 1)
        self.register_buffer("slots", slots)
        self.shift = nn.Parameter(torch.zeros(len(moved) + 1, table.shape[1]))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [N, L] to vectors [N, L, width]."""
        return F.embedding(tokens, self.table) + F.embedding(self.slots[tokens], self.shift, padding_idx=0)

    def moved(self) -> Tensor:
        """Return the whole table [words, width] as trained."""
        return self.table + self.shift.detach()[self.slots]


def looking(axes: int) -> dict[str, Any]:
    """Return the configuration of a guide whose look has this many axes."""
    config = copy.deepcopy(CONFIG)
    config["model_cfg"]["embed_dim"] = MEANING + axes
    return config


def build(generator: torch.Generator, config: dict[str, Any]) -> open_clip.CLIP:
    """Return a new model whose weights depend only on `generator`."""
    settings = copy.deepcopy(config["model_cfg"])
    with common.seeded(generator):
        return open_clip.CLIP(**settings)


def tokens(captions: list[str]) -> Tensor:
    """Return tokens, int64 [N, CONTEXT], of open_clip's own vocabulary."""
    global _TOKENIZER
    if _TOKENIZER is None:
        _TOKENIZER = open_clip.SimpleTokenizer(context_length=CONTEXT)
    return _TOKENIZER(captions)


def text_vectors(clip: open_clip.CLIP, tokens: Tensor, short: int = 8) -> Tensor:
    """Return the output of `encode_text` before it is normalised, [N, D], without computing the padding.

    Args:
        clip: the model.
        tokens: int64 [N, CONTEXT].
        short: captions of at most this many tokens are computed together, longer ones apart.
    """
    length = (tokens != 0).sum(1)
    out = torch.empty(len(tokens), clip.text_projection.shape[1])
    for rows in ((length <= short).nonzero()[:, 0], (length > short).nonzero()[:, 0]):
        if len(rows):
            out = out.index_copy(0, rows, _encode(clip, tokens[rows, : int(length[rows].max())]))
    return out


def _encode(clip: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Return the text vectors [N, D] of tokens [N, length]."""
    length = tokens.shape[1]
    with common.autocast(tokens.device.type):
        hidden = clip.token_embedding(tokens) + clip.positional_embedding[:length]
        hidden = clip.ln_final(clip.transformer(hidden, attn_mask=clip.attn_mask[:length, :length]))
        return (hidden[torch.arange(len(tokens)), tokens.argmax(1)] @ clip.text_projection).float()


def normalised(images: Tensor) -> Tensor:
    """Return images in 0..1 mapped to -1..1, the input range of the towers."""
    return images * 2 - 1
