"""Give every token of CLIP's vocabulary a vector before training: a sentence encoder's, reduced.

    python -m training.words --work DIR

all-MiniLM-L6-v2 encodes each of the 49,408 tokens as a word. Principal components reduce its 384 numbers
to the text tower's width. The text tower starts from these vectors and mostly keeps them, so that words
in no caption ("bunny", "automobile") are close to those that are.

This writes `data/words.safetensors` (`tokens` [49408, width]) and `data/near.json`: the names that other
words are near to. The words of `synonyms.json`, which measure the guide, are left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor

from training import captions, common, wording
from training.model import CONFIG

SPREAD = 0.23
"""Standard deviation of the first principal component over whole words."""
NEAREST = 5
"""Names that are kept for each word."""
SHARP = 0.04
"""Temperature of the softmax over names: a difference in cosine that makes one name e times as likely."""
SURE = 0.55
"""Smallest cosine between a word and a name that counts as near."""


def encode(texts: list[str], source: Path) -> Tensor:
    """Return MiniLM's mean-pooled, unit-length embeddings [N, 384]."""
    from tokenizers import BertWordPieceTokenizer  # only this step needs these two
    from transformers import BertConfig, BertModel

    tokenizer = BertWordPieceTokenizer(str(source / "vocab.txt"), lowercase=True)
    tokenizer.enable_padding()
    tokenizer.enable_truncation(12)
    bert = BertModel(BertConfig.from_json_file(source / "config.json"), add_pooling_layer=False).eval()
    weights = load_file(source / "model.safetensors")
    bert.load_state_dict({key: weights[key] for key in bert.state_dict()})

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
    """Return the first principal components of vectors.

    Args:
        full: [N, 384].
        whole: bool [N], the rows from which the axes are found.
        width: how many components.

    Returns:
        [N, width], with the spread `SPREAD`.
    """
    centre = full[whole].mean(0)
    covariance = (full[whole] - centre).T @ (full[whole] - centre)
    axes = torch.linalg.eigh(covariance.double()).eigenvectors[:, -width:].flip(1).float()
    scores = (full - centre) @ axes
    return scores / scores[whole, 0].std() * SPREAD


def withheld() -> set[str]:
    """Return the words that measure the guide, and their plurals; no training list may contain them."""
    listed = json.loads((Path(__file__).parent / "synonyms.json").read_text())
    parts = set(" ".join(listed).split())
    return parts | {wording.plural(part) for part in parts}


def near(words: list[str], vocabulary: captions.Vocabulary, source: Path) -> list[dict]:
    """Return the words that are near to names.

    Args:
        words: to be looked up; those in captions or `withheld` are skipped.
        vocabulary: the names.
        source: folder of the sentence encoder.

    Returns:
        For each, the `word`, its nearest `names` (numbers), their `chances`, and the first one's `cosine`.
    """
    forms = vocabulary.words()
    skipped = vocabulary.parts() | withheld()
    asked = [word for word in words if word not in skipped]
    names = encode([f"a {word}" for _, word in forms], source)
    owner = torch.tensor([number for number, _ in forms])

    found = []
    for start in range(0, len(asked), 1024):
        part = asked[start : start + 1024]
        cosines = encode([f"a {word}" for word in part], source) @ names.T
        by_name = torch.full((len(part), len(vocabulary.names)), -1.0)
        by_name.scatter_reduce_(1, owner.expand(len(part), -1), cosines, "amax")
        best = by_name.topk(min(NEAREST, by_name.shape[1]), dim=1)
        chances = (best.values / SHARP).softmax(1)

        for word, rows, likely, top in zip(part, best.indices, chances, best.values[:, 0], strict=True):
            if top >= SURE:
                entry = {"word": word, "names": rows.tolist(), "chances": likely.tolist()}
                found.append(entry | {"cosine": float(top)})
    return found


def main() -> None:
    """Write the word table and the list of near words."""
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
    whole_words = [text for text, plain in zip(texts, whole.tolist(), strict=True) if plain]
    known = near(whole_words, vocabulary, source)
    common.save_json(known, work.folder("data") / "near.json")
    common.log(f"{len(texts)} tokens, {len(whole_words)} whole words, {len(known)} of them near to names")


if __name__ == "__main__":
    main()
