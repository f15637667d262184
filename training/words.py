"""Give every token of CLIP's vocabulary a meaning before training: a sentence encoder's, reduced.

    python -m training.words --work DIR

Each of the 49,408 tokens is read as a word by all-MiniLM-L6-v2; the 384 numbers are reduced to 128
by principal components. The text tower starts from (and keeps) these, so that words in no caption
('bunny', 'automobile') lie near those that are. Writes `data/words.safetensors` (`tokens` [49408, 128]).
"""

from __future__ import annotations

import re

import open_clip
import torch
from safetensors.torch import load_file
from tokenizers import BertWordPieceTokenizer
from torch import Tensor
from transformers import BertConfig, BertModel

from training import common
from training.model import CONFIG

SPREAD = 0.1


def encode(texts: list[str], source) -> Tensor:
    """Return MiniLM's mean-pooled, unit-length embeddings [N, 384]."""
    tokenizer = BertWordPieceTokenizer(str(source / "vocab.txt"), lowercase=True)
    tokenizer.enable_padding()
    tokenizer.enable_truncation(12)
    bert = BertModel(BertConfig.from_json_file(source / "config.json"), add_pooling_layer=False).eval()
    weights = load_file(source / "model.safetensors")
    bert.load_state_dict({k: weights[k] for k in bert.state_dict()})
    parts = []
    for start in range(0, len(texts), 1024):
        batch = tokenizer.encode_batch(texts[start : start + 1024])
        ids = torch.tensor([entry.ids for entry in batch])
        mask = torch.tensor([entry.attention_mask for entry in batch])
        with torch.inference_mode(), common.autocast():
            hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weight = mask[..., None].float()
        parts.append(torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=1))
    return torch.cat(parts)


def reduced(full: Tensor, whole: Tensor, width: int) -> Tensor:
    """Project [N, 384] on the first `width` principal components of the rows that are whole words."""
    centre = full[whole].mean(0)
    covariance = (full[whole] - centre).T @ (full[whole] - centre)
    axes = torch.linalg.eigh(covariance.double()).eigenvectors[:, -width:].flip(1).float()
    scores = (full - centre) @ axes
    return scores / scores[whole].std() * SPREAD


def main() -> None:
    """Write the token table."""
    options = common.parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    decoder = open_clip.SimpleTokenizer().decoder
    spelled = [decoder[i] for i in range(len(decoder))]
    texts = [word.removesuffix("</w>") for word in spelled]
    whole = torch.tensor([bool(re.fullmatch(r"[a-z]{3,}</w>", word)) for word in spelled])
    table = reduced(
        encode(texts, work.folder("sources") / "minilm"), whole, CONFIG["model_cfg"]["text_cfg"]["width"]
    )
    common.save_tensors({"tokens": table}, work.folder("data") / "words.safetensors")
    common.log(f"{len(texts)} tokens, {int(whole.sum())} whole words")


if __name__ == "__main__":
    main()
