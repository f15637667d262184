"""A small registry: a new part needs only a file in the right folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from artgen.errors import UsageError, did_you_mean

Part = TypeVar("Part")
Decorated = TypeVar("Decorated")


class Registry(Generic[Part]):
    """Named parts of one kind; they are found by importing every module of a package.

    Args:
        kind: what the parts are, for messages ("renderer").
        package: dotted name of the package whose modules register themselves.

    Example:
        >>> colours: Registry[int] = Registry("colour", "artgen.losses")
        >>> @colours.register("red")
        ... def red() -> int: ...
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._parts: dict[str, Part] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[Decorated], Decorated]:
        """Return a decorator that registers its argument under `name` and returns it unchanged."""

        def add(part: Decorated) -> Decorated:
            """Add the part, and return it unchanged."""
            if name in self._parts:
                raise ValueError(f"{self.kind} {name!r} is registered twice; rename one of them")
            self._parts[name] = cast(Part, part)
            return part

        return add

    def names(self) -> list[str]:
        """Return all names, sorted."""
        self._discover()
        return sorted(self._parts)

    def file_names(self) -> list[str]:
        """Return the names of the parts' files, sorted, without importing them.

        These are the names of the parts wherever each part is registered under the name of its file.
        """
        package = importlib.import_module(self._package)
        names = [module.name for module in pkgutil.iter_modules(package.__path__)]
        return sorted(name for name in names if name != "base" and not name.startswith("_"))

    def get(self, name: str) -> Part:
        """Return the part called `name`.

        Raises:
            UsageError: there is no such part; the message suggests the nearest name.
        """
        self._discover()
        try:
            return self._parts[name]
        except KeyError:
            hint = did_you_mean(name, self._parts)
            raise UsageError(f"no {self.kind} {name!r}{hint} (known: {', '.join(self.names())})") from None

    def _discover(self) -> None:
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self._package}.{module.name}")
        self._discovered = True
