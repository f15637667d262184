"""Patch sets: folders (or zip archives) of RGBA pictures with a `patchset.yaml`."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artgen.assets.files import (
    MAX_SIDE,
    PATCH_FORMATS,
    FolderFiles,
    Pixels,
    ZipFiles,
    crop_to_alpha,
    decode_patch,
)
from artgen.assets.limits import MAX_FILES, MAX_SET_PIXELS, PixelBudget
from artgen.assets.object_arrays import read_object_arrays
from artgen.config.yaml import read_yaml
from artgen.errors import InputError, UsageError, did_you_mean
from artgen.files import read_file, require_plain_file, shipped_folder
from artgen.named_files import patch_set_names, user_path

MANIFEST = "patchset.yaml"
MAX_MANIFEST = 4 * 2**20
"""Largest `patchset.yaml` in bytes; one of 5,000 patches with credits has about 1,500,000."""
MAX_ARRAY_FILE = 2**29
"""Largest `.npy` file in bytes."""
Warn = Callable[[str], None]

log = logging.getLogger(__name__)


class PatchEntry(BaseModel):
    """What a `patchset.yaml` says of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=200)
    author: str = Field("", max_length=500)
    source: str = Field("", max_length=1000)
    licence: str = Field("", max_length=200)
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")


class Manifest(BaseModel):
    """A `patchset.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(max_length=200)
    source: str = Field("", max_length=1000)
    licence: str = Field("not stated", max_length=200)
    author: str = Field("", max_length=500)
    patches: dict[str, PatchEntry] = Field(default_factory=dict, max_length=MAX_FILES)


@dataclass(frozen=True)
class Patch:
    """An RGBA cut-out and where it comes from.

    Args:
        name: what the patch shows.
        set_name: name of its patch set.
        pixels: [h, w, 4] straight RGBA of 8 bits, without transparent margins.
        source: where the original comes from.
        licence: its licence, best as an SPDX identifier.
        author: who made it.
    """

    name: str
    set_name: str
    pixels: Pixels
    source: str = ""
    licence: str = "not stated"
    author: str = ""

    def credit(self) -> dict[str, str]:
        """Return name, set, source, licence and author, for a picture's record."""
        return {
            "name": self.name,
            "set": self.set_name,
            "source": self.source,
            "licence": self.licence,
            "author": self.author,
        }


@dataclass(frozen=True)
class PatchSet:
    """A loaded patch set.

    Args:
        name: the folder's name.
        manifest: what `patchset.yaml` says, or what stands in for a missing one.
        patches: the patches that could be read, by file name.
        problems: one line for each file that could not.
    """

    name: str
    manifest: Manifest
    patches: tuple[Patch, ...]
    problems: tuple[str, ...] = ()


def shipped_names() -> list[str]:
    """Return the names of the patch sets that come with artgen."""
    return sorted(path.parent.name for path in shipped_folder("patches").glob(f"*/{MANIFEST}"))


def find(name: str) -> Path:
    """Return the path of a patch set given by its name or its path.

    Raises:
        UsageError: neither a shipped set nor an existing folder, zip or npy file.
    """
    known = shipped_names()
    if name in known:
        return shipped_folder("patches") / name
    path = user_path(name)
    if name.strip() and path.exists():
        require_plain_file(path)
        return path
    raise UsageError(f"patch set {name!r} not found{did_you_mean(name, known)} (artgen assets list)")


