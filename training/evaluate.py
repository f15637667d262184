"""Measure an exported guide on the test styles, for the table of the model card.

    python -m training.evaluate --work DIR [--guide DIR/doodle-look]

No training uses the test styles (OpenMoji and EmojiOne v1). This prints the figures and writes them to
`figures/<step>.json`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from training import batches, captions, codes, common, paint_check, scenes, wording
from training.names import COLOURS, THINGS
from training.teacher import shown

SETS = ("openmoji", "openmoji things", "emojione-v1")


def embed(guide, images: Tensor) -> Tensor:
    """Return unit embeddings [N, D] of images [N, 3, 64, 64] in 0..1."""
    return torch.cat([paint_check.encode_images(guide, part) for part in images.split(256)])


def ranked(image: Tensor, text: Tensor, labels: Tensor) -> dict[str, float]:
    """Return top-1 and top-5 in percent.

    Args:
        image: unit embeddings [N, D].
        text: unit embeddings [T, D] of the classes.
        labels: the class [N] of each image.
    """
    order = (image @ text.T).topk(min(5, len(text)), dim=1).indices
    hit = order == labels[:, None]
    return {"top1": 100 * hit[:, 0].float().mean().item(), "top5": 100 * hit.any(1).float().mean().item()}


def attacked(guide, images: Tensor, text: Tensor, labels: Tensor, radius: float, steps: int = 10) -> Tensor:
    """Return images under a projected L2 gradient attack on their names (Madry et al. 2018).

    Args:
        guide: to be attacked.
        images: [N, 3, 64, 64] in 0..1.
        text: unit embeddings [T, D] of the classes.
        labels: the class [N] of each image.
        radius: L2 distance that the attack may reach.
        steps: of the attack.
    """
    out = []
    for part, label in zip(images.split(128), labels.split(128), strict=True):
        noise, reach = torch.zeros_like(part), torch.full((len(part),), radius)
        for _ in range(steps):
            noise.requires_grad_()
            seen = paint_check.encode_images(guide, part + noise)
            loss = F.cross_entropy(30 * seen @ text.T, label, reduction="sum")
            (slope,) = torch.autograd.grad(loss, noise)
            noise = batches.within(noise.detach() + batches.scaled(slope, reach * 2.5 / steps), reach)
            noise = (part + noise).clamp(0, 1) - part
        out.append(part + noise)
    return torch.cat(out)


def style_set(rows: list[dict], icons: Tensor, style: str) -> tuple[Tensor, list[str], Tensor]:
    """Return the drawings of one test set whose names were trained.

    Args:
        rows: the catalogue.
        icons: [rows, ...] the drawings, or anything else by row.
        style: one of `SETS`; with " things", without faces, people and symbols.

    Returns:
        The drawings, the names of the classes, and the class of each drawing.
    """
    style, _, things = style.partition(" ")
    known = {row["name"] for row in rows if row["use"] == "train" and (not things or row["group"] in THINGS)}
    picked = [i for i, row in enumerate(rows) if row["style"] == style and row["name"] in known]
    classes = sorted({rows[i]["name"] for i in picked})
    labels = torch.tensor([classes.index(rows[i]["name"]) for i in picked])
    return icons[picked], classes, labels


def encode_names(guide, names: list[str]) -> Tensor:
    """Return unit embeddings [N, D] of prompts "a <name>"."""
    return paint_check.encode_texts(guide, [f"a {name}" for name in names])


def naming(guide, rows: list[dict], icons: Tensor, limit: int) -> dict[str, dict]:
    """Return how well the guide names the drawings of each test set.

    Args:
        guide: to be measured.
        rows: the catalogue.
        icons: uint8 [rows, 4, 96, 96].
        limit: how many OpenMoji things are attacked.
    """
    figures: dict[str, dict] = {}
    for style in SETS:
        drawings, classes, labels = style_set(rows, icons, style)
        if not len(labels):
            continue
        images, text = shown(drawings, 64), encode_names(guide, classes)
        with torch.inference_mode():
            figures[style] = {"classes": len(classes), **ranked(embed(guide, images), text, labels)}

        if style == "openmoji things":
            some = torch.randperm(len(labels), generator=common.generator("attack"))[:limit]
            figures["attack"] = under_attack(guide, images[some], text, labels[some])
    return figures


def under_attack(guide, images: Tensor, text: Tensor, labels: Tensor) -> dict[str, dict]:
    """Return `ranked` of images as they are (`clean`), and under an attack of radius 1 (`attacked`)."""
    worse = attacked(guide, images, text, labels, 1.0)
    with torch.inference_mode():
        return {
            "clean": ranked(embed(guide, images), text, labels),
            "attacked": ranked(embed(guide, worse), text, labels),
        }


def teacher_naming(work: common.Work, guide, rows: list[dict]) -> dict[str, dict]:
    """Return how well the teacher names the same drawings, by the guide's own words for the names."""
    vectors = load_file(work.folder("teacher") / "names.safetensors")["shown"]
    figures = {}
    for style in SETS:
        picked, classes, labels = style_set(rows, torch.arange(len(rows)), style)
        if len(labels):
            text = F.normalize(encode_names(guide, classes)[:, : codes.NAME], dim=1)
            figures[style] = {"classes": len(classes), **ranked(vectors[picked], text, labels)}
    return figures


Score = Callable[[Tensor, list[str]], Tensor]
"""Returns how well images [N, 3, 64, 64] in 0..1 fit N texts, [N]."""


def scorer(guide) -> Score:
    """Return the function that scores images by a guide's cosine."""

    @torch.inference_mode()
    def score(images: Tensor, texts: list[str]) -> Tensor:
        return (embed(guide, images) * paint_check.encode_texts(guide, texts)).sum(1)

    return score


