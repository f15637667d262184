"""Paint the hundred prompts with default settings, and let the judge find them: the record of a guide.

    python -m training.record --work DIR --limit 20 [--renderer pixel] [--guide DIR/doodle-look]

artgen itself paints into `record/<renderer>-<hash of the guide>-<seed>/`, one run per prompt. Finished
pictures are kept, and a stopped run is resumed. `figures.json` and the contact sheet `sheet.png` are
written there; the sheet marks each caption as right (+) or wrong (-, with the judge's answer).
"""

from __future__ import annotations

import argparse
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from artgen import RunConfig, load_guide, paint, resume
from artgen.errors import ArtgenError
from artgen.runs.defaults import with_population
from artgen.runs.report import RunResult
from training import common, prompts, subject
from training.judge import Judge

RENDERERS = ("pixel", "strokes", "collage")
PATCHES = "paper"
"""Patch set of the collages: scraps of paper, which show none of the subjects."""
SHOWN = 192
"""Side in pixels of the pictures that are judged and put on the sheet."""


def run_folder(folder: Path, index: int, prompt: prompts.Prompt) -> Path:
    """Return the folder of one prompt's run."""
    return folder / f"{index:03d}-{re.sub('[^a-z]+', '-', prompt.text)}"


def painted(out: Path, config: RunConfig) -> bool:
    """Return whether `out` contains a finished run of this configuration.

    Raises:
        SystemExit: it contains a run with other settings.
    """
    report = out / "run.json"
    if not report.exists() or not (out / "image.png").exists():
        return False

    found = json.loads(report.read_text())
    if found["config"] != json.loads(config.to_json()):
        raise SystemExit(f"{out} was painted with other settings; move it away or use the same settings")
    return found["reason"] in ("done", "plateau")


def paint_one(out: Path, config: RunConfig) -> None:
    """Paint one picture into `out`; resume a stopped run, and skip a finished one."""
    if painted(out, config):
        return
    result: RunResult | None = None
    if (out / "checkpoint.safetensors").exists():
        try:
            result = resume(out)
        except ArtgenError as error:  # for example, killed while writing the first checkpoint
            logging.warning("painting %s again, because it cannot be resumed: %s", out.name, error)
    result = result or paint(config, out, force=True)
    common.log(f"{out.name}: {result.step} steps, {result.seconds:.0f} s")


def picture(out: Path) -> Tensor:
    """Return the picture of a run, float [3, SHOWN, SHOWN] in 0..1."""
    with Image.open(out / "image.png") as file:
        pixels = torch.from_numpy(np.array(file.convert("RGB"), dtype=np.float32) / 255)
    shown = F.interpolate(pixels.permute(2, 0, 1)[None], size=(SHOWN, SHOWN), mode="bilinear", antialias=True)
    return shown[0]


def figures_of(judge: Judge, every: list[prompts.Prompt], images: Tensor) -> dict[str, Any]:
    """Return the judge's answers.

    Args:
        judge: to be asked.
        every: all prompts, which it chooses from.
        images: [N, 3, H, W] in 0..1, the pictures of the first N prompts.
    """
    asked = every[: len(images)]
    scores, truth = judge.scores(images, every), torch.arange(len(asked))
    hits = prompts.found(scores, truth)
    colours = [prompt.only_colour for prompt in asked]
    seen = judge.colours(images)
    chance = scores.softmax(1)

    rows = []
    for i, prompt in enumerate(asked):
        row = {
            "prompt": prompt.text,
            "right": bool(hits["right"][i]),
            "rank": int((scores[i] > scores[i, i]).sum()) + 1,
            "probability": round(chance[i, i].item(), 4),
            "judge": every[int(scores[i].argmax())].text,
            "colour asked": colours[i],
            "colour in mask": subject.subject_colour(images[i]),
            "colour by judge": seen[i],
        }
        rows.append(row)
    return {
        "found": prompts.shares(asked, hits, truth),
        "colours": subject.agreement(images, colours, seen),
        "pictures": rows,
    }


