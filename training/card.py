"""Write the model card into the package from the measured figures.

    python -m training.card --work DIR --to artgen/guides/doodle

This fills the template `card.md` beside this file with `figures/<step>.json` (from `evaluate`), the newest
records (from `record`) and the licences in `sources.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from training import common
from training.fetch import SOURCES

RECORD_HEAD = (
    "Pictures of 100 fixed prompts, painted with default settings (collages: with `paper`) and seed 1. An independent",
    "network (`training/judge.py`) matches each picture with the 100 prompts; the goal is 60 % right. The columns for",
    "kinds of prompts count only those. A subject's colour is the mean inside a mask, nearest of eleven (goal 85 %).",
    "Of real drawings in an unseen style, placed and tinted as the prompts say, the network itself matches",
    "{right:.0f} / {top5:.0f} %, and {cells:.0f} / {cells5:.0f} % if they are shown in 32 cells.",
    "",
    "| renderer | pictures | right / in the first five | with a colour | a name alone | several things | colour |",
    "|---|---|---|---|---|---|---|",
)
SHEET_HEAD = (
    "Contact sheets, marked right (+) or wrong (-) with what the judge saw, are in the project's repository:"
)
SETS = {"openmoji": "OpenMoji", "openmoji things": "OpenMoji, things only", "emojione-v1": "EmojiOne v1"}
"""Titles of the test sets, by their name in the figures."""
TEMPLATE = Path(__file__).parent / "card.md"


def sources_table() -> str:
    """Return the packages as a Markdown table."""
    lines = ["| package | version | use | licence | author |", "|---|---|---|---|---|"]
    for source in SOURCES.values():
        cells = (source["package"], source["version"], source["use"], source["licence"], source["author"])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def percent(figures: dict) -> str:
    """Return "top-1 / top-5" in percent."""
    return f"{figures['top1']:.1f} / {figures['top5']:.1f}"


def named(figures: dict, goal: str) -> list[str]:
    """Return the rows about names; `goal` is that of the guide."""
    guide, teacher = figures["guide"], figures.get("teacher", {})
    rows = []
    for key, title in SETS.items():
        if key in guide:
            classes, found = guide[key]["classes"], percent(guide[key])
            rows.append(
                f"| names, {title}, {classes} classes: the guide, top-1 / top-5 | {found} % | {goal} |"
            )
        if key in teacher:
            rows.append(f"| the same: the teacher | {percent(teacher[key])} % | 50 / 75 % |")
    return rows


def figures_table(figures: dict) -> str:
    """Return the measured figures beside the goals as a Markdown table."""
    attack, two = figures["guide"]["attack"], figures["two_way"]
    rows = [
        "| measure | measured | goal |",
        "|---|---|---|",
        *named(figures, "80 % of the teacher's, and 40 / - %"),
        f"| OpenMoji things, 600 drawings, top-5 clean, then under a 10-step L2 attack of 1.0 "
        f"| {attack['clean']['top5']:.1f}, {attack['attacked']['top5']:.1f} % | half is kept |",
        f"| two things, colours swapped or not, OpenMoji scenes (chance 50) | {two['colours']:.1f} % | 90 % |",
        f"| two things, relation reversed or not, OpenMoji scenes (chance 50) | {two['relation']:.1f} % | 85 % |",
        f"| counting one to four (chance 25) | {figures['counting']:.1f} % | 70 % |",
        f"| {figures['synonyms']['words']} words in no caption, their known name in the top-5 "
        f"| {figures['synonyms']['top5']:.1f} % | 60 % |",
        f"| weights; 16 cutouts forward and backward, 2 cores "
        f"| {figures['cost']['MB']:.1f} MB; {figures['cost']['ms']:.0f} ms | 25 MB; 80 ms |",
    ]
    return "\n".join(rows)


def newest_records(work: Path) -> dict[str, Path]:
    """Return the folder of the newest record of each renderer."""
    found = sorted((work / "record").glob("*/figures.json"), key=lambda path: path.stat().st_mtime)
    return {path.parent.name.partition("-")[0]: path.parent for path in found}


def record_table(records: dict[str, Path], sheets: Path | None) -> str:
    """Return what the judge found in the records as a Markdown table, and where their contact sheets are."""
    if not records:
        return "Painted pictures have not been judged by an independent network yet."

    rows, links = [], []
    for renderer, folder in records.items():
        figures = json.loads((folder / "figures.json").read_text())
        ceiling = figures["judge"]["ceiling"]
        rows.append(record_row(renderer, figures))
        if sheets is not None:
            links.append(f"* {renderer}: `{store_sheet(folder, renderer, sheets)}`")

    real, cells = ceiling["clean"], ceiling["32 cells"]
    values = {"right": real["right"], "top5": real["top5"], "cells": cells["right"], "cells5": cells["top5"]}
    head = [line.format(**values) for line in RECORD_HEAD]
    return "\n".join([*head, *rows, *(["", SHEET_HEAD, "", *links] if links else [])])


def record_row(renderer: str, figures: dict) -> str:
    """Return the table's row of one record."""
    found = figures["found"]
    kinds = " | ".join(f"{found[kind]:.0f} %" for kind in ("coloured", "named", "several"))
    return (
        f"| {renderer} | {len(figures['pictures'])} | {found['right']:.0f} / {found['top5']:.0f} % "
        f"| {kinds} | {figures['colours']['mask']:.0f} % |"
    )


def store_sheet(folder: Path, renderer: str, sheets: Path) -> str:
    """Store a record's contact sheet as WebP in the folder `sheets`; return its path in the repository."""
    sheets.mkdir(parents=True, exist_ok=True)
    path = sheets / f"{renderer}.webp"
    with Image.open(folder / "sheet.png") as sheet:
        sheet.convert("RGB").save(path, quality=80, method=6)
    return path.as_posix()


def main() -> None:
    """Fill the template and write the card."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--to", type=Path, required=True, help="directory of the guide in the package")
    arguments.add_argument("--sheets", type=Path, help="folder in the repository for the contact sheets")
    options = arguments.parse_args()

    weights = options.to / "open_clip_model.safetensors"
    trained = common.metadata(weights)
    step = trained["step"]
    axes = len(json.loads((options.to / "painting.json").read_text())["emphasis"]) - 1
    figures = json.loads((options.work / "figures" / f"{step:06d}.json").read_text())

    filled = TEMPLATE.read_text().format(
        sources=sources_table(),
        figures=figures_table(figures),
        record=record_table(newest_records(options.work), options.sheets),
        axes=axes,
        names=len(json.loads((options.to / "names.json").read_text())),
        **trained,
        sha256=common.sha256(weights),
    )
    (options.to / "MODEL_CARD.md").write_text(filled)
    common.log(f"{options.to / 'MODEL_CARD.md'}: weights of step {step}")


if __name__ == "__main__":
    main()
