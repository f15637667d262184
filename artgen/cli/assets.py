"""`artgen assets`: list, show, check and make patch sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from artgen.cli.app import app
from artgen.cli.messages import print_answer, print_json, print_line, reported
from artgen.cli.shared import Json, nonempty_path

assets_app = typer.Typer(help="Patch sets: list, show, check, make.", no_args_is_help=True)
app.add_typer(assets_app, name="assets", rich_help_panel="Look")

Sheet = Annotated[
    Path | None,
    typer.Option("--sheet", metavar="FILE", parser=nonempty_path, help="Write a contact sheet, PNG or JPEG."),
]
ReplaceSheet = Annotated[bool, typer.Option("--force", help="Replace the file of --sheet.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip files that cannot be used.")]


@assets_app.command("list")
def list_sets(sheet: Sheet = None, force: ReplaceSheet = False, as_json: Json = False) -> None:
    """List the patch sets that come with artgen."""
    with reported(as_json):
        from artgen.assets.sets import find, load_set, read_manifest, shipped_names

        if sheet is not None:
            from artgen.assets.contact import overview, require_new_sheet, save_sheet

            require_new_sheet(sheet, force)
            patches = {name: load_set(find(name)).patches for name in shipped_names()}
            save_sheet(overview(patches), sheet)

        facts: dict[str, Any] = {}
        lines: list[str] = []
        for name in shipped_names():
            manifest = read_manifest(find(name))
            count = len(manifest.patches)
            facts[name] = {"title": manifest.title, "licence": manifest.licence, "patches": count}
            lines.append(f"{name:12} {count:4}  {manifest.title} ({manifest.licence})")
        print_answer(facts, lines, as_json)


@assets_app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name or path of a patch set.")],
    sheet: Sheet = None,
    force: ReplaceSheet = False,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Show the patches of a set, with licences and authors."""
    with reported(as_json):
        from artgen.assets.contact import contact_sheet, require_new_sheet, save_sheet
        from artgen.assets.sets import find, load_set

        if sheet is not None:
            require_new_sheet(sheet, force)
        loaded = load_set(find(name), skip_bad)
        if sheet is not None:
            save_sheet(contact_sheet(loaded.patches), sheet)

        if as_json:
            credits = [patch.credit() for patch in loaded.patches]
            print_json({"title": loaded.manifest.title, "patches": credits})
            return

        print_line(f"{loaded.manifest.title}: {len(loaded.patches)} patches")
        for patch in loaded.patches:
            height, width = patch.pixels.shape[:2]
            print_line(f"{patch.name:32} {width:4} x {height:<4} {patch.licence}; {patch.author}")


@assets_app.command()
def check(
    paths: Annotated[
        list[Path], typer.Argument(parser=nonempty_path, help="Folders, zip archives or .npy files.")
    ],
    as_json: Json = False,
) -> None:
    """Check patch sets; the exit status is 2 if a file cannot be used."""
    with reported(as_json):
        from artgen.assets.sets import find, load_set
        from artgen.cli.messages import report_error
        from artgen.errors import ArtgenError

        problems: list[str] = []
        usable = 0
        for path in paths:
            try:
                loaded = load_set(find(str(path)), skip_bad=True)
            except ArtgenError as error:
                problems.append(str(error))
                continue
            usable += len(loaded.patches)
            problems += loaded.problems
        if as_json:
            print_json({"patches": usable, "problems": problems})
        else:
            for problem in problems:
                report_error(problem)
            print_line(f"{usable} patches can be used, {len(problems)} problems")
        if problems:
            raise typer.Exit(2)


@assets_app.command()
def make(
    pictures: Annotated[
        list[Path],
        typer.Argument(parser=nonempty_path, help="Pictures, SVG or .npy files, or folders of them."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", parser=nonempty_path, help="New folder for the set."),
    ],
    method: Annotated[str, typer.Option(help="auto, alpha, chroma, components or grabcut.")] = "auto",
    side: Annotated[int, typer.Option(min=16, max=2048, help="Longest side of the patches in pixels.")] = 192,
    tolerance: Annotated[float, typer.Option(help="Smallest colour difference from the background.")] = 18.0,
    smallest: Annotated[
        float, typer.Option(help="Smallest patch, as a fraction of its picture's area.")
    ] = 0.002,
    title: Annotated[str | None, typer.Option(help="Title of the set.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the pictures.")] = "not stated",
    author: Annotated[str, typer.Option(help="Author of the pictures.")] = "",
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Cut patches out of your own pictures: artgen assets make photos/ --out my-patches."""
    with reported(as_json):
        from artgen.assets.making import METHODS
        from artgen.assets.sets import load_set
        from artgen.assets.writing import Recipe, make_set
        from artgen.cli.messages import report_error
        from artgen.errors import UsageError, did_you_mean

        if method not in METHODS:
            raise UsageError(
                f"no method {method!r}{did_you_mean(method, METHODS)} (known: {', '.join(METHODS)})"
            )
        recipe = Recipe(method, side, tolerance, smallest)  # type: ignore[arg-type]
        problems = make_set(pictures, out, recipe, title or out.name, licence, author, skip_bad)
        count = len(load_set(out).patches)
        if as_json:
            print_json({"folder": out, "patches": count, "problems": problems})
            return
        for problem in problems:
            report_error(problem)
        print_line(f"{out}: {count} patches; look at {out / 'contact.jpg'}")