def sheet(images: Tensor, rows: list[dict], path: Path, columns: int = 5) -> None:
    """Write the contact sheet: pictures with their prompts and, if it is wrong, the judge's answer."""
    size, line = images.shape[-1], 14
    cell = size + 2 * line + 6
    columns = min(columns, len(rows))
    canvas = Image.new("RGB", (columns * (size + 6), -(-len(rows) // columns) * cell), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)

    for i, (image, row) in enumerate(zip(images, rows, strict=True)):
        x, y = i % columns * (size + 6), i // columns * cell
        pixels = (image.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        canvas.paste(Image.fromarray(np.ascontiguousarray(pixels)), (x, y))

        if row["right"]:
            pen.text((x + 1, y + size), f"+ {row['prompt']}", "darkgreen", font)
        else:
            pen.text((x + 1, y + size), f"- {row['prompt']}", "firebrick", font)
            pen.text((x + 1, y + size + line), f"   {row['judge']} ({row['rank']}.)", "dimgray", font)

    partial = path.with_suffix(".partial.png")
    canvas.save(partial)
    partial.replace(path)


def settings(prompt: str, options) -> dict[str, Any]:
    """Return the configuration of a run: artgen's defaults, with `PATCHES` for collages."""
    values: dict[str, Any] = {"prompts": prompt, "renderer": options.renderer, "seed": options.seed}
    values |= {"threads": options.threads, "timelapse": {"kind": "none"}}

    if options.guide is not None:
        values["guides"] = f"local-dir={options.guide.resolve()}"
    if options.renderer == "collage":
        values["options"] = {"patches": PATCHES}
    if options.smoke:
        values |= {"steps": 3, "canvas": "32x32", "size": "64x64"}
    return values


def paint_all(options: argparse.Namespace, every: list[prompts.Prompt], folder: Path) -> list[Path]:
    """Paint the first `limit` prompts; return the folders of their runs."""
    runs = [run_folder(folder, i, prompt) for i, prompt in enumerate(every[: options.limit])]
    for out, prompt in zip(runs, every, strict=False):
        paint_one(out, with_population(RunConfig.make(settings(prompt.text, options)))[0])
    return runs


def run_facts(runs: list[Path]) -> dict[str, Any]:
    """Return the steps, seconds and versions of the runs."""
    reports = [json.loads((out / "run.json").read_text()) for out in runs]
    return {
        "steps": sorted({report["step"] for report in reports}),
        "seconds": round(sum(report["seconds"] for report in reports), 1),
        "versions": reports[0]["versions"],
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = common.parser(__doc__)
    parser.add_argument(
        "--guide", type=Path, help="directory of an exported guide (default: the bundled one)"
    )
    parser.add_argument("--renderer", choices=RENDERERS, default="pixel", help="default pixel")
    parser.add_argument("--limit", type=int, default=100, help="number of prompts to paint (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="of every run (default 1)")
    parser.add_argument("--prompts", type=Path, default=prompts.LIST, help="list of prompts")
    parser.add_argument("--paint-only", action="store_true", help="do not ask the judge")
    return parser.parse_args(arguments)


def main() -> None:
    """Paint, judge, and write the figures and the sheet."""
    options = parse()
    torch.set_num_threads(options.threads)
    work, every = common.Work(options.work), prompts.listed(options.prompts)
    guide = f"local-dir={options.guide.resolve()}" if options.guide else "doodle"
    digest = load_guide(guide).weights_digest
    folder = work.folder(f"record/{options.renderer}-{digest[:8]}-{options.seed}")

    runs = paint_all(options, every, folder)
    if options.paint_only:
        return

    images = torch.stack([picture(out) for out in runs])
    figures: dict[str, Any] = {
        "renderer": options.renderer,
        "seed": options.seed,
        "prompts": common.sha256(options.prompts),
        "guide": digest,
        **run_facts(runs),
        **figures_of(Judge.load(work, options.smoke), every, images),
    }
    figures["judge"] = json.loads((work.folder("judge") / "ceiling.json").read_text())
    figures["judge"]["sha256"] = common.sha256(work.folder("judge") / "heads.safetensors")
    common.save_json(figures, folder / "figures.json")
    sheet(images, figures["pictures"], folder / "sheet.png")

    print(json.dumps({key: figures[key] for key in ("found", "colours")}, indent=1))
    common.log(f"contact sheet: {folder / 'sheet.png'}")


if __name__ == "__main__":
    main()
