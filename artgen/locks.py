"""Locks on the folders of runs: taken by a run while it writes, and queried by everything else."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from artgen.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE = 0.2
"""Seconds to wait for a lock. A query by `is_running` may hold it for a few microseconds."""


def lock_path(folder: Path) -> Path:
    """Return the lock file of a folder.

    It is in the user's cache, so that the folder of a run contains nothing but the run.
    """
    name = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()[:32]
    return user_cache_path("artgen") / "locks" / f"{name}.lock"


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock a folder while a run writes into it; the system releases the lock when the process ends.

    If the cache cannot be written, there is no lock.

    Raises:
        RunError: another process has the lock.
    """
    path = lock_path(folder)
    lock = FileLock(path, timeout=PATIENCE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(poll_interval=0.01)
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


def is_running(folder: Path) -> bool:
    """Return whether a run is writing into a folder, in this process or another one on this machine.

    The query does not take the lock away from the run, does not create a lock file, and never makes a run
    that is about to start fail. A folder that cannot be resolved has no run.
    """
    try:
        path = lock_path(folder)
        if fcntl is None:
            return path.exists() and _is_taken(path)
        descriptor = os.open(path, os.O_RDONLY)
    except (OSError, RuntimeError):  # pathlib raises RuntimeError for a loop of links
        return False

    try:
        # A shared lock is refused while a run has its exclusive one, and two queries do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)  # releases the shared lock
    return False


def _is_taken(path: Path) -> bool:
    """Return whether a lock is held, on a system without shared locks."""
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False