def planner_of(rows: list[dict], kind: str) -> captions.Planner:
    """Return a planner of scenes of one kind, drawn in the test style."""
    test = [dict(row, use="train" if row["style"] == "openmoji" else "none") for row in rows]
    return captions.Planner(captions.Vocabulary(test), shares=((kind, 1.0),))


def two_way(
    rows: list[dict], atlas: scenes.Atlas, score: Score, count: int, kinds: tuple[str, ...]
) -> dict[str, float]:
    """Return the percentage of scenes that fit their caption better than the false one.

    Args:
        rows: the catalogue.
        atlas: its drawings.
        score: of the guide.
        count: scenes of each kind.
        kinds: what the false caption changes, as in `asks`.
    """
    figures = {}
    for kind in kinds:
        generator = common.generator("two way", kind)
        candidates = planner_of(rows, "pair").plans(count * 6, generator)
        plans = [plan for plan in candidates if asks(plan, kind)][:count]
        images = scenes.draw(plans, atlas, 64, generator).float() / 255
        true = score(images, [plan.caption for plan in plans])
        false = score(images, [plan.false_caption for plan in plans])
        figures[kind] = 100 * (true > false).float().mean().item()
    return figures


def asks(plan: captions.Plan, kind: str) -> bool:
    """Return whether a pair's false caption swaps the colours (kind "colours") or turns the relation."""
    true, false = plan.caption.split(), plan.false_caption.split()
    same_words = sorted(true) == sorted(false)
    coloured = all(thing.colour >= 0 for thing in plan.things) and plan.things[0].icon != plan.things[1].icon
    if kind == "colours":
        return same_words and coloured and any(word in COLOURS for word in true)
    changed = set(true) ^ set(false)
    turned = bool({"above", "below", "left", "right"} & changed)
    return not same_words and len(changed) == 2 and turned


def counting(rows: list[dict], atlas: scenes.Atlas, score: Score, count: int) -> float:
    """Return the percentage of scenes of one to four equal things whose number the guide picks."""
    generator = common.generator("counting")
    plans = planner_of(rows, "count").plans(count, generator)
    images = scenes.draw(plans, atlas, 64, generator).float() / 255
    truth = torch.tensor([len(plan.things) for plan in plans])

    scores = []
    for number in range(1, 5):
        texts = [recount(plan, number) for plan in plans]
        scores.append(score(images, texts))
    return 100 * (torch.stack(scores).argmax(0) + 1 == truth).float().mean().item()


def recount(plan: captions.Plan, number: int) -> str:
    """Return the caption of a counting plan with another number."""
    single = many = None
    for text in (plan.caption, plan.false_caption):
        first, rest = text.split(" ", 1)
        if first == "one":
            single = rest
        else:
            many = rest

    if number == 1:
        return f"one {single or (many or '').removesuffix('s')}"
    return f"{wording.NUMBERS[number]} {many or wording.plural(single or '')}"


def synonyms(guide, rows: list[dict]) -> dict[str, float]:
    """Return how often words in no caption are near to the name of their concept, top-1 and top-5 in percent."""
    listed = json.loads((Path(__file__).parent / "synonyms.json").read_text())
    classes = sorted({row["name"] for row in rows if row["use"] == "train"})
    spoken = captions.Vocabulary(rows).parts()
    pairs = [(word, concept) for word, concept in listed.items() if concept in classes and word not in spoken]
    if not pairs:
        return {"words": 0, "top5": 0.0}
    with torch.inference_mode():
        text = encode_names(guide, classes)
        asked = encode_names(guide, [word for word, _ in pairs])
    labels = torch.tensor([classes.index(concept) for _, concept in pairs])
    return {"words": len(pairs), **ranked(asked, text, labels)}


def cost(guide, directory: Path) -> dict[str, float]:
    """Return the size in MB, and the milliseconds of 16 cutouts forward and backward."""
    size = (directory / "open_clip_model.safetensors").stat().st_size / 1e6
    images = torch.rand(16, 3, 64, 64, generator=common.generator("cost")).requires_grad_()

    times = []
    for _ in range(12):
        start = time.perf_counter()
        paint_check.encode_images(guide, images).sum().backward()
        times.append(time.perf_counter() - start)
    return {"MB": size, "ms": 1000 * sorted(times)[len(times) // 2]}


def main() -> None:
    """Print and write all figures."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--guide", type=Path, help="directory of a guide (default: doodle-look)")
    arguments.add_argument("--quick", action="store_true", help="names only")
    options = arguments.parse_args()

    torch.set_num_threads(options.threads)
    work = common.Work(options.work)
    directory = options.guide or work.root / "doodle-look"
    rows, icons = json.loads(work.catalogue.read_text()), load_file(work.icons)["icons"]
    guide = paint_check.load(directory)
    size = 8 if options.smoke else 600

    figures: dict[str, Any] = {"guide": naming(guide, rows, icons, size)}
    if not options.quick:
        atlas, score = scenes.Atlas(icons), scorer(guide)
        with torch.inference_mode():
            figures["teacher"] = teacher_naming(work, guide, rows)
        figures["two_way"] = two_way(rows, atlas, score, size, ("colours", "relation"))
        figures["counting"] = counting(rows, atlas, score, size)
        figures["synonyms"] = synonyms(guide, rows)

    weights = directory / "open_clip_model.safetensors"
    figures["cost"] = cost(guide, directory)
    figures["weights"] = {"sha256": common.sha256(weights)} | common.metadata(weights)
    common.save_json(figures, work.folder("figures") / f"{figures['weights']['step']:06d}.json")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
