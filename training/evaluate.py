"""Measure an exported guide on the test styles, and print the table of the model card.

    python -m training.evaluate --work DIR [--guide DIR/doodle-look]

The test styles (OpenMoji; EmojiOne v1 apart) are never trained on. Writes `figures.json` beside the log.
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

from training import batches, captions, codes, common, model, paint_check, scenes
from training.names import COLOURS, THINGS
from training.teacher import shown

SETS = ("openmoji", "openmoji things", "emojione-v1")


def embed(guide, images: Tensor) -> Tensor:
    """Return unit embeddings [N, D] of images in 0..1."""
    parts = []
    for part in images.split(256):
        with common.autocast():
            parts.append(
                guide.encode_image(
                    model.normalised(part.contiguous(memory_format=torch.channels_last))
                ).float()
            )
    return F.normalize(torch.cat(parts), dim=1)


def ranked(image: Tensor, text: Tensor, labels: Tensor) -> dict[str, float]:
    """Return top-1 and top-5 in percent."""
    order = (image @ text.T).topk(min(5, len(text)), dim=1).indices
    hit = order == labels[:, None]
    return {"top1": 100 * hit[:, 0].float().mean().item(), "top5": 100 * hit.any(1).float().mean().item()}


def attacked(guide, images: Tensor, text: Tensor, labels: Tensor, radius: float, steps: int = 10) -> Tensor:
    """Return images under a projected L2 gradient attack on the names (Madry et al. 2018)."""
    out = []
    for part, label in zip(images.split(128), labels.split(128), strict=True):
        noise, reach = torch.zeros_like(part), torch.full((len(part),), radius)
        for _ in range(steps):
            noise.requires_grad_()
            with common.autocast():
                seen = guide.encode_image(
                    model.normalised(part + noise).contiguous(memory_format=torch.channels_last)
                )
            loss = F.cross_entropy(30 * F.normalize(seen.float(), dim=1) @ text.T, label, reduction="sum")
            (slope,) = torch.autograd.grad(loss, noise)
            noise = batches.within(noise.detach() + batches.scaled(slope, reach * 2.5 / steps), reach)
            noise = (part + noise).clamp(0, 1) - part
        out.append(part + noise)
    return torch.cat(out)


def style_set(rows: list[dict], icons: Tensor, style: str) -> tuple[Tensor, list[str], Tensor]:
    """Return the icons of one test set, the class names and the labels; only names in training count."""
    style, _, things = style.partition(" ")
    known = {row["name"] for row in rows if row["use"] == "train" and (not things or row["group"] in THINGS)}
    picked = [i for i, row in enumerate(rows) if row["style"] == style and row["name"] in known]
    classes = sorted({rows[i]["name"] for i in picked})
    labels = torch.tensor([classes.index(rows[i]["name"]) for i in picked])
    return icons[picked], classes, labels


def with_the(name: str) -> str:
    """Return the prompt of a name."""
    return f"a {name}"


def naming(guide, rows: list[dict], icons: Tensor, limit: int) -> dict:
    """Zero-shot names on the test sets, clean and (OpenMoji things) attacked."""
    figures: dict[str, dict] = {}
    for style in SETS:
        drawings, classes, labels = style_set(rows, icons, style)
        if not len(labels):
            continue
        images, text = (
            shown(drawings, 64),
            paint_check.encode_texts(guide, [with_the(name) for name in classes]),
        )
        with torch.inference_mode():
            figures[style] = {"classes": len(classes), **ranked(embed(guide, images), text, labels)}
        if style == "openmoji things":
            some = torch.randperm(len(labels), generator=common.generator("attack"))[:limit]
            with torch.inference_mode():
                clean = ranked(embed(guide, images[some]), text, labels[some])
            worse = attacked(guide, images[some], text, labels[some], 1.0)
            with torch.inference_mode():
                figures["attack"] = {
                    "clean": clean,
                    "attacked": ranked(embed(guide, worse), text, labels[some]),
                }
    return figures


def teacher_naming(work: common.Work, guide, rows: list[dict], icons: Tensor) -> dict:
    """The same names asked of the teacher, by the guide's own words: "a {name}" told in the space of names."""
    shown = load_file(work.folder("teacher") / "names.safetensors")["shown"]
    figures = {}
    for style in SETS:
        numbered = torch.arange(len(rows))
        picked, classes, labels = style_set(rows, numbered, style)
        if len(labels):
            text = paint_check.encode_texts(guide, [with_the(name) for name in classes])[:, : codes.NAME]
            figures[style] = {
                "classes": len(classes),
                **ranked(shown[picked], F.normalize(text, dim=1), labels),
            }
    return figures


