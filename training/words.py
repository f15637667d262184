"""Give every token of CLIP's vocabulary a meaning before training: a sentence encoder's, reduced.

    python -m training.words --work DIR

Each of the 49,408 tokens is read as a word by all-MiniLM-L6-v2; the 384 numbers are reduced to the text tower's
width by principal components. The text tower starts from (and mostly keeps) these, so that words in no caption
('bunny', 'automobile') lie near those that are. Writes `data/words.safetensors` (`tokens` [49408, width]) and
`data/near.json`: which names the vocabulary's other words are near to. The words of `synonyms.json`, by which the
guide is measured, are not among them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor

from training import captions, common
from training.model import CONFIG

SPREAD = 0.23
"""Standard deviation of the first principal component among whole words."""
NEAREST = 5
"""Names kept of those a word is near to."""
SHARP = 0.04
"""A difference of cosines that makes one name e times as likely as another."""
SURE = 0.55
"""Cosine to a name from which on a word is taken to call it to mind."""


def encode(texts: list[str], source) -> Tensor:
    """Return MiniLM's mean-pooled, unit-length embeddings [N, 384]."""
    from tokenizers import BertWordPieceTokenizer  # these two are needed for this step only
    from transformers import BertConfig, BertModel

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
    return scores / scores[whole, 0].std() * SPREAD


def withheld() -> set[str]:
    """Return the words by which the guide is measured, and their plurals: no list may hold them."""
    listed = json.loads((Path(__file__).parent / "synonyms.json").read_text())
    parts = {part for words in listed for part in words.split()}
    return parts | {captions.plural(part) for part in parts}


def near(words: list[str], vocabulary: captions.Vocabulary, source) -> list[dict]:
    """Return the words that are near to names: `word`, `names` (numbers), `chances` of these, `cosine`."""
    forms = [(i, word) for i, spoken in enumerate(vocabulary.spoken) for word, _ in spoken]
    said = {part for _, word in forms for part in word.split()}
    asked = [word for word in words if word not in said | withheld()]
    names = encode([f"a {word}" for _, word in forms], source)
    owner = torch.tensor([i for i, _ in forms])
    found = []
    for start in range(0, len(asked), 1024):
        part = asked[start : start + 1024]
        alike = encode([f"a {word}" for word in part], source) @ names.T
        by_name = torch.full((len(part), len(vocabulary.names)), -1.0)
        by_name.scatter_reduce_(1, owner.expand(len(part), -1), alike, "amax")
        best = by_name.topk(min(NEAREST, by_name.shape[1]), dim=1)
        chances = (best.values / SHARP).softmax(1)
        for word, rows, likely, top in zip(part, best.indices, chances, best.values[:, 0], strict=True):
            if top >= SURE:
                told = {"word": word, "names": rows.tolist(), "chances": likely.tolist()}
                found.append(told | {"cosine": float(top)})
    return found


def main() -> None:
    """Write the token table."""
    options = common.parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    decoder = open_clip.SimpleTokenizer().decoder
    spelled = [decoder[i] for i in range(len(decoder))]
    texts = [word.removesuffix("</w>") for word in spelled]
    whole = torch.tensor([bool(re.fullmatch(r"[a-z]{3,}</w>", word)) for word in spelled])
    source = work.folder("sources") / "minilm"
    table = reduced(encode(texts, source), whole, CONFIG["model_cfg"]["text_cfg"]["width"])
    common.save_tensors({"tokens": table}, work.folder("data") / "words.safetensors")
    vocabulary = captions.Vocabulary(json.loads(work.catalogue.read_text()))
    known = near(
        [text for text, plain in zip(texts, whole.tolist(), strict=True) if plain], vocabulary, source
    )
    common.save_json(known, work.folder("data") / "near.json")
    common.log(f"{len(known)} words near to names")
    common.log(f"{len(texts)} tokens, {int(whole.sum())} whole words")


if __name__ == "__main__":
    main()