def load_set(path: Path, skip_bad: bool = False) -> PatchSet:
    """Load a patch set.

    Args:
        path: a folder, a zip archive or an Arnheim `.npy` file.
        skip_bad: leave out what cannot be used and note it in `problems`.

    Raises:
        InputError: something cannot be used (the first such thing, unless `skip_bad`),
            or nothing is left.
    """
    problems: list[str] = []

    def note(problem: str) -> None:
        """Keep a problem, or refuse the set because of it."""
        if not skip_bad:
            hint = "" if "--skip-bad" in problem else " (--skip-bad to continue without it)"
            raise InputError(problem + hint)
        problems.append(problem)

    if path.suffix == ".npy":
        manifest, patches = Manifest(title=path.stem, source=path.name), _from_arrays(path, note)
    else:
        files = _open(path)
        manifest = _read_manifest(files, path)
        patches = _from_files(files, manifest, path, note)
    if not patches:
        tail = f"; first problem: {problems[0]}" if problems else ""
        raise InputError(f"{path}: contains no patch that can be used (PNG or WebP with alpha){tail}")
    for problem in problems:
        log.warning("left out: %s", problem)
    return PatchSet(path.stem, manifest, tuple(patches), tuple(problems))


def read_manifest(path: Path) -> Manifest:
    """Return what the `patchset.yaml` of a folder or an archive says, without loading its patches.

    Raises:
        InputError: it is not valid.
    """
    return _read_manifest(_open(path), path)


def _open(path: Path) -> Mapping[str, bytes]:
    return FolderFiles(path) if path.is_dir() else ZipFiles(path)


def _read_manifest(files: Mapping[str, bytes], path: Path) -> Manifest:
    """Return the manifest, or one that states nothing if there is none."""
    where = path / MANIFEST
    if MANIFEST not in files:
        return Manifest(title=path.stem)
    data = files[MANIFEST]
    if len(data) > MAX_MANIFEST:
        raise InputError(f"{where}: {len(data):,} bytes; at most {MAX_MANIFEST:,}")
    try:
        content = read_yaml(data)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_first_error(error)}") from None
    for file in manifest.patches:
        if PurePosixPath(file).name != file or "\\" in file or file in (".", ".."):
            raise InputError(f"{where}: names {file!r}; only files of its own folder are allowed")
    return manifest


def _first_error(error: ValidationError) -> str:
    """Return the first problem in one line, with the nearest known key."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole file"
    hint = ""
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(str(first["loc"][-1]), [*Manifest.model_fields, *PatchEntry.model_fields])
    return f"{where}: {first['msg']}{hint}"


def _from_files(files: Mapping[str, bytes], manifest: Manifest, path: Path, note: Warn) -> list[Patch]:
    pictures = {name for name in files if PurePosixPath(name).suffix.lower() in PATCH_FORMATS}
    if len(pictures) > MAX_FILES:
        raise InputError(f"{path}: {len(pictures)} pictures; at most {MAX_FILES} in one set")
    if manifest.patches:
        for name in sorted(pictures - set(manifest.patches)):
            note(f"{path / name}: is not listed in {MANIFEST}")
        pictures = set(manifest.patches)
    patches = []
    budget = PixelBudget(str(path))
    for name in sorted(pictures):
        try:
            patches.append(_load_patch(files, name, manifest, path, budget))
        except InputError as error:
            note(str(error))
    return patches


def _load_patch(
    files: Mapping[str, bytes], name: str, manifest: Manifest, path: Path, budget: PixelBudget
) -> Patch:
    entry = manifest.patches.get(name, PatchEntry())
    where = str(path / name)
    try:
        data = files[name]
    except KeyError:
        raise InputError(f"{where}: is listed in {MANIFEST} but missing") from None
    if entry.sha256 and hashlib.sha256(data).hexdigest() != entry.sha256:
        raise InputError(f"{where}: its checksum differs from the one in {MANIFEST}; download it again")
    return Patch(
        name=entry.name or PurePosixPath(name).stem,
        set_name=path.stem,
        pixels=decode_patch(data, where, budget),
        source=entry.source or manifest.source,
        licence=entry.licence or manifest.licence,
        author=entry.author or manifest.author,
    )


def _from_arrays(path: Path, note: Warn) -> list[Patch]:
    data = read_file(path, MAX_ARRAY_FILE, "divide the set")
    budget = PixelBudget(str(path))
    patches = []
    for index, array in enumerate(read_object_arrays(data, str(path))):
        try:
            pixels = _as_patch(array, f"{path}, array {index}", budget)
            patches.append(Patch(f"{path.stem} {index}", path.stem, pixels))
        except InputError as error:
            note(str(error))
    return patches


def _as_patch(array: np.ndarray, where: str, budget: PixelBudget) -> Pixels:
    """Turn one of Arnheim's arrays into a patch; without alpha, black is clear, as there."""
    if array.ndim != 3 or array.shape[2] not in (3, 4) or max(array.shape) > MAX_SIDE:
        raise InputError(f"{where}: has shape {array.shape}; expected [h, w, 3 or 4] up to {MAX_SIDE}")
    budget.spend(array.shape[1], array.shape[0])
    if array.dtype != np.uint8:
        if array.dtype.kind not in "uif" or not np.isfinite(array).all():
            raise InputError(f"{where}: contains {array.dtype}, not pixels")
        array = array.clip(0, 255).round().astype(np.uint8)
    if array.shape[2] == 3:
        alpha = (array.max(2, keepdims=True) > 0).astype(np.uint8) * 255
        array = np.concatenate([array, alpha], 2)
    return crop_to_alpha(array, where)