def two_way(rows: list[dict], atlas, score: Callable, count: int, kinds: tuple[str, ...]) -> dict[str, float]:
    """Percent of test-style scenes whose caption beats the false one: colours, relations, pairs."""
    test = [dict(row, use="train" if row["style"] == "openmoji" else "none") for row in rows]
    figures = {}
    for kind in kinds:
        planner = captions.Planner(captions.Vocabulary(test), shares=(("pair", 1.0),))
        generator = common.generator("two way", kind)
        plans = [plan for plan in planner.plans(count * 6, generator) if asks(plan, kind)][:count]
        images = scenes.draw(plans, atlas, 64, generator).float() / 255
        true, false = (
            score(images, [p.caption for p in plans]),
            score(images, [p.false_caption for p in plans]),
        )
        figures[kind] = 100 * (true > false).float().mean().item()
    return figures


def asks(plan: captions.Plan, kind: str) -> bool:
    """Tell whether a pair's false caption swaps colours ('colours') or turns the relation ('relation')."""
    true, false = plan.caption.split(), plan.false_caption.split()
    same_words = sorted(true) == sorted(false)
    coloured = all(thing.colour >= 0 for thing in plan.things) and plan.things[0].icon != plan.things[1].icon
    if kind == "colours":
        return same_words and coloured and any(word in COLOURS for word in true)
    return (
        not same_words
        and len(set(true) ^ set(false)) == 2
        and bool({"above", "below", "left", "right"} & (set(true) ^ set(false)))
    )


def counting(rows: list[dict], atlas, score: Callable, count: int) -> float:
    """Percent of scenes of one to four equal things whose number is picked out of four."""
    test = [dict(row, use="train" if row["style"] == "openmoji" else "none") for row in rows]
    planner = captions.Planner(captions.Vocabulary(test), shares=(("count", 1.0),))
    generator = common.generator("counting")
    plans = planner.plans(count, generator)
    images = scenes.draw(plans, atlas, 64, generator).float() / 255
    truth = torch.tensor([len(plan.things) for plan in plans])
    options = [score(images, [recount(plan, number) for plan in plans]) for number in range(1, 5)]
    return 100 * (torch.stack(options).argmax(0) + 1 == truth).float().mean().item()


def recount(plan: captions.Plan, number: int) -> str:
    """Return the plan's caption with another number."""
    for text in (plan.caption, plan.false_caption):
        first, rest = text.split(" ", 1)
        if first == "one":
            single = rest
        else:
            many = rest
    if "single" not in locals():
        single = many.removesuffix("s")
    if "many" not in locals():
        many = captions.plural(single)
    return f"one {single}" if number == 1 else f"{captions.NUMBERS[number]} {many}"


def synonyms(guide, rows: list[dict]) -> dict[str, float]:
    """Percent of words in no caption whose known concept is among the five nearest names."""
    listed = json.loads((Path(__file__).parent / "synonyms.json").read_text())
    classes = sorted({row["name"] for row in rows if row["use"] == "train"})
    vocabulary = captions.Vocabulary(rows)
    said = {part for forms in vocabulary.spoken for words, _ in forms for part in words.split()}
    pairs = [(word, concept) for word, concept in listed.items() if concept in classes and word not in said]
    if not pairs:
        return {"words": 0, "top5": 0.0}
    with torch.inference_mode():
        text = paint_check.encode_texts(guide, [with_the(name) for name in classes])
        asked = paint_check.encode_texts(guide, [with_the(word) for word, _ in pairs])
    labels = torch.tensor([classes.index(concept) for _, concept in pairs])
    return {"words": len(pairs), **ranked(asked, text, labels)}


def cost(guide, directory: Path) -> dict[str, float]:
    """Size in MB, and milliseconds of 16 cutouts forward and backward."""
    size = (directory / "open_clip_model.safetensors").stat().st_size / 1e6
    images = torch.rand(16, 3, 64, 64, generator=common.generator("cost")).requires_grad_()
    times = []
    for _ in range(12):
        start = time.perf_counter()
        with common.autocast():
            seen = guide.encode_image(model.normalised(images.contiguous(memory_format=torch.channels_last)))
        seen.float().sum().backward()
        times.append(time.perf_counter() - start)
    return {"MB": size, "ms": 1000 * sorted(times)[len(times) // 2]}


def main() -> None:
    """Print and store all figures."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--guide", type=Path)
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
        atlas = scenes.Atlas(icons)

        @torch.inference_mode()
        def score(images: Tensor, texts: list[str]) -> Tensor:
            return (embed(guide, images) * paint_check.encode_texts(guide, texts)).sum(1)

        with torch.inference_mode():
            figures["teacher"] = teacher_naming(work, guide, rows, icons)
        figures["two_way"] = two_way(rows, atlas, score, size, ("colours", "relation"))
        figures["counting"] = counting(rows, atlas, score, size)
        figures["synonyms"] = synonyms(guide, rows)
    figures["cost"] = cost(guide, directory)
    figures["weights"] = {"sha256": common.sha256(directory / "open_clip_model.safetensors")}
    figures["weights"] |= common.metadata(directory / "open_clip_model.safetensors")
    common.save_json(figures, work.folder("figures") / f"{figures['weights']['step']:06d}.json")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
