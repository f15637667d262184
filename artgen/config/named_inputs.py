"""The local files and the guides that options name, found by the kinds of their fields. No torch.

Nothing here knows the name of a field. A new field is covered by its kind (`artgen.option_kinds`), in a
section, in a list of sections and in the chain of edits too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from artgen import grid as compositions
from artgen import prompts as grammar
from artgen.config.guide_spec import parse_guide
from artgen.config.request import Request
from artgen.named_files import background_file, looks_like_path, may_be_file, palette_file, patch_set_names
from artgen.option_fields import option_fields
from artgen.option_kinds import FieldKind
from artgen.options import Options
from artgen.terms import term_kinds


def files_of(options: Options, without: Iterable[str] = ()) -> list[str]:
    """Return the paths of the local files that options and their sections name, each once.

    Args:
        options: with validated values.
        without: names of fields that are left out.
    """
    found: list[str] = []
    for part in parts_of(options, without):
        left_out = without if part is options else ()
        names = [name for name in option_fields(type(part)) if name not in left_out]
        found += _files_of_terms(part)
        found += files_of_fields(part, names)
    return list(dict.fromkeys(found))


def guides_of(options: Options) -> list[str]:
    """Return the guides that options and their sections name, each once, as they are written."""
    found: list[str] = []
    for part in parts_of(options):
        for name, field in option_fields(type(part)).items():
            if field.kind == "guides":
                found += getattr(part, name)
    return list(dict.fromkeys(found))


def parts_of(options: Options, without: Iterable[str] = ()) -> Iterator[Options]:
    """Yield options, their sections, and the sections of those.

    Args:
        options: with validated values.
        without: names of fields that are left out.
    """
    yield options
    for name, field in option_fields(type(options)).items():
        if name in without or field.options is None:
            continue

        value = getattr(options, name)
        sections = value if field.kind == "sections" else [value]
        for section in sections:
            if section is not None:
                yield from parts_of(section)


def files_of_fields(options: Options, names: Iterable[str]) -> list[str]:
    """Return the paths of the local files that some fields name, without those of sections and prompts."""
    found: list[str] = []
    fields = option_fields(type(options))
    for name in names:
        value = getattr(options, name)
        if value is not None:
            found += FILES_OF_KIND[fields[name].kind](value)
    return found


def _files_of_terms(options: Options) -> list[str]:
    """Return the paths of the local files that the terms of prompts name."""
    found: list[str] = []
    for term in _terms_of(options):
        found += term_kinds.get(term.kind).files(term.content)
    return found


def _terms_of(options: Options) -> list[grammar.Term]:
    """Return the terms of all prompts; a request has parsed its own already."""
    if isinstance(options, Request):
        return options.all_terms()

    prompts: list[str] = []
    for name, field in option_fields(type(options)).items():
        value = getattr(options, name)
        if value is None:
            continue
        if field.kind == "prompts":
            prompts += value
        elif field.kind == "prompt grid":
            prompts += compositions.filled_cells(value)
    return grammar.parse_all(prompts)


# --- what the values of a kind name ----------------------------------------------------


def _no_files(value: Any) -> list[str]:
    """Return nothing: values of this kind name no file, or their files are found in another way."""
    return []


def _file(value: str) -> list[str]:
    return [value]


def _palette(value: str) -> list[str]:
    """Return the palette's file. A renderer of another package may open any text that looks like a path."""
    file = palette_file(value)
    if file is not None:
        return [file]
    return [value] if looks_like_path(value) else []


def _background(value: str) -> list[str]:
    file = background_file(value)
    return [] if file is None else [file]


def _patch_sets(value: str) -> list[str]:
    return [name for name in patch_set_names(value) if may_be_file(name)]


def _patch_set_grid(value: compositions.Grid) -> list[str]:
    found: list[str] = []
    for cell in compositions.filled_cells(value):
        found += _patch_sets(cell)
    return found


def _guides(value: Iterable[str]) -> list[str]:
    specs = [parse_guide(guide) for guide in value]
    return [spec.file for spec in specs if spec.file is not None]


def _mapping(values: Mapping[Any, Any]) -> list[str]:
    """Return the paths among a renderer's options, whose kinds are not known here.

    A renderer of another package may open a whole text as a path, or parts of it.
    """
    found: list[str] = []
    for key, value in values.items():
        for text in _texts_in(value):
            if key == "palette":
                found += _palette(text)
            elif key == "patches":
                found += _patch_sets(text)
            else:
                found += [name for name in (text, *patch_set_names(text)) if may_be_file(name)]
    return list(dict.fromkeys(found))


def _texts_in(value: Any) -> Iterator[str]:
    """Yield the texts in nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts_in(key)
            yield from _texts_in(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _texts_in(item)


FILES_OF_KIND: Mapping[FieldKind, Callable[[Any], list[str]]] = MappingProxyType(
    {
        "bool": _no_files,
        "int": _no_files,
        "float": _no_files,
        "choice": _no_files,
        "text": _no_files,
        "texts": _no_files,
        "numbers": _no_files,
        "region": _no_files,
        "counts": _no_files,
        "weights": _no_files,
        "aspect": _no_files,
        "size": _no_files,
        "colour": _no_files,
        "palette": _palette,
        "background": _background,
        "file": _file,
        "patch sets": _patch_sets,
        "patch set grid": _patch_set_grid,
        "prompts": _no_files,  # see `_files_of_terms`
        "prompt grid": _no_files,  # see `_files_of_terms`
        "renderer": _no_files,
        "guides": _guides,
        "mapping": _mapping,
        "section": _no_files,  # see `parts_of`
        "sections": _no_files,  # see `parts_of`
    }
)
"""How to find the local files that a value of a kind names; a kind that is missing here is an error."""
