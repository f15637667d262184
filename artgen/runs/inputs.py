"""Which files, guides and downloads a configuration may open, and fingerprints of files.

The folder of a run may come from a stranger. The files it names are then whatever is at these paths on this
machine. `AllowedInputs` is the only check of what a configuration opens:

- Repeating a picture allows nothing, because a picture records nothing.
- A checkpoint records fingerprints of what its run opened. Resuming, exporting, editing and promoting allow
  files with the same content.
- A program that takes configurations from strangers allows a list of files, folders and guides.

The command line asks for consent (`--yes`) to open anything else.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artgen.config import RunConfig
from artgen.config.guide_spec import GuideSpec, parse_guide
from artgen.config.named_inputs import guides_of
from artgen.errors import InputError, UsageError
from artgen.files import file_digest
from artgen.named_files import user_path

MISSING = "missing"
"""Stands for the content of a path where there is nothing, which nobody can open."""
MOST_NAMED = 5
"""Most files that an error names."""
CONSENT = "add --yes if they may be opened as they are now"
"""Cure for people at a command line."""


@dataclass(frozen=True)
class AllowedInputs:
    """What a configuration may open.

    A path is resolved before it is compared: links, `..` and `~` do not lead out of what is allowed.

    Args:
        files: files, and folders of which all content is allowed.
        recorded: fingerprints by path, as the configuration writes it; a file with this content is allowed.
        guides: names of the guides that may be loaded, `NAME` or `NAME:TAG`; None for all. A guide with a file
            of its own needs that file among the allowed ones instead.
        downloads: whether a guide may ask a hub for weights or a tokenizer, even if they are in its cache.
        cure: what to do about a refused file, for the message.

    Example:
        >>> config = RunConfig(prompts="a fox", target="photos/fox.png")
        >>> AllowedInputs(files=["photos"], guides=["doodle"]).require(config)
        >>> AllowedInputs(files=["photos"]).allows("photos/../secret.png")
        False
    """

    files: Collection[Path | str] = ()
    recorded: Mapping[str, str] = field(default_factory=dict)
    guides: Collection[str] | None = None
    downloads: bool = False
    cure: str = "leave them out, or give files that may be opened"

    def require(self, config: RunConfig, owner: str = "the configuration") -> None:
        """Refuse a configuration that opens anything else, in its chain of edits too. No file is opened.

        The only exception is the small configuration of a guide's directory, which is read once the directory
        is known to be allowed, and only if downloads are not.

        Args:
            config: the configuration.
            owner: what the configuration belongs to, for the message.

        Raises:
            UsageError: it names a file, guide or download that is not allowed.
            InputError: the configuration of a guide's directory is invalid.
        """
        self.require_files(config.local_files(), owner)
        for guide in guides_of(config):
            self._require_guide(guide, owner)

    def require_files(self, paths: Iterable[str], owner: str) -> None:
        """Refuse paths that are not allowed; without a record, nothing is opened.

        Raises:
            UsageError: there is such a path.
        """
        refused = [path for path in dict.fromkeys(paths) if not self.allows(path)]
        if refused:
            more = f" and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
            listed = ", ".join(refused[:MOST_NAMED])
            raise UsageError(f"{owner} names local files that may not be opened: {listed}{more}; {self.cure}")

    def allows(self, path: str) -> bool:
        """Return whether a path may be opened, as a configuration writes it."""
        if path in self.recorded and _fingerprint(path) == self.recorded[path]:
            return True
        try:
            places = [place.resolve() for place in _places(path)]
            # A folder is listed only once it is known to be allowed.
            return all(map(self._contains, places)) and all(map(self._contains, _linked_from(places)))
        except (OSError, ValueError, RuntimeError):  # a loop of links, or a folder that cannot be listed
            return False

    def _contains(self, place: Path) -> bool:
        """Return whether a resolved path is allowed, or in an allowed folder."""
        return any(allowed == place or allowed in place.parents for allowed in self._roots)

    @functools.cached_property
    def _roots(self) -> tuple[Path, ...]:
        """The allowed files and folders, resolved."""
        roots: list[Path] = []
        for allowed in self.files:
            if str(allowed).strip():  # an empty text would be the working folder
                roots += [place.resolve() for place in _places(str(allowed))]
        return tuple(roots)

    def _require_guide(self, text: str, owner: str) -> None:
        spec = parse_guide(text)
        if spec.file is None and self.guides is not None and spec.label not in self.guides:
            known = ", ".join(self.guides) or "none"
            raise UsageError(
                f"{owner} names the guide {spec.label!r}, which is not allowed; allowed: {known}"
            )
        if not self.downloads and _needs_download(spec):
            raise UsageError(
                f"{owner} names the guide {spec.label!r}, which has to be downloaded, and downloads are not "
                "allowed; choose the bundled guide, doodle"
            )


def require_known(paths: Iterable[str], recorded: Mapping[str, str], owner: Path) -> None:
    """Refuse to open files that are not those a run began with.

    Args:
        paths: what the run's configuration names. A path without a record is not opened.
        recorded: fingerprints from when the run began; empty if there are none.
        owner: the run's folder, for the message.

    Raises:
        UsageError: a file has other content, or was never recorded.
    """
    cure = f"they are not known to be those it began with, so {CONSENT}"
    AllowedInputs(recorded=recorded, cure=cure).require_files(paths, str(owner))


def fingerprints(paths: Iterable[str]) -> dict[str, str]:
    """Return a SHA-256 of each path: of a file, or of the files directly in a folder.

    Each path is taken as it is written, commas included. Pipes, devices, empty files and files that cannot
    be read are left out.
    """
    found = {path: _fingerprint(path) for path in paths}
    return {path: digest for path, digest in found.items() if digest is not None}


def _needs_download(spec: GuideSpec) -> bool:
    from artgen.guides.loading import needs_download  # imports torch

    return needs_download(spec)


def _linked_from(places: Iterable[Path]) -> list[Path]:
    """Return where the links directly in folders lead; patch sets and guides have no folders below them."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += [each.resolve() for each in place.iterdir() if each.is_symlink()]
    return found


def _fingerprint(path: str) -> str | None:
    try:
        digests = [_content(place) for place in _places(path)]
    except (InputError, OSError, ValueError, RuntimeError):
        return None
    return None if None in digests else hashlib.sha256("".join(map(str, digests)).encode()).hexdigest()


def _places(path: str) -> list[Path]:
    """Return where a path may lead: some of the code that opens it expands `~`."""
    return [Path(path), user_path(path)] if path.startswith("~") else [Path(path)]


def _content(path: Path) -> str | None:
    """Return a digest of a file, or of the files in a folder; None for anything else and for an empty file."""
    if path.is_file():
        # A file of /proc has no size, and reading it may never end.
        return _file_digest(path) if path.stat().st_size else None
    if path.is_dir():
        below = sorted(each for each in path.iterdir() if each.is_file())
        listed = "".join(f"{each.name}\0{_file_digest(each)}\n" for each in below)
        return hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()
    return None if path.exists() else MISSING


def _file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, of nothing if it has no size."""
    if not path.stat().st_size:
        return hashlib.sha256().hexdigest()
    return file_digest(path)