def load_patches(
    names: Iterable[str] | str,
    include: Sequence[str] = (),
    skip_bad: bool = False,
    min_pixels: int = 0,
    max_pixels: int = MAX_SIDE,
    normalise_brightness: bool = False,
) -> list[Patch]:
    """Load and mix patch sets.

    Args:
        names: names or paths of patch sets; a string is split at commas.
        include: patterns (`cat*`); only patches whose name matches one are kept.
        skip_bad: continue without files that cannot be used.
        min_pixels: patches whose longer side is shorter are left out.
        max_pixels: patches whose longer side is longer are left out.
        normalise_brightness: scale colours so that each patch's brightest is 255.

    Returns:
        The patches in the order of the sets, then of the file names.

    Raises:
        UsageError: a set is not found, or nothing is left.
        InputError: a file cannot be used.
    """
    listed = patch_set_names(names) if isinstance(names, str) else [name.strip() for name in names]
    wanted = [name for name in listed if name]
    if not wanted:
        raise UsageError(f"no patch set given; shipped sets: {', '.join(shipped_names())}")
    found: list[Patch] = []
    pixels = 0
    for name in wanted:
        patches = load_set(find(name), skip_bad).patches
        pixels += sum(patch.pixels.size // 4 for patch in patches)
        if pixels > MAX_SET_PIXELS:
            raise UsageError(
                f"{', '.join(wanted)[:200]}: more than {MAX_SET_PIXELS:,} pixels in all patches; name fewer sets"
            )
        found += patches
    kept = list(_chosen(found, include, min_pixels, max_pixels))
    if not kept:
        names_found = {patch.name for patch in found}
        some = ", ".join(sorted(names_found)[:8])
        raise UsageError(
            f"none of the {len(found)} patches in {', '.join(wanted)} fits what was asked "
            f"(include {', '.join(include) or 'all'}, {min_pixels} to {max_pixels} pixels); available: {some}"
        )
    return [_brightened(patch) for patch in kept] if normalise_brightness else kept


def _chosen(
    patches: Iterable[Patch], include: Sequence[str], min_pixels: int, max_pixels: int
) -> Iterator[Patch]:
    for patch in patches:
        name = patch.name.lower()
        matches = not include or any(fnmatch.fnmatch(name, pattern.lower()) for pattern in include)
        if matches and min_pixels <= max(patch.pixels.shape[:2]) <= max_pixels:
            yield patch


def _brightened(patch: Patch) -> Patch:
    """Scale the colours so that the brightest visible one is 255."""
    pixels = patch.pixels
    brightest = int((pixels[..., :3] * (pixels[..., 3:] > 0)).max())
    if brightest in (0, 255):
        return patch
    colour = (pixels[..., :3].astype(np.float32) * (255 / brightest)).clip(0, 255).round()
    changed = np.concatenate([colour.astype(np.uint8), pixels[..., 3:]], 2)
    return Patch(**{**vars(patch), "pixels": changed})
