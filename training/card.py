"""Write the model card into the package, out of the measured figures.

    python -m training.card --work DIR --to artgen/guides/doodle

Reads `figures/<step>.json` of the shipped weights (from `evaluate`), `card.md` beside this file, and the
sources' licences from `sources.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

from training import common
from training.fetch import SOURCES

RECORD_HEAD = (
    "Pictures painted with default settings, seed 1, that an independent network (`training/judge.py`) matches to the",
    "right prompt of 100, and how many real drawings of an unseen style, placed and tinted alike, it matches itself:",
    "",
    "| renderer | pictures | right / in the first five | colour of the subject | real drawings |",
    "|---|---|---|---|---|",
)
TEMPLATE = Path(__file__).parent / "card.md"


def sources_table() -> str:
    """Return the packages as a Markdown table."""
    lines = ["| package | version | use | licence | author |", "|---|---|---|---|---|"]
    for source in SOURCES.values():
        cells = (source["package"], source["version"], source["use"], source["licence"], source["author"])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def percent(figures: dict) -> str:
    """Return 'top-1 / top-5' in percent."""
    return f"{figures['top1']:.1f} / {figures['top5']:.1f}"


def named(figures: dict, goal: str) -> list[str]:
    """Return the rows about names."""
    guide, teacher = figures["guide"], figures.get("teacher", {})
    rows = []
    for key, words in (
        ("openmoji", "OpenMoji"),
        ("openmoji things", "OpenMoji, things only"),
        ("emojione-v1", "EmojiOne v1"),
    ):
        if key in guide:
            classes = guide[key]["classes"]
            rows.append(
                f"| names, {words}, {classes} classes: the guide, top-1 / top-5 | {percent(guide[key])} % | {goal} |"
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
    ]
    rows += [
        f"| OpenMoji things, 600 drawings, top-5 clean, then under a 10-step L2 attack of 1.0 "
        f"| {attack['clean']['top5']:.1f}, {attack['attacked']['top5']:.1f} % | half is kept |",
        f"| two things, their colours swapped or not, OpenMoji scenes (chance 50) | {two['colours']:.1f} % | 90 % |",
        f"| two things, relation turned or not, OpenMoji scenes (chance 50) | {two['relation']:.1f} % | 85 % |",
        f"| counting one to four (chance 25) | {figures['counting']:.1f} % | 70 % |",
        f"| {figures['synonyms']['words']} words in no caption, known name in the top-5 "
        f"| {figures['synonyms']['top5']:.1f} % | 60 % |",
        f"| weights; 16 cutouts forward and backward, 2 cores (busy machine) "
        f"| {figures['cost']['MB']:.1f} MB; {figures['cost']['ms']:.0f} ms | 25 MB; 80 ms |",
    ]
    return "\n".join(rows)


def record_table(work: Path) -> str:
    """Return what the judge found in the newest record of each renderer as a Markdown table, or that there is none."""
    rows = []
    newest = {}
    for path in sorted((work / "record").glob("*/figures.json"), key=lambda path: path.stat().st_mtime):
        newest[path.parent.name.partition("-")[0]] = json.loads(path.read_text())
    for renderer, told in newest.items():
        found, colours = told["found"], told["colours"]
        rows.append(
            f"| {renderer} | {len(told['pictures'])} | {found['right']:.0f} / {found['top5']:.0f} % "
            f"| {colours['mask']:.0f} % | {told['judge']['ceiling']['clean']['right']:.0f} % |"
        )
    if not rows:
        return "Judging of painted pictures by an independent network is not measured yet."
    return "\n".join([*RECORD_HEAD, *rows])


def main() -> None:
    """Fill the template."""
    arguments = common.parser(__doc__)
    arguments.add_argument("--to", type=Path, required=True)
    options = arguments.parse_args()
    weights = options.to / "open_clip_model.safetensors"
    step = common.metadata(weights)["step"]
    figures = json.loads((options.work / "figures" / f"{step:06d}.json").read_text())
    filled = TEMPLATE.read_text().format(
        sources=sources_table(),
        figures=figures_table(figures),
        record=record_table(options.work),
        step=step,
        scenes=f"{step * 384:,}",
        sha256=common.sha256(weights),
    )
    (options.to / "MODEL_CARD.md").write_text(filled)
    common.log(f"{options.to / 'MODEL_CARD.md'} for step {step}")


if __name__ == "__main__":
    main()
