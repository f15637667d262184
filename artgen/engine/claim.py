"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from artgen.errors import RunError


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a folder while a run writes into it; the system lets go of it when the process ends, however it ends.

    The lock lies in the user's cache, so that a run's folder holds nothing but the run. If
    the cache cannot be written, there is none.

    Raises:
        RunError: another process holds it.
    """
    name = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()[:32]
    path = user_cache_path("artgen") / "locks" / f"{name}.lock"
    lock = FileLock(path, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunError(
            f"{folder}: another run is writing there; wait for its end, or choose another --out"
        ) from None
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()
