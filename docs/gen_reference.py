"""A hook for mkdocs: one reference page for each package of artgen, found by walking its folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = "artgen"
NAV_TITLE = "Reference"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the generated pages to the navigation."""
    entries = next(entry[NAV_TITLE] for entry in config.nav if NAV_TITLE in entry)
    entries += [{name: page_path(name)} for name in packages(root_of(config))]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each package."""
    root = root_of(config)
    for name in packages(root):
        page = File.generated(config, page_path(name), content=page_text(root, name))
        files.append(page)
    return files


def root_of(config: MkDocsConfig) -> Path:
    """Return the folder that contains the package."""
    return Path(config.config_file_path).parent


def packages(root: Path) -> list[str]:
    """Return the dotted names of all packages, the top one first."""
    found = [path.parent for path in (root / PACKAGE).rglob("__init__.py")]
    names = [".".join(folder.relative_to(root).parts) for folder in found]
    return sorted(name for name in names if "._" not in name)


def page_path(package: str) -> str:
    """Return where a package's page is in the site."""
    return f"reference/{package}.md"


def page_text(root: Path, package: str) -> str:
    """Return a package's page in Markdown: the package itself, then its public modules."""
    folder = root.joinpath(*package.split("."))
    modules = [path.stem for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]

    blocks = [f"# {package}", directive(package, {"members": False, "show_root_heading": False})]
    blocks += [directive(f"{package}.{module}", {}) for module in modules]
    return "\n\n".join(blocks) + "\n"


def directive(name: str, options: dict[str, Any]) -> str:
    """Return the lines that make mkdocstrings insert an object's documentation."""
    lines = [f"::: {name}"]
    if options:
        lines.append("    options:")
        lines += [f"      {key}: {str(value).lower()}" for key, value in options.items()]
    return "\n".join(lines)
